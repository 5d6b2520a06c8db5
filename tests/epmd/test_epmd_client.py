"""What another host's EPMD says of its names."""

import asyncio
import socket
import threading

import pytest

from distwall.epmd.questions import parse_names_answer
from distwall.epmd_client import MAX_NAMES_ANSWER, ask_names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (b"", []),
        (b"name foo at port 4000\nname b\xc3\xa4r at port 4001\n", [("foo", 4000), ("bär", 4001)]),
        (b"name foo at port 4000\nname cut at po", [("foo", 4000)]),
        (b"name at port 1 at port 2\n", []),
        (b"name a b at port 2\nname x@y at port 2\nname \xff at port 2\n", []),
        (b"name foo at port 0\nname foo at port 65536\nname foo at port -1\nname foo at port 99999\n", []),
        (b"name foo at port 1\nname foo at port 2\n", [("foo", 2)]),
        (b"nonsense\n\n\0", []),
    ],
)
def test_the_names_of_an_epmd_are_read(text: bytes, names: list[tuple[str, int]]) -> None:
    assert parse_names_answer(b"\0\0\x11\x11" + text) == (0x1111, dict(names))


def test_an_answer_is_read_up_to_a_bound() -> None:
    line = b"name foo at port 4000\n"

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            assert connection.recv(3) == b"\0\1n"
            connection.sendall(b"\0\0\x11\x11" + line + b"x" * MAX_NAMES_ANSWER + line)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        assert asyncio.run(ask_names(*server.getsockname())) == (0x1111, {"foo": 4000})
        thread.join()
