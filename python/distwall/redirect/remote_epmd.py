"""Asks the EPMD of another host for all its names (NAMES_REQ); what it says is bounded."""

import asyncio
import re

from distwall.epmd.messages import NAMES_REQ, BadAliveNameError, decode_name

MAX_ANSWER = 1 << 16
"""Bytes of an answer that are read: about a thousand names."""

_REQUEST = bytes((0, 1, NAMES_REQ))
_LINE = re.compile(rb"name (.+) at port (\d{1,5})")


async def ask_names(address: str, port: int) -> list[tuple[str, int]]:
    """The names (the part before ``@``) and ports that the EPMD at ``address`` and ``port`` has.

    Raises OSError if there is none.
    """
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(_REQUEST)
        answer = b""
        while len(answer) < MAX_ANSWER and (data := await reader.read(MAX_ANSWER - len(answer))):
            answer += data
    finally:
        writer.close()
    return parse_names(answer)


def parse_names(answer: bytes) -> list[tuple[str, int]]:
    """What NAMES_RESP says. Lines that a stock EPMD would not write are left out."""
    found: dict[str, int] = {}
    for line in answer[4:].split(b"\n"):
        match = _LINE.fullmatch(line)
        if match is None or not 0 < (port := int(match[2])) < 1 << 16:
            continue
        try:
            found[decode_name(match[1])] = port
        except BadAliveNameError:
            continue
    return list(found.items())
