"""EPMD requests and answers on the wire (Erlang Distribution Protocol, "Protocol between client and EPMD").

Requests carry a 16-bit length, answers none. All integers are big-endian.
"""

import struct
from dataclasses import dataclass

from distwall.node_name import NodeName

MAX_NAME = 255
"""Longest node name (the part before ``@``), in characters."""

MAX_REQUEST = 2048
"""Longest request in bytes: an ALIVE2_REQ with the longest name in UTF-8 and room for its Extra field."""

LENGTH = 2
"""Bytes of the length in front of a request."""

ALIVE2_REQ = 120
PORT2_REQ = 122
NAMES_REQ = 110
DUMP_REQ = 100
KILL_REQ = 107
STOP_REQ = 115

_ALIVE2_RESP = 121
_ALIVE2_X_RESP = 118
PORT2_RESP = 119

_REFUSED = 1

_VISIBLE_NODE = 77
_VERSION = 6

_ALIVE2_HEAD = struct.Struct(">HBBHHH")
_PORT2_HEAD = struct.Struct(">BBHBBHHH")

_COMMAND_NAMES = {DUMP_REQ: "dump", KILL_REQ: "kill", STOP_REQ: "stop"}


class RequestError(ValueError):
    """The bytes are not a request of EPMD's protocol. The text says what is wrong with them."""


class BadAliveNameError(RequestError):
    """The name in a request is not a node name."""


@dataclass(frozen=True, slots=True)
class Alive2:
    """ALIVE2_REQ: a node registers itself."""

    name: str
    port: int
    node_type: int
    protocol: int
    highest: int
    lowest: int
    extra: bytes


@dataclass(frozen=True, slots=True)
class Port2:
    """PORT2_REQ: asks for the port of the node called ``name``."""

    name: str


@dataclass(frozen=True, slots=True)
class Reach:
    """PORT2_REQ for a full node name, as `distwall_epmd` asks: the way out to the node called ``node``."""

    node: str


@dataclass(frozen=True, slots=True)
class Names:
    """NAMES_REQ: asks for all registered nodes."""


@dataclass(frozen=True, slots=True)
class Other:
    """A request that distwall never serves; ``command`` is its name or number."""

    command: str


Request = Alive2 | Port2 | Reach | Names | Other


def parse(body: bytes) -> Request:
    """The request in ``body`` (the bytes behind its 16-bit length).

    Raises `RequestError`.
    """
    if not body:
        raise RequestError("empty request")
    kind = body[0]
    if kind == ALIVE2_REQ:
        return _parse_alive2(body)
    if kind == PORT2_REQ:
        raw = body[1:].removesuffix(b"\0")
        return Reach(_decode_full_name(raw)) if b"@" in raw else Port2(decode_name(raw))
    if kind == NAMES_REQ:
        if len(body) != 1:
            raise RequestError("NAMES_REQ with a body")
        return Names()
    return Other(_COMMAND_NAMES.get(kind, str(kind)))


def _parse_alive2(body: bytes) -> Alive2:
    end = 1 + _ALIVE2_HEAD.size
    if len(body) < end:
        raise RequestError("ALIVE2_REQ too short")
    port, node_type, protocol, highest, lowest, length = _ALIVE2_HEAD.unpack_from(body, 1)
    name = body[end : end + length]
    rest = body[end + length :]
    if len(name) != length or len(rest) < LENGTH:
        raise RequestError("ALIVE2_REQ too short for its name")
    extra = rest[LENGTH:]
    if len(extra) != int.from_bytes(rest[:LENGTH]):
        raise RequestError("ALIVE2_REQ whose length does not fit its fields")
    if port == 0:
        raise RequestError("ALIVE2_REQ with port 0")
    return Alive2(decode_name(name), port, node_type, protocol, highest, lowest, extra)


def decode_name(raw: bytes) -> str:
    """A node name (the part before ``@``) from its UTF-8 bytes.

    Raises `BadAliveNameError` if it is empty, too long, or contains ``@`` or a character that is not printable.
    """
    try:
        name = raw.decode()
    except UnicodeDecodeError:
        raise BadAliveNameError("name is not UTF-8") from None
    if not name:
        raise BadAliveNameError("empty name")
    if len(name) > MAX_NAME:
        raise BadAliveNameError("name too long")
    # isprintable() refuses control, format, surrogate and separator characters; a plain space alone it lets through.
    if not name.isprintable() or " " in name or "@" in name:
        raise BadAliveNameError("name with a character that no node name has")
    return name


def _decode_full_name(raw: bytes) -> str:
    if raw.count(b"@") != 1:
        raise BadAliveNameError("name with more than one @")
    name = str(NodeName(*(decode_name(part) for part in raw.split(b"@"))))
    if len(name) > MAX_NAME:
        raise BadAliveNameError("name too long")
    return name


def alive2_answer(highest: int, creation: int) -> bytes:
    """ALIVE2_X_RESP (or ALIVE2_RESP for a node older than OTP 23) for a registration that succeeded.

    ``creation`` has 32 bits; an old node gets one of its three legal values.
    """
    if highest >= _VERSION:
        return struct.pack(">BBI", _ALIVE2_X_RESP, 0, creation)
    return struct.pack(">BBH", _ALIVE2_RESP, 0, creation % 3 + 1)


def alive2_refusal(highest: int) -> bytes:
    """The answer to a registration that is refused."""
    if highest >= _VERSION:
        return struct.pack(">BBI", _ALIVE2_X_RESP, _REFUSED, 0)
    return struct.pack(">BBH", _ALIVE2_RESP, _REFUSED, 0)


def port2_answer(node: Alive2, port: int) -> bytes:
    """PORT2_RESP: ``node`` as it registered, at ``port``."""
    name = node.name.encode()
    head = _PORT2_HEAD.pack(PORT2_RESP, 0, port, node.node_type, node.protocol, node.highest, node.lowest, len(name))
    return head + name + struct.pack(">H", len(node.extra)) + node.extra


def reach_answer(node: str, port: int) -> bytes:
    """PORT2_RESP: the way to ``node`` begins at ``port``."""
    alive = NodeName.of(node).alive
    return port2_answer(Alive2(alive, port, _VISIBLE_NODE, 0, _VERSION, _VERSION, b""), port)


def port2_refusal() -> bytes:
    """PORT2_RESP: no such node."""
    return bytes((PORT2_RESP, _REFUSED))


def names_answer(epmd_port: int, nodes: list[tuple[str, int]]) -> bytes:
    """NAMES_RESP. Clients discard it unless ``epmd_port`` is the port of their connection."""
    lines = "".join(f"name {name} at port {port}\n" for name, port in nodes)
    return struct.pack(">I", epmd_port) + lines.encode()
