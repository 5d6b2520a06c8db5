"""Questions to TCP on this host and its name service, answered before the call returns."""

import socket

_TIMEOUT = 1.0


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
