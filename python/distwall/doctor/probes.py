"""Questions to TCP on this host and its name service, answered before the call returns."""

import asyncio
import socket

from distwall.epmd_client import ask_names

_TIMEOUT = 1.0


def resolve(host: str) -> set[str]:
    """The IP addresses of a host name or an address; empty if it can't be resolved."""
    try:
        return {str(info[4][0]) for info in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except OSError:
        return set()


def answers(address: str, port: int) -> bool:
    """True if a connection to ``address`` succeeds."""
    try:
        with socket.create_connection((address, port), timeout=_TIMEOUT):
            return True
    except OSError:
        return False


def epmd_names(address: str, port: int) -> dict[str, int] | None:
    """The names that an EPMD lists, with their ports; None if there is no EPMD."""

    async def question() -> dict[str, int] | None:
        async with asyncio.timeout(2 * _TIMEOUT):
            said, names = await ask_names(address, port)
        return names if said == port else None

    try:
        return asyncio.run(question())
    except (OSError, ValueError):
        return None
