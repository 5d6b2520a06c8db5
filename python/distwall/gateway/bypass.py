"""Finds nodes that register with distwall but can be reached past it."""

from pathlib import Path

from distwall.net.listening import listeners

_OWN = Path("/proc/self/fd")


def bypass_addresses(port: int) -> list[str]:
    """The addresses where other hosts reach the socket at ``port``; distwall's own sockets don't count.

    Reads the system's tables, so call it from a thread. Empty if the system has no such tables.
    """
    found = [each for each in listeners() if each.port == port and not each.loopback]
    own = _own_sockets() if found else set()
    return sorted(str(each) for each in found if f"socket:[{each.inode}]" not in own)


def _own_sockets() -> set[str]:
    found = set()
    for descriptor in _OWN.iterdir():
        try:
            found.add(str(descriptor.readlink()))
        except OSError:
            continue
    return found
