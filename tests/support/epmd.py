"""Questions to an EPMD, and a name registered there, over plain sockets."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

TIMEOUT = 10.0


class EpmdRefused(Exception):
    """EPMD does not take a name; the argument says which."""


def read_exactly(sock: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            raise ConnectionResetError(f"closed after {len(data)} of {count} bytes")
        data += part
    return data


def epmd(request: bytes, address: tuple[str, int] = ("127.0.0.1", 4369)) -> bytes:
    """Sends one request; returns the answer until EPMD closes."""
    with socket.create_connection(address, TIMEOUT) as sock:
        sock.sendall(struct.pack(">H", len(request)) + request)
        answer = b""
        while part := sock.recv(65536):
            answer += part
        return answer


def epmd_port(alive: str, address: tuple[str, int] = ("127.0.0.1", 4369)) -> int | None:
    """The port that a node is registered with; None if it isn't."""
    answer = epmd(b"z" + alive.encode(), address)
    return struct.unpack(">H", answer[2:4])[0] if answer[:2] == b"w\0" else None


def epmd_names(address: tuple[str, int] = ("127.0.0.1", 4369)) -> str:
    """The nodes registered with EPMD, as it prints them."""
    return epmd(b"n", address)[4:].decode()


@contextmanager
def epmd_registered(alive: str, port: int, address: tuple[str, int] = ("127.0.0.1", 4369)) -> Iterator[int]:
    """Registers a name while the context lasts; yields the creation."""
    name = alive.encode()
    request = struct.pack(">BHBBHHH", 120, port, 77, 0, 6, 5, len(name)) + name + b"\0\0"
    with socket.create_connection(address, TIMEOUT) as sock:
        sock.sendall(struct.pack(">H", len(request)) + request)
        kind, result = read_exactly(sock, 2)
        if result:
            raise EpmdRefused(f"{alive}: {result}")
        yield int.from_bytes(read_exactly(sock, 4 if kind == 118 else 2), "big")
