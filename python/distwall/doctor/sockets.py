"""TCP on this host: its addresses, who listens where, and whether something answers.

All of it in the network namespace of the caller: nodes in another one (a container's) can't be reached over loopback.
"""

import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from pathlib import Path

_NET = Path("/proc/thread-self/net")
_LISTEN = "0A"
_WORDS = struct.Struct("=I")
_TIMEOUT = 1.0


@dataclass(frozen=True, slots=True)
class Listener:
    """One listening socket. ``inode`` is what its owner's file descriptors name."""

    address: str
    port: int
    inode: int
    uid: int

    @property
    def wildcard(self) -> bool:
        """Whether it listens at all addresses."""
        return ip_address(self.address).is_unspecified

    @property
    def loopback(self) -> bool:
        """Whether only this host can reach it."""
        return is_loopback(self.address)

    def covers(self, address: str) -> bool:
        """Whether it may be what answers at ``address``."""
        bare = address.partition("%")[0]
        return self.address == bare or (self.wildcard and (":" in self.address or ":" not in bare))

    def __str__(self) -> str:
        return endpoint(self.address, self.port)


def endpoint(address: str, port: int) -> str:
    """An address with a port, as people write it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def is_loopback(address: str) -> bool:
    """Whether an IP address leads to this host alone."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped:
        return parsed.ipv4_mapped.is_loopback
    return parsed.is_loopback


def listeners() -> list[Listener]:
    """All listening TCP sockets."""
    found = []
    for name in ("tcp", "tcp6"):
        for line in _lines(_NET / name)[1:]:
            fields = line.split()
            if fields[3] == _LISTEN:
                host, port = fields[1].split(":")
                found.append(Listener(_address(host), int(port, 16), int(fields[9]), int(fields[7])))
    return found


def local_addresses() -> list[str]:
    """The IP addresses of this host; those of a link with the name of their interface."""
    found: dict[str, None] = {}
    address = ""
    for line in _lines(_NET / "fib_trie"):
        words = line.split()
        if words[0] == "|--":
            address = words[1]
        elif words[-2:] == ["host", "LOCAL"] and words[0] == "/32":
            found[address] = None
    for line in _lines(_NET / "if_inet6"):
        digits, *_, interface = line.split()
        parsed = IPv6Address(bytes.fromhex(digits))
        found[f"{parsed}%{interface}" if parsed.is_link_local else str(parsed)] = None
    return list(found)


def resolve(host: str) -> set[str]:
    """The IP addresses that a host name or an address stands for; none if it can't be resolved."""
    try:
        return {str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        return set()


def answers(address: str, port: int) -> bool:
    """Whether a connection to ``address`` succeeds."""
    try:
        with socket.create_connection((address, port), timeout=_TIMEOUT):
            return True
    except OSError:
        return False


def ask(address: str, port: int, request: bytes, limit: int = 1 << 20) -> bytes | None:
    """Sends ``request``; returns what comes back until the other side closes or is silent. None: no connection."""
    received = bytearray()
    try:
        with socket.create_connection((address, port), timeout=_TIMEOUT) as connection:
            try:
                connection.sendall(request)
                while len(received) < limit and (data := connection.recv(1 << 16)):
                    received += data
            except OSError:
                pass
    except OSError:
        return None
    return bytes(received)


def _address(digits: str) -> str:
    """An address as /proc/net/tcp has it: 32-bit words, each in the byte order of the machine."""
    raw = b"".join(_WORDS.pack(int(digits[at : at + 8], 16)) for at in range(0, len(digits), 8))
    return str(ip_address(raw))


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text().splitlines() if line.strip()]
    except OSError:
        return []
