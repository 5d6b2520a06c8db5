"""The client of other EPMDs: it asks for the port of a node, or for all names.

An answer has no length: EPMD closes the connection behind it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from distwall.epmd.questions import (
    NAMES_REQUEST,
    PORT_ANSWER_SIZE,
    parse_names_answer,
    parse_port2_answer,
    port2_request,
)

MAX_NAMES_ANSWER = 1 << 16
"""Most bytes of a list of names that are read: about a thousand names."""


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
                answer += await reader.readexactly(PORT_ANSWER_SIZE - len(answer))
    return parse_port2_answer(answer)


async def ask_names(address: str, port: int) -> tuple[int, dict[str, int]]:
    """Return the port that the EPMD at ``address`` says it has, and the ports of all its nodes by name.

    Raises OSError if there is no EPMD, ValueError if the program there doesn't speak its protocol.
    """
    async with _asked(address, port, NAMES_REQUEST) as reader:
        answer = b""
        while len(answer) < MAX_NAMES_ANSWER and (data := await reader.read(MAX_NAMES_ANSWER - len(answer))):
            answer += data
    return parse_names_answer(answer)


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
