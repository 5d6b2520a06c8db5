"""Messages that end a VM, from a peer that may do anything."""

import struct
from collections.abc import Callable

from tests.support.dist import EMPTY, frame, plain
from tests.support.etf import Atom, Map, Pid, Port, Raw, Ref, Term, encode
from tests.support.raw_peer import Connection

Crash = Callable[[Connection], bytes]

TWICE = encode(Map(((Raw(b"k\0\1a"), 1), (Raw(b"l\0\0\0\1aaj"), 2))))
"""A map with one key in two spellings, which a VM notices only when it builds the term."""


def first(seq: int, count: int, body: bytes) -> bytes:
    return frame(b"\x83E" + struct.pack(">QQ", seq, count) + b"\0" + body)


def following(seq: int, number: int, body: bytes) -> bytes:
    return frame(b"\x83F" + struct.pack(">QQ", seq, number) + body)


def to_server(connection: Connection) -> bytes:
    return encode((6, connection.pid(), EMPTY, Atom("target")))


def in_two(control: Term) -> bytes:
    return first(7, 2, encode(control) + b"m\0") + following(7, 1, b"\0\0\1a")


def with_token(connection: Connection, label: Term) -> Term:
    return (16, connection.pid(), EMPTY, Atom("target"), (1, label, 1, connection.pid(), 1))


def nested(connection: Connection, head: bytes) -> bytes:
    return frame(b"\x83D\0" + to_server(connection) + head * 40_000 + b"a\0")


BITES: dict[str, Crash] = {
    "fragment number 0": lambda c: first(7, 0, to_server(c) + b"a\1"),
    "sequence number 0": lambda c: first(0, 2, to_server(c) + b"m\0") + following(0, 1, b"\0\0\1a"),
    "exports as the arity of exports": lambda c: nested(c, b"qw\1aw\1b"),
    "label with a key twice, one fragment": lambda c: first(7, 1, encode(with_token(c, Raw(TWICE))) + b"a\1"),
    "label with a key twice, two fragments": lambda c: in_two(with_token(c, Raw(TWICE))),
    "a port that no node has": lambda c: in_two(with_token(c, Port(c.peer, 1 << 63, c.peer_creation))),
}

HELD_OFF: dict[str, Crash] = BITES | {
    "a trace token of two": lambda c: plain((16, c.pid(), EMPTY, Atom("target"), (1, 2)), 1),
    "a trace token that is a number": lambda c: plain((16, c.pid(), EMPTY, Atom("target"), 1), 1),
    "2^28 fragments": lambda c: first(7, 1 << 28, to_server(c) + b"a\1"),
    "a fragment without numbers": lambda _: frame(b"\x83F\0\0\0"),
    "funs as the index of funs": lambda c: nested(c, b"p" + bytes(4) + b"\0" + bytes(16) + bytes(8) + b"w\1m"),
    "internal atoms": lambda c: plain((6, c.pid(), EMPTY, Atom("target")), Raw(b"I\0\5")),
    "internal atoms, wide": lambda c: plain((6, c.pid(), EMPTY, Atom("target")), Raw(b"K\0\0\5")),
    "terms in a node's own format": lambda c: plain((6, c.pid(), EMPTY, Atom("target")), Raw(b"y\0\0\0\0a\1")),
    "a compressed term": lambda c: plain((6, c.pid(), EMPTY, Atom("target")), Raw(b"P\xff\xff\xff\xff")),
    "a reference of four words": lambda c: in_two((33, c.pid(), Ref(c.peer, c.peer_creation, (1, 2, 3, 4)))),
    "a pid beyond all pids": lambda c: in_two((22, c.pid(), Pid(c.peer, 1 << 28, 0, c.peer_creation))),
    "a frame of 2 GiB": lambda _: b"\x7f\xff\xff\xfb",
    "a list of 2^32 elements": lambda c: plain((6, c.pid(), EMPTY, Atom("target")), Raw(b"l\xff\xff\xff\xff")),
}

BITES_29: dict[str, Crash] = {
    "label with a key twice, two fragments": BITES["label with a key twice, two fragments"],
    "an ordinary message as a priority one": lambda c: (
        first(7, 2, encode((37, 8, c.pid(), Atom("target"))) + TWICE[:2]) + following(7, 1, TWICE[2:])
    ),
}
