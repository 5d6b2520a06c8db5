"""Peers that have proved nothing, or prove it with a cookie that lets any name in."""

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support import raw_peer
from tests.support.attack_scene import COOKIE, HIDDEN, OPEN, AttackScene
from tests.support.epmd import epmd, epmd_port, read_exactly
from tests.support.raw_peer import Handshake, HandshakeFailed, digest

GLOB = "tool*@127.0.0.1"


@pytest.fixture(scope="module")
def scene() -> Iterator[AttackScene]:
    with AttackScene({OPEN: ["accept *"], GLOB: ["deny *"]}, extra="limits = { new_atoms = 5 }") as scene:
        yield scene


def name_message(name: bytes, *, flags: int = HIDDEN, length: int | None = None) -> bytes:
    return b"N" + struct.pack(">QIH", flags, 7, len(name) if length is None else length) + name


NAMES: dict[str, bytes] = {
    "a NUL": name_message(b"open\0@127.0.0.1"),
    "a NUL behind": name_message(b"open@127.0.0.1\0"),
    "two @": name_message(b"open@127.0.0.1@127.0.0.1"),
    "no @": name_message(b"open"),
    "nothing before @": name_message(b"@127.0.0.1"),
    "nothing": name_message(b""),
    "256 characters": name_message(b"tool" + b"x" * 242 + b"@127.0.0.1"),
    "a line break": name_message(b"tool\n@127.0.0.1"),
    "an escape": name_message(b"tool\x1b[2J@127.0.0.1"),
    "a C1 control": name_message(b"tool\x9b2J@127.0.0.1"),
    "the guarded node's own": name_message(b"bar@127.0.0.2"),
    "nobody's": name_message(b"stranger@127.0.0.1"),
    "another case": name_message(b"OPEN@127.0.0.1"),
    "the name that asks for one": name_message(b"undefined@127.0.0.1"),
    "UTF-8 that folds to it": name_message("ｏpen@127.0.0.1".encode()),
    "shorter than it says": name_message(b"open@127.0.0.1", length=200),
    "the old handshake": b"n" + struct.pack(">HI", 5, HIDDEN & 0xFFFFFFFF) + b"open@127.0.0.1",
    "a challenge": b"r" + bytes(20),
    "an empty message": b"",
    "asks for a name, as a whole one": name_message(b"tool@127.0.0.1", flags=HIDDEN | 1 << 33),
}


@pytest.mark.parametrize("what", NAMES)
def test_names_that_are_none_never_reach_the_guarded_node(scene: AttackScene, what: str) -> None:
    """A stranger's first message: the guarded node never hears of it."""
    before = scene.bar.number("erlang:system_info(atom_count)")
    with socket.create_connection(scene.address, 5) as sock:
        step = Handshake(sock)
        step.send(NAMES[what])
        with suppress(ConnectionError):
            assert step.receive() == b"snot_allowed"
            read_exactly(sock, 1)
    assert scene.bar.number("erlang:system_info(atom_count)") == before


def test_nobody_computes_a_proof_for_a_stranger(scene: AttackScene) -> None:
    """Reflection: one connection's challenge is put to distwall on another; it proves nothing before the peer does."""
    with socket.create_connection(scene.address, 5) as one, socket.create_connection(scene.address, 5) as two:
        challenges = []
        for sock, name in ((one, OPEN), (two, "tool1@127.0.0.1")):
            step = Handshake(sock)
            step.send_name(name, HIDDEN, 7)
            assert step.receive_status() == b"ok"
            challenges.append(step.receive_challenge()[1])
        first, second = Handshake(one), Handshake(two)
        second.send_reply(challenges[0], bytes(16))
        with pytest.raises(ConnectionError):
            second.receive()
        first.send_reply(1, digest(b"wrong", challenges[0]))
        with pytest.raises(ConnectionError):
            first.receive()


def test_a_frame_before_the_proof_goes_nowhere(scene: AttackScene) -> None:
    """The attack stands right behind the name, where a hasty gateway would pass it on."""
    halt = b"\0\0\0\x10\x83D\0" + bytes(13)
    with socket.create_connection(scene.address, 5) as sock:
        name = name_message(OPEN.encode())
        sock.sendall(len(name).to_bytes(2) + name + halt * 10)
        with pytest.raises(ConnectionError):
            read_exactly(sock, 1000)
    assert scene.alive()


def test_a_cookie_for_any_name_is_not_one_for_any_number_of_names(scene: AttackScene) -> None:
    """A peer that a glob lets in connects under one new name after the other; each is an atom in the guarded node."""
    connected = 0
    for number in range(12):
        with suppress(HandshakeFailed):
            raw_peer.RawPeer(f"tool{number}@127.0.0.1", COOKIE.encode(), HIDDEN).connect(scene.address).sock.close()
            connected += 1
    assert connected == 5
    assert scene.told("limit:new_atoms")
    raw_peer.RawPeer("tool0@127.0.0.1", COOKIE.encode(), HIDDEN).connect(scene.address).sock.close()


REQUESTS = [
    b"n",
    b"zbar",
    b"znobody",
    b"d",
    b"k",
    b"sbar",
    b"z",
    b"x" + bytes(12),
    b"\xff",
    b"zbar\0",
    b"z" + b"\xff" * 9,
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_epmd_reads_byte_by_byte(scene: AttackScene, request_: bytes) -> None:
    """The same answer, or none, for a request that comes in single bytes; peers get neither kill nor registration."""
    address = ("127.0.0.2", scene.scene.epmd_port)
    try:
        whole = epmd(request_, address)
    except ConnectionError:
        whole = b""
    with socket.create_connection(address, 5) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        got = b""
        with suppress(ConnectionError):
            for byte in struct.pack(">H", len(request_)) + request_:
                sock.sendall(bytes([byte]))
            while part := sock.recv(4096):
                got += part
    assert got == whole
    assert epmd_port("bar", address) == scene.address[1]


def test_peers_register_nothing(scene: AttackScene) -> None:
    """A registration under the guarded node's name, at the address for peers."""
    request = b"x" + struct.pack(">HBBHHH", 6666, 77, 0, 6, 5, 3) + b"bar\0\0"
    with suppress(ConnectionError):
        assert epmd(request, ("127.0.0.2", scene.scene.epmd_port)) == b""
    assert scene.address[1] != 6666
