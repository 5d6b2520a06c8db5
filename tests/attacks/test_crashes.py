"""Bytes that end a VM, from a peer with a valid cookie that may do anything: distwall hangs up, the guarded node lives.

Those in ``BITES`` are tried on a node without distwall as well. Not tried there, for time or memory: 2^28 fragments
(10 GiB), more atoms or exports than a VM's tables hold.
"""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.attack_scene import OPEN, WAYS, WITNESS, AttackScene, attack_scene
from tests.support.dist import EMPTY, OTP_29, Flag, frame, plain
from tests.support.etf import Atom, Map, Pid, Port, Raw, Ref, Term, encode
from tests.support.raw_peer import Connection

Attack = Callable[[Connection], bytes]

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


BITES: dict[str, Attack] = {
    "fragment number 0": lambda c: first(7, 0, to_server(c) + b"a\1"),
    "sequence number 0": lambda c: first(0, 2, to_server(c) + b"m\0") + following(0, 1, b"\0\0\1a"),
    "exports as the arity of exports": lambda c: nested(c, b"qw\1aw\1b"),
    "label with a key twice, one fragment": lambda c: first(7, 1, encode(with_token(c, Raw(TWICE))) + b"a\1"),
    "label with a key twice, two fragments": lambda c: in_two(with_token(c, Raw(TWICE))),
    "a port that no node has": lambda c: in_two(with_token(c, Port(c.peer, 1 << 63, c.peer_creation))),
}

HELD_OFF: dict[str, Attack] = BITES | {
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


LATEST = Path(__file__).parents[2] / ".cache" / "otp" / "forky"
FLAGS_29 = int(OTP_29 & ~Flag.PUBLISHED)

BITES_29: dict[str, Attack] = {
    "label with a key twice, two fragments": BITES["label with a key twice, two fragments"],
    "an ordinary message as a priority one": lambda c: (
        first(7, 2, encode((37, 8, c.pid(), Atom("target"))) + TWICE[:2]) + following(7, 1, TWICE[2:])
    ),
}


# Another release takes a chroot of 40 s and 400 MB: it is there after `make test-otp`, not in every checkout.
@pytest.mark.skipif(not (LATEST / ".complete").exists(), reason="no OTP 29: scripts/otp-chroot forky")
@pytest.mark.parametrize("through", ["direct", "distwall"])
@pytest.mark.parametrize("name", BITES_29)
def test_what_ends_the_latest_release(name: str, through: str) -> None:
    """The same for OTP 29, which dies of other things as well; without distwall and behind it."""
    with AttackScene(None if through == "direct" else {OPEN: ["accept *"]}, otp=LATEST) as scene:
        scene.bar.eval("probe:start_server(target)")
        with scene.connect(flags=FLAGS_29, release=29) as peer:
            peer.send_raw(BITES_29[name](peer))
            assert peer.is_closed(5)
        assert scene.alive() == (through == "distwall")


@pytest.fixture(scope="module", params=WAYS)
def here(request: pytest.FixtureRequest) -> Iterator[AttackScene]:
    with attack_scene({OPEN: ["accept *"], WITNESS: ["accept *"]}, way=request.param) as here:
        here.bar.eval("probe:start_server(target)")
        yield here


@pytest.mark.parametrize("name", HELD_OFF)
def test_a_vm_that_would_die_lives(here: AttackScene, name: str) -> None:
    """A peer that may do anything sends what ends a VM; another peer's channel stays as it was."""
    with here.connect(WITNESS) as witness, here.connect() as peer:
        peer.send_raw(HELD_OFF[name](peer))
        assert peer.is_closed(5), "the channel ends"
        assert here.alive()
        assert not witness.is_closed(0.1)
        assert witness.call("target", Atom("get")) == 0


@pytest.mark.parametrize("name", BITES)
def test_without_distwall_it_dies(name: str) -> None:
    """The same against a node of its own, without distwall."""
    with AttackScene(None) as direct:
        direct.bar.eval("probe:start_server(target)")
        for _ in range(5):
            with direct.connect() as peer:
                peer.send_raw(BITES[name](peer))
                peer.is_closed(1)
            if not direct.alive():
                return
        pytest.fail("it lives")


@pytest.mark.parametrize("way", WAYS)
def test_atoms_run_out_before_the_vm_does(way: str) -> None:
    """New atoms in every place that holds atoms, thousands of them: those beyond the limit are refused."""
    limits = "limits = { new_atoms = 500, new_funs = 50 }"
    with attack_scene({OPEN: ["accept *"]}, extra=limits, way=way) as here, here.connect() as peer:
        here.bar.eval("probe:start_server(target)")
        before = here.bar.number("erlang:system_info(atom_count)")
        for i in range(60):
            names = [Atom(f"attack_{i}_{j}") for j in range(100)]
            options: Term = [(name, 1) for name in names]
            token = (1, list(names), 1, peer.pid(), 1)
            for data in (
                plain((6, peer.pid(), EMPTY, Atom("target")), list(names)),
                plain((6, peer.pid(), names[0], Atom("target")), 1),
                plain((16, peer.pid(), EMPTY, Atom("target"), token), 1),
                plain((29, peer.ref(), peer.pid(), peer.pid(), (Atom("m"), names[1], 0), options), []),
                plain((20, peer.pid(), names[2], peer.ref())),
            ):
                peer.send_raw(data)
        assert not peer.is_closed(0.3)
        assert here.bar.number("erlang:system_info(atom_count)") - before < 1000
        assert here.told("limit:new_atoms")
