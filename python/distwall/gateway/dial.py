"""Dials: the way from distwall to a peer or to a guarded node."""

import asyncio
import contextlib

from distwall.epmd.client import ANSWER_SIZE, parse_port2_answer, port2_request


async def ask_epmd(address: str, port: int, name: str) -> int | None:
    """Where the node ``name`` (the part before ``@``) listens, by the EPMD at ``address``; None if it doesn't know.

    Raises OSError if there is no EPMD, ValueError if what is there doesn't speak its protocol.
    """
    reader, writer = await asyncio.open_connection(address, port, limit=ANSWER_SIZE)
    try:
        writer.write(port2_request(name))
        answer = b""
        with contextlib.suppress(asyncio.IncompleteReadError):
            answer = await reader.readexactly(2)
            if not answer[1]:
                answer += await reader.readexactly(ANSWER_SIZE - len(answer))
    finally:
        writer.close()
    return parse_port2_answer(answer)
