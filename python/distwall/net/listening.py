"""The listening TCP sockets of this host, as /proc shows them.

They are the sockets in the network namespace of the caller. Loopback does not reach nodes in another namespace, such as
a container's.
"""

import struct
from dataclasses import dataclass
from ipaddress import ip_address

from distwall.net.addresses import is_loopback, printed
from distwall.net.proc_net import lines

_LISTEN = "0A"
_WORDS = struct.Struct("=I")


@dataclass(frozen=True, slots=True)
class ListeningSocket:
    """One listening socket. ``inode`` identifies it among its owner's file descriptors."""

    address: str
    port: int
    inode: int
    uid: int

    @property
    def wildcard(self) -> bool:
        """True if it listens at all addresses."""
        return ip_address(self.address).is_unspecified

    @property
    def loopback(self) -> bool:
        """True if only this host can reach it."""
        return is_loopback(self.address)

    def covers(self, address: str) -> bool:
        """True if it may be the socket that answers at ``address``."""
        bare = address.partition("%")[0]
        return self.address == bare or (self.wildcard and (":" in self.address or ":" not in bare))

    def __str__(self) -> str:
        return printed(self.address, self.port)


def listeners() -> list[ListeningSocket]:
    """All listening TCP sockets."""
    found = []
    for name in ("tcp", "tcp6"):
        for line in lines(name)[1:]:
            fields = line.split()
            if fields[3] == _LISTEN:
                host, port = fields[1].split(":")
                found.append(ListeningSocket(_address(host), int(port, 16), int(fields[9]), int(fields[7])))
    return found


def _address(digits: str) -> str:
    """An address as /proc/net/tcp has it: 32-bit words, each in the byte order of the machine."""
    raw = b"".join(_WORDS.pack(int(digits[at : at + 8], 16)) for at in range(0, len(digits), 8))
    return str(ip_address(raw))
