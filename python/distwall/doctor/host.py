"""The host as the checks see it: read once, so that all checks see the same moment."""

import socket
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from distwall.doctor.erlang import Node, nodes
from distwall.doctor.probes import epmd_names, resolve
from distwall.net.addresses import is_loopback
from distwall.net.listening import ListeningSocket, listeners
from distwall.net.local_addresses import local_addresses
from distwall.net.processes import Process, processes
from distwall.policy import Address, Policy

_CREDENTIALS = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class DistwallProcess:
    """The process that listens on the control socket."""

    pid: int
    uid: int


class Host:
    """Addresses, listening sockets, Erlang nodes and the running distwall."""

    @cached_property
    def addresses(self) -> list[str]:
        """The IP addresses of this host."""
        return local_addresses()

    @property
    def outside(self) -> list[str]:
        """The IP addresses of this host that others can reach."""
        return [address for address in self.addresses if not is_loopback(address)]

    @cached_property
    def listeners(self) -> list[ListeningSocket]:
        """All listening TCP sockets."""
        return listeners()

    @cached_property
    def processes(self) -> list[Process]:
        """All processes."""
        return processes()

    @cached_property
    def nodes(self) -> list[Node]:
        """All Erlang VMs."""
        return nodes(self.processes)

    def guarded(self, policy: Policy) -> list[Node]:
        """The running guarded nodes, recognised by their command lines or their ports."""
        names = {port: alive for alive, port in self.registered(policy).items() if policy.guards_alive(alive)}
        for listener in self.listeners:
            if listener.port in names and (node := self.node_with(listener)):
                node.registered_as = names[listener.port]
        return [node for node in self.nodes if node.name and _is_guarded(policy, node.name)]

    def node_with(self, listener: ListeningSocket) -> Node | None:
        """The Erlang node that a socket belongs to, if this process may see that."""
        return next((node for node in self.nodes if listener.inode in node.process.sockets), None)

    def registered(self, policy: Policy) -> dict[str, int]:
        """Own ports by name, as the EPMD at `[guard] register` shows them.

        Empty if it shows distwall's ports, or does not answer.
        """
        return {} if policy.guard.one_epmd else self.known(policy) or {}

    def known(self, policy: Policy) -> dict[str, int] | None:
        """The names at the register EPMD; None if it does not answer."""
        for address in resolve(policy.guard.register.host):
            if (listed := epmd_names(address, policy.guard.register.port)) is not None:
                return listed
        return None

    def listener_at(self, address: str, port: int) -> ListeningSocket | None:
        """The socket that answers at an address: bound to the address, else bound to all."""
        fitting = [listener for listener in self.listeners if listener.port == port and listener.covers(address)]
        family = ":" in address
        return min(fitting, key=lambda each: (each.wildcard, (":" in each.address) != family), default=None)

    def sockets_of(self, pid: int) -> frozenset[int]:
        """The inodes of a process's sockets; empty if this process may not read them."""
        return next((process.sockets for process in self.processes if process.pid == pid), frozenset())

    def owner_of(self, inode: int) -> int | None:
        """The process that holds a socket, if this process may see that."""
        return next((process.pid for process in self.processes if inode in process.sockets), None)

    def served(self, address: Address) -> set[str]:
        """The local addresses at which a listener of the policy answers."""
        return self.served_host(address.host)

    def served_host(self, host: str) -> set[str]:
        """The local addresses that a host of the policy resolves to."""
        resolved = resolve(host)
        if "0.0.0.0" in resolved:  # noqa: S104
            return {each for each in self.addresses if ":" not in each}
        return set(self.addresses) if "::" in resolved else resolved

    def distwall(self, control: Path) -> DistwallProcess | Literal["hidden"] | None:
        """The distwall that listens on the control socket; None: no distwall; hidden: only others may ask."""
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(control))
                raw = probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
            except PermissionError:
                return "hidden"
            except OSError:
                return None
        pid, uid, _ = _CREDENTIALS.unpack(raw)
        return DistwallProcess(pid, uid)

    def distwall_uid(self, control: Path) -> int | None:
        """The user of distwall, if this process may see that."""
        process = self.distwall(control)
        return process.uid if isinstance(process, DistwallProcess) else None


def _is_guarded(policy: Policy, name: str) -> bool:
    return policy.guards(name) if "@" in name else policy.guards_alive(name)
