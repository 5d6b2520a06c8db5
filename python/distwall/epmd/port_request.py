"""The client side of EPMD: asks for the port of a peer.

It sends one PORT2_REQ. The answer (PORT2_RESP) is a kind, a result, and if that is 0 the port. More follows, which is
not needed here.
"""

import struct

from distwall.epmd.messages import PORT2_REQ

ANSWER_SIZE = 4
"""Least bytes of an answer: kind, result, port."""

_PORT2_RESP = 119
_REQUEST_HEAD = struct.Struct(">HB")
_ANSWER = struct.Struct(">BBH")


def port2_request(name: str) -> bytes:
    """The request for ``name``, the part before ``@``, with its length."""
    text = name.encode()
    return _REQUEST_HEAD.pack(1 + len(text), PORT2_REQ) + text


def parse_port2_answer(data: bytes) -> int | None:
    """The port in an answer; None if the node is not registered.

    Raises ValueError if the bytes are not an answer.
    """
    if len(data) >= 2 and data[0] == _PORT2_RESP and data[1]:
        return None
    if len(data) < ANSWER_SIZE or data[0] != _PORT2_RESP:
        raise ValueError("no EPMD answers there")
    port: int = _ANSWER.unpack_from(data)[2]
    if not port:
        raise ValueError("EPMD says port 0")
    return port
