"""Handshake messages, version 6, on the wire (Erlang Distribution Protocol, "Distribution Handshake").

A message here has no length in front: `handshake.leg_buffer` adds and removes it. Real nodes ignore fields behind the
defined ones. distwall never forwards such fields: it encodes each relayed message itself.
"""

import hashlib
import struct
from dataclasses import dataclass

from distwall._core import DistFlag
from distwall.node_name import NodeName

MAX_NAME = 255
"""Longest node name, in characters."""

MAX_MESSAGE = 1024
"""Longest handshake message, in bytes: a challenge with the longest name, and room for later fields."""

SEND_NAME = ord("N")
SEND_NAME_OLD = ord("n")
STATUS = ord("s")
CHALLENGE = ord("N")
CHALLENGE_REPLY = ord("r")
CHALLENGE_ACK = ord("a")

_SEND_NAME_HEAD = struct.Struct(">BQIH")
_CHALLENGE_HEAD = struct.Struct(">BQIIH")
_REPLY = struct.Struct(">BI16s")
_ACK = struct.Struct(">B16s")
_NAMED = b"snamed:"


# Printable ASCII and the printable half of latin-1, less the spaces (32 and 160) and the soft hyphen.
_NAME_BYTES = frozenset((*range(0x21, 0x7F), *range(0xA1, 0x100))) - {0xAD}


class MessageError(ValueError):
    """The bytes are not a handshake message. The text says what is wrong, without quoting secrets."""


class BadNodeNameError(MessageError):
    """The name in a message is not a node name."""


@dataclass(frozen=True, slots=True)
class SendName:
    """The initiator's first message. ``name`` is only a host if NAME_ME is among ``flags``."""

    flags: int
    creation: int
    name: str

    def encode(self) -> bytes:
        """The message on the wire."""
        name = self.name.encode("latin-1")
        return _SEND_NAME_HEAD.pack(SEND_NAME, self.flags, self.creation, len(name)) + name


@dataclass(frozen=True, slots=True)
class Challenge:
    """The acceptor's challenge."""

    flags: int
    challenge: int
    creation: int
    name: str

    def encode(self) -> bytes:
        """The message on the wire."""
        name = self.name.encode("latin-1")
        return _CHALLENGE_HEAD.pack(CHALLENGE, self.flags, self.challenge, self.creation, len(name)) + name


@dataclass(frozen=True, slots=True)
class Named:
    """The status that answers NAME_ME: the name that the acceptor gives to the initiator."""

    name: str
    creation: int

    def encode(self) -> bytes:
        """The message on the wire."""
        name = self.name.encode()
        return _NAMED + struct.pack(">H", len(name)) + name + struct.pack(">I", self.creation)


def status(text: str) -> bytes:
    """A status message."""
    return b"s" + text.encode("ascii")


def challenge_reply(challenge: int, proof: bytes) -> bytes:
    """The initiator's proof and its own challenge."""
    return _REPLY.pack(CHALLENGE_REPLY, challenge, proof)


def challenge_ack(proof: bytes) -> bytes:
    """The acceptor's proof."""
    return _ACK.pack(CHALLENGE_ACK, proof)


def proof_of(cookie: bytes, challenge: int) -> bytes:
    """The proof of ``cookie`` for ``challenge``: MD5 of the cookie's text and the challenge in decimal."""
    return hashlib.md5(cookie + str(challenge).encode(), usedforsecurity=False).digest()


def parse_send_name(body: bytes) -> SendName:
    """The initiator's first message. Raises `MessageError`."""
    if len(body) < _SEND_NAME_HEAD.size:
        raise MessageError("name message too short")
    _, flags, creation, length = _SEND_NAME_HEAD.unpack_from(body)
    raw = _field(body, _SEND_NAME_HEAD.size, length)
    if flags & DistFlag.NAME_ME:
        return SendName(flags, creation, decode_host(raw))
    return SendName(flags, creation, decode_node(raw))


def parse_challenge(body: bytes) -> Challenge:
    """The acceptor's challenge. Raises `MessageError`."""
    if len(body) < _CHALLENGE_HEAD.size:
        raise MessageError("challenge too short")
    _, flags, challenge, creation, length = _CHALLENGE_HEAD.unpack_from(body)
    return Challenge(flags, challenge, creation, decode_node(_field(body, _CHALLENGE_HEAD.size, length)))


def parse_status(body: bytes) -> str | Named:
    """The status text, or the name given. Raises `MessageError`."""
    if not body.startswith(_NAMED):
        return body[1:].decode("latin-1")
    start = len(_NAMED) + 2
    if len(body) < start:
        raise MessageError("status too short")
    length = int.from_bytes(body[start - 2 : start])
    # This one name is UTF-8, all others are latin-1.
    try:
        name = _field(body, start, length).decode()
    except UnicodeDecodeError:
        raise BadNodeNameError("name is not UTF-8") from None
    creation = _field(body, start + length, 4)
    try:
        return Named(decode_node(name.encode("latin-1")), int.from_bytes(creation))
    except UnicodeEncodeError:
        raise BadNodeNameError("name is not latin-1") from None


def parse_challenge_reply(body: bytes) -> tuple[int, bytes]:
    """``(challenge, proof)``. Raises `MessageError`."""
    if len(body) != _REPLY.size:
        raise MessageError("challenge reply of a wrong length")
    _, challenge, proof = _REPLY.unpack(body)
    return challenge, proof


def parse_challenge_ack(body: bytes) -> bytes:
    """The proof. Raises `MessageError`."""
    if len(body) != _ACK.size:
        raise MessageError("challenge acknowledgement of a wrong length")
    proof: bytes = _ACK.unpack(body)[1]
    return proof


def decode_node(raw: bytes) -> str:
    """A full node name from its latin-1 bytes: printable, one ``@``, not at the start or the end.

    Raises `BadNodeNameError`.
    """
    name = _decode(raw)
    if NodeName.parse(name) is None:
        raise BadNodeNameError("a node name is NAME@HOST")
    return name


def decode_host(raw: bytes) -> str:
    """The host part of a node name from its latin-1 bytes. Raises `BadNodeNameError`."""
    name = _decode(raw)
    if not name or "@" in name:
        raise BadNodeNameError("a node that asks for a name sends its host alone")
    return name


def _decode(raw: bytes) -> str:
    if len(raw) > MAX_NAME:
        raise BadNodeNameError("name too long")
    if not _NAME_BYTES.issuperset(raw):
        raise BadNodeNameError("name with a character that no node name has")
    return raw.decode("latin-1")


def _field(body: bytes, start: int, length: int) -> bytes:
    value = body[start : start + length]
    if len(value) != length:
        raise MessageError("message shorter than its fields")
    return value
