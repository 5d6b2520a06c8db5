"""The client of other EPMDs: it asks for the port of a node (PORT2_REQ), or for all names (NAMES_REQ).

It is the one module of this package with I/O. An answer has no length: EPMD closes the connection behind it. The
answer to PORT2_REQ is a kind, a result, and if that is 0 the port; more follows, which is not needed here. The answer
to NAMES_REQ is EPMD's own port, and a line of text for each name.
"""

import asyncio
import contextlib
import re
import struct
from collections.abc import AsyncIterator

from distwall.epmd.messages import NAMES_REQ, PORT2_REQ, PORT2_RESP, BadAliveNameError, decode_name

MAX_NAMES_ANSWER = 1 << 16
"""Most bytes of a list of names that are read: about a thousand names."""

_REQUEST_HEAD = struct.Struct(">HB")
_PORT_ANSWER = struct.Struct(">BBH")
_LINE = re.compile(rb"name (.+) at port (\d{1,5})")


async def ask_port(address: str, port: int, name: str, *, own: tuple[str, int] | None = None) -> int | None:
    """Return the port of the node ``name`` (the part before ``@``), by the EPMD at ``address``; None: unknown there.

    ``own`` is the local address to ask from. Raises OSError if there is no EPMD, ValueError if the program there
    doesn't speak its protocol.
    """
    async with _asked(address, port, port2_request(name), own) as reader:
        answer = b""
        with contextlib.suppress(asyncio.IncompleteReadError):
            answer = await reader.readexactly(2)
            if not answer[1]:
                answer += await reader.readexactly(_PORT_ANSWER.size - len(answer))
    return parse_port2_answer(answer)


async def ask_names(address: str, port: int) -> tuple[int, dict[str, int]]:
    """Return the port that the EPMD at ``address`` says it has, and the ports of all its nodes by name.

    Raises OSError if there is no EPMD, ValueError if the program there doesn't speak its protocol.
    """
    async with _asked(address, port, _REQUEST_HEAD.pack(1, NAMES_REQ)) as reader:
        answer = b""
        while len(answer) < MAX_NAMES_ANSWER and (data := await reader.read(MAX_NAMES_ANSWER - len(answer))):
            answer += data
    return parse_names_answer(answer)


def port2_request(name: str) -> bytes:
    """The request for ``name``, the part before ``@``, with its length."""
    text = name.encode()
    return _REQUEST_HEAD.pack(1 + len(text), PORT2_REQ) + text


def parse_port2_answer(data: bytes) -> int | None:
    """The port in an answer; None if the node is not registered.

    Raises ValueError if the bytes are not an answer.
    """
    if len(data) >= 2 and data[0] == PORT2_RESP and data[1]:
        return None
    if len(data) < _PORT_ANSWER.size or data[0] != PORT2_RESP:
        raise ValueError("no EPMD answers there")
    port: int = _PORT_ANSWER.unpack_from(data)[2]
    if not port:
        raise ValueError("EPMD says port 0")
    return port


def parse_names_answer(data: bytes) -> tuple[int, dict[str, int]]:
    """EPMD's own port and the names in an answer. Lines that a stock EPMD would not write are left out.

    Raises ValueError if the bytes are not an answer.
    """
    if len(data) < 4:
        raise ValueError("no EPMD answers there")
    found: dict[str, int] = {}
    for line in data[4:].split(b"\n"):
        match = _LINE.fullmatch(line)
        if match is None or not 0 < (port := int(match[2])) < 1 << 16:
            continue
        with contextlib.suppress(BadAliveNameError):
            found[decode_name(match[1])] = port
    return int.from_bytes(data[:4]), found


@contextlib.asynccontextmanager
async def _asked(
    address: str, port: int, request: bytes, own: tuple[str, int] | None = None
) -> AsyncIterator[asyncio.StreamReader]:
    """Send a request to an EPMD; yield a reader of the answer."""
    reader, writer = await asyncio.open_connection(address, port, local_addr=own)
    try:
        writer.write(request)
        yield reader
    finally:
        writer.close()
