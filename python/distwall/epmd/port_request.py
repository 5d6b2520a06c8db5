"""The other side of EPMD: where does a peer listen?

One PORT2_REQ; the answer (PORT2_RESP) is a kind, a result, and if that is 0 the port and more that is of no interest
here.
"""

import struct

from distwall.epmd.messages import PORT2_REQ

ANSWER_SIZE = 4
"""Bytes that an answer has to have: kind, result, port."""

_PORT2_RESP = 119
_REQUEST_HEAD = struct.Struct(">HB")
_ANSWER = struct.Struct(">BBH")


def port2_request(name: str) -> bytes:
    """Asks for ``name``, the part before ``@``; with its length."""
    text = name.encode()
    return _REQUEST_HEAD.pack(1 + len(text), PORT2_REQ) + text


def parse_port2_answer(data: bytes) -> int | None:
    """The port in an answer; None if the node is not registered.

    Raises ValueError for what is no answer.
    """
    if len(data) >= 2 and data[0] == _PORT2_RESP and data[1]:
        return None
    if len(data) < ANSWER_SIZE or data[0] != _PORT2_RESP:
        raise ValueError("no EPMD answers there")
    port: int = _ANSWER.unpack_from(data)[2]
    if not port:
        raise ValueError("EPMD says port 0")
    return port
