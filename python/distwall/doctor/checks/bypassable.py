"""Guarded nodes that can be reached without distwall: their own port at another address than loopback.

The name of the check is `exposed`, which is stable, and has nothing to do with the scope `to exposed` of rules.
"""

from collections.abc import Iterator

from distwall.doctor.erlang import EPMD_MODULE, Node
from distwall.doctor.finding import Finding, problem, warning
from distwall.doctor.host import Host
from distwall.doctor.probes import answers
from distwall.net.addresses import printed
from distwall.net.listening import ListeningSocket
from distwall.policy import Policy

_REMEDY = "start it with distwall exec, or with -kernel inet_dist_use_interface '{127,0,0,1}'"


def check(policy: Policy, host: Host) -> Iterator[Finding]:
    """Looks at the listening sockets, and tries each of the host's addresses."""
    guarded = host.guarded(policy)
    settled: set[int] = set()
    for alive, port in host.registered(policy).items():
        if not policy.guards_alive(alive):
            continue
        owner = next((node for each in host.listeners if each.port == port and (node := host.node_with(each))), None)
        if owner:
            settled.add(owner.pid)
        yield from _reachable(alive, port, owner, host)
    for node in guarded:
        if node.pid not in settled:
            yield from _unsure(node, host)


def _reachable(alive: str, port: int, owner: Node | None, host: Host) -> Iterator[Finding]:
    inside = {each.inode for each in host.listeners if each.port == port and each.loopback}
    open_at = []
    for address in host.outside:
        listener = host.listener_at(address, port)
        if listener is None:
            # Nobody listens, so what answers is a forwarding to the node.
            mine = True
        elif owner:
            mine = listener.inode in owner.process.sockets
        else:
            mine = listener.inode in inside or not inside
        if mine and answers(address, port):
            open_at.append(printed(address, port))
    who = f" ({owner.where})" if owner else ""
    if open_at:
        what = f"{alive} can be reached without distwall"
        yield problem("exposed", what, f"{', '.join(open_at)}{who}", _REMEDY)
        return
    # A packet filter may keep this host's own connections away, and let others in.
    for listener in host.listeners:
        if listener.port == port and not listener.loopback and _is_of(listener, owner, inside):
            what = f"{alive} listens on more than loopback, but this host gets no answer there"
            yield problem("exposed", what, f"{listener}{who}", _REMEDY)
            return


def _is_of(listener: ListeningSocket, owner: Node | None, inside: set[int]) -> bool:
    return listener.inode in owner.process.sockets if owner else not inside


def _unsure(node: Node, host: Host) -> Iterator[Finding]:
    """Warns of a node whose port isn't known: not registered here, or registered with an EPMD that hides it."""
    # distwall_epmd makes sure of that by itself.
    if node.on_loopback or node.epmd_module == EPMD_MODULE:
        return
    name = node.name or "a guarded node"
    own = [each for each in host.listeners if each.inode in node.process.sockets]
    outside = [str(each) for each in own if not each.loopback]
    if outside:
        what = f"{name} listens on more than loopback; if one of them is for distribution, peers can go round distwall"
        yield warning("exposed", what, f"{', '.join(outside)} ({node.where})", _REMEDY)
    elif not own:
        what = f"{name} was not told to listen on loopback only"
        yield warning("exposed", what, node.where, _REMEDY)
