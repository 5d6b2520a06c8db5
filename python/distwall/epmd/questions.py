"""Questions to other EPMDs: the port of a node (PORT2_REQ), and all names (NAMES_REQ).

The answer to PORT2_REQ is a kind, a result, and if that is 0 the port; more follows, which is not needed here. The
answer to NAMES_REQ is EPMD's own port, and a line of text for each name.
"""

import re
import struct

from distwall.epmd.messages import NAMES_REQ, PORT2_REQ, PORT2_RESP, BadAliveNameError, decode_name

_REQUEST_HEAD = struct.Struct(">HB")
_PORT_ANSWER = struct.Struct(">BBH")
_LINE = re.compile(rb"name (.+) at port (\d{1,5})")

_REFUSAL_SIZE = 2
_NAMES_HEAD = 4
"""Bytes of EPMD's own port in front of the names."""
PORT_ANSWER_SIZE = _PORT_ANSWER.size
"""Least bytes of an answer to PORT2_REQ with a port."""

NAMES_REQUEST = _REQUEST_HEAD.pack(1, NAMES_REQ)


def port2_request(name: str) -> bytes:
    """The request for ``name``, the part before ``@``, with its length."""
    text = name.encode()
    return _REQUEST_HEAD.pack(1 + len(text), PORT2_REQ) + text


def parse_port2_answer(data: bytes) -> int | None:
    """The port in an answer; None if the node is not registered.

    Raises ValueError if the bytes are not an answer.
    """
    if len(data) >= _REFUSAL_SIZE and data[0] == PORT2_RESP and data[1]:
        return None
    if len(data) < PORT_ANSWER_SIZE or data[0] != PORT2_RESP:
        raise ValueError("no EPMD answers there")
    port: int = _PORT_ANSWER.unpack_from(data)[2]
    if not port:
        raise ValueError("EPMD says port 0")
    return port


def parse_names_answer(data: bytes) -> tuple[int, dict[str, int]]:
    """EPMD's own port and the names in an answer. Lines that a stock EPMD would not write are left out.

    Raises ValueError if the bytes are not an answer.
    """
    if len(data) < _NAMES_HEAD:
        raise ValueError("no EPMD answers there")
    found: dict[str, int] = {}
    for line in data[_NAMES_HEAD:].split(b"\n"):
        match = _LINE.fullmatch(line)
        if match is None or not 0 < (port := int(match[2])) < 1 << 16:
            continue
        try:
            found[decode_name(match[1])] = port
        except BadAliveNameError:
            continue
    return int.from_bytes(data[:4]), found
