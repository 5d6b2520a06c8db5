"""Names the program that listens at an address which distwall wants."""

import socket
from errno import EADDRINUSE

from distwall.net.addresses import plain
from distwall.net.listening import ListeningSocket, listeners
from distwall.net.processes import processes
from distwall.net.sockets import listen


def listen_or_tell(addresses: list[str], port: int) -> list[socket.socket]:
    """Listen as `listen` does; if the port is in use, the OSError names the program that uses it."""
    try:
        return listen(addresses, port)
    except OSError as error:
        by = holder(addresses, port) if error.errno == EADDRINUSE else ""
        if not by:
            raise
        raise OSError(error.errno, f"{error.strerror}, by {by}") from error


def holder(addresses: list[str], port: int) -> str:
    """Return the program that listens at a port of one of these addresses, as in `epmd (process 4711, user 106)`.

    Without the rights to see the process, it is its user alone. Empty: nobody listens there any more.
    """
    found = [each for each in listeners() if each.port == port and any(_conflict(each, wanted) for wanted in addresses)]
    if not found:
        return ""
    inodes = {each.inode for each in found}
    for process in processes():
        if process.sockets & inodes:
            return f"{process.name} (process {process.pid}, user {process.uid})"
    return f"a program of user {found[0].uid}"


def _conflict(listening: ListeningSocket, wanted: str) -> bool:
    return wanted in ("0.0.0.0", "::") or listening.covers(wanted) or plain(listening.address) == wanted  # noqa: S104
