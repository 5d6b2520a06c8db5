"""Other EPMDs of this host, where peers find ports that are not distwall's, or guarded nodes register past it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from distwall.doctor.finding import Finding, problem, warning
from distwall.doctor.host import DistwallProcess, Host
from distwall.doctor.probes import epmd_names
from distwall.net.addresses import is_loopback, printed
from distwall.net.listening import ListeningSocket
from distwall.policy import Policy

STOCK_PORT = 4369


@dataclass
class _Stray:
    """One EPMD that does not belong to distwall."""

    pid: str
    names: dict[str, int]
    port: int
    addresses: list[str] = field(default_factory=list)
    at_ours: bool = False


def check(policy: Policy, host: Host) -> Iterator[Finding]:
    """Asks at every address of this host, at the stock port and at the policy's ports, for registered nodes."""
    for stray in _strays(policy, host):
        yield _finding(stray, policy)


def _strays(policy: Policy, host: Host) -> list[_Stray]:
    guard = policy.guard
    process = host.distwall(policy.control.socket)
    ours = {(address, each.port) for each in (guard.epmd, guard.register) for address in host.served(each)}
    found: dict[tuple[object, ...], _Stray] = {}
    for port in sorted({STOCK_PORT, guard.epmd.port, guard.register.port}):
        bound = [each.address for each in host.listeners if each.port == port and not each.wildcard]
        for address in dict.fromkeys([*host.addresses, *bound]):
            listener = host.listener_at(address, port)
            at_ours = (address, port) in ours
            if _is_distwalls(listener, process, host, at_ours=at_ours):
                continue
            names = epmd_names(address, port)
            if names is None:
                continue
            pid = _owner(listener, host)
            key = (port, tuple(names.items()), pid or (listener and listener.uid))
            stray = found.setdefault(key, _Stray(pid, names, port))
            stray.addresses.append(address)
            stray.at_ours |= at_ours
    return list(found.values())


def _is_distwalls(
    listener: ListeningSocket | None, process: DistwallProcess | Literal["hidden"] | None, host: Host, *, at_ours: bool
) -> bool:
    """True if distwall itself listens there, as far as this process can see."""
    if process == "hidden":
        return at_ours
    if listener is None or process is None:
        return False
    sockets = host.sockets_of(process.pid)
    if sockets:
        return listener.inode in sockets
    return at_ours and listener.uid == process.uid


def _owner(listener: ListeningSocket | None, host: Host) -> str:
    pid = host.owner_of(listener.inode) if listener else None
    return "" if pid is None else f" (pid {pid})"


def _finding(stray: _Stray, policy: Policy) -> Finding:
    guard = policy.guard
    where = ", ".join(printed(address, stray.port) for address in stray.addresses) + stray.pid
    guarded = [alive for alive in stray.names if policy.guards_alive(alive)]
    stop = f"stop it: epmd -port {stray.port} -kill"
    if guarded:
        what = f"another EPMD hands out the own port of {', '.join(guarded)}"
        remedy = f"start {', '.join(guarded)} with ERL_EPMD_PORT={guard.register.port} -start_epmd false, then {stop}"
        return problem("epmd", what, where, remedy)
    if stray.at_ours:
        return problem("epmd", "another EPMD holds an address of distwall's", where, f"{stop}, and start distwall")
    inside = all(is_loopback(address) for address in stray.addresses)
    if stray.port == guard.register.port and any(is_loopback(address) for address in stray.addresses):
        what = "another EPMD takes registrations at the port of the guarded nodes"
        return problem("epmd", what, where, stop)
    variable = f"ERL_EPMD_PORT={guard.register.port}"
    what = f"another EPMD answers: a guarded node that is started without {variable} registers there"
    if inside:
        return warning("epmd", what, where, f"{stop}, if nothing needs it")
    return warning("epmd", what, where, "stop it, or let it listen on loopback only: ERL_EPMD_ADDRESS=127.0.0.1")
