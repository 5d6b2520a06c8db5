"""One EPMD connection: what is answered to whom."""

import struct
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distwall.epmd import EpmdAnswer, EpmdSession, FindWay, OpenListener, Registry, Rights
from distwall.epmd.messages import MAX_REQUEST, Alive2
from distwall.epmd.registry import MAX_REGISTRATIONS
from distwall.epmd.session import SELF
from tests.epmd.requests import alive2

PEERS = Rights.at_peers()
REGISTER = Rights.at_register(local=True)
REMOTE = Rights.at_register(local=False)
BOTH = Rights.at_both(local=True)
BOTH_REMOTE = Rights.at_both(local=False)


WAYS = {("foo@10.0.0.7", "127.0.0.1"): 7000, ("foo@10.0.0.7", "::1"): 7001, ("bar@mate", "::1"): 7002}
MATES = {"bar@mate", "baz@mate", "helper@mate"}


def registry(seed: int = 0) -> Registry:
    return Registry(lambda name: name.startswith("bar"), seed)


class Client:
    """One connection, with whoever opens listeners and knows the ways for it."""

    def __init__(self, nodes: Registry, rights: Rights, host: str = "127.0.0.1") -> None:
        self._nodes = nodes
        self._session = EpmdSession(nodes, rights, port=4369, host=host, is_visible=lambda name: name != "bar_secret")
        self.closed = self._session.closed

    def receive(self, data: bytes) -> EpmdAnswer | None:
        match self._session.receive(data):
            case OpenListener() as asked:
                port = None if asked.node.name == "bar_unlucky" else 9100 + len(self._nodes.all_guarded())
                return self._session.opened(asked, port)
            case FindWay() as asked:
                mate_port = asked.mate_port if asked.node in MATES else None
                return self._session.way_found(asked, mate_port or WAYS.get((asked.node, asked.host)))
            case answer:
                return answer


def session(nodes: Registry, rights: Rights, host: str = "127.0.0.1") -> Client:
    return Client(nodes, rights, host)


def framed(body: bytes) -> bytes:
    return struct.pack(">H", len(body)) + body


def ask(nodes: Registry, rights: Rights, body: bytes) -> EpmdAnswer:
    answer = session(nodes, rights).receive(framed(body))
    assert answer is not None
    return answer


def register(nodes: Registry, name: bytes = b"bar", rights: Rights = REGISTER, highest: int = 6) -> Client:
    one = session(nodes, rights)
    answer = one.receive(framed(alive2(name, highest=highest)))
    assert answer is not None
    assert answer.registration is not None
    assert answer.refused is None
    return one


def names(answer: EpmdAnswer) -> str:
    assert answer.data[:4] == struct.pack(">I", 4369)
    return answer.data[4:].decode()


def port(answer: EpmdAnswer) -> int | None:
    return struct.unpack(">H", answer.data[2:4])[0] if answer.data[:2] == b"w\0" else None


def test_a_registration_lives_as_long_as_its_connection() -> None:
    nodes = registry()
    assert port(ask(nodes, PEERS, b"zbar")) is None
    one = register(nodes)
    assert port(ask(nodes, PEERS, b"zbar")) == 9100
    ended = one.closed()
    assert ended is not None
    assert ended.node.name == "bar"
    assert one.closed() is None, "only once"
    assert port(ask(nodes, PEERS, b"zbar")) is None


def test_peers_are_shown_distwalls_port_and_local_programs_the_nodes_own() -> None:
    nodes = registry()
    register(nodes)
    for rights, shown in ((PEERS, 9100), (REGISTER, 40000), (BOTH, 9100), (BOTH_REMOTE, 9100)):
        assert port(ask(nodes, rights, b"zbar")) == shown
        assert names(ask(nodes, rights, b"n")) == f"name bar at port {shown}\n"


@pytest.mark.parametrize(
    ("rights", "shown"), [(PEERS, False), (REGISTER, True), (BOTH, True), (BOTH_REMOTE, False), (REMOTE, False)]
)
def test_peers_are_not_shown_a_node_that_they_may_not_connect_to(rights: Rights, shown: bool) -> None:
    nodes = registry()
    register(nodes, b"bar_secret")
    answer = ask(nodes, rights, b"zbar_secret")
    assert (port(answer) is not None) == shown
    assert ("bar_secret" in ask(nodes, rights, b"n").data.decode()) == shown
    if rights in (PEERS, BOTH_REMOTE):
        assert (answer.data, answer.refused, answer.detail) == (b"w\x01", "source", "asked for bar_secret")


def test_a_node_is_shown_as_it_registered() -> None:
    nodes = registry()
    session(nodes, REGISTER).receive(framed(alive2(node_type=72, highest=6, extra=b"x")))
    assert ask(nodes, PEERS, b"zbar").data == bytes.fromhex("77 00 238c 48 00 0006 0005 0003 626172 0001 78")


def test_helpers_register_but_are_not_shown() -> None:
    nodes = registry()
    register(nodes, b"helper")
    for rights in (PEERS, REGISTER, BOTH):
        assert port(ask(nodes, rights, b"zhelper")) is None
        assert names(ask(nodes, rights, b"n")) == ""


@pytest.mark.parametrize("rights", [PEERS, REMOTE, BOTH_REMOTE])
def test_only_local_programs_register(rights: Rights) -> None:
    nodes = registry()
    answer = ask(nodes, rights, alive2())
    assert answer == EpmdAnswer(b"", refused="not_local", detail="registration of bar")
    assert nodes.get("bar") is None


def test_remote_clients_of_the_register_address_get_nothing() -> None:
    nodes = registry()
    register(nodes)
    assert ask(nodes, REMOTE, b"zbar").refused == "not_local"
    assert ask(nodes, REMOTE, b"n").refused == "not_local"


@pytest.mark.parametrize("rights", [REGISTER, BOTH])
def test_local_programs_are_told_the_way_out(rights: Rights) -> None:
    nodes = registry()
    answer = ask(nodes, rights, b"zfoo@10.0.0.7")
    assert port(answer) == 7000
    assert (answer.refused, answer.data[-7:]) == (None, b"\0\3foo\0\0")
    other_family = session(nodes, rights, "::1").receive(framed(b"zfoo@10.0.0.7"))
    assert other_family is not None
    assert port(other_family) == 7001
    assert ask(nodes, rights, b"zfoo@10.0.0.8") == EpmdAnswer(b"w\x01")


@pytest.mark.parametrize("rights", [REGISTER, BOTH])
def test_distwall_is_known_by_what_it_says_of_itself(rights: Rights) -> None:
    assert port(ask(registry(), rights, b"z" + SELF.encode())) == 4369


@pytest.mark.parametrize("rights", [REGISTER, BOTH])
def test_a_mate_is_reached_directly(rights: Rights) -> None:
    nodes = registry()
    assert port(ask(nodes, rights, b"zbar@mate")) is None, "not registered"
    register(nodes)
    register(nodes, b"helper")
    assert port(ask(nodes, rights, b"zbar@mate")) == 40000
    assert port(ask(nodes, rights, b"zbar@elsewhere")) is None, "of another host"
    assert port(ask(nodes, rights, b"zhelper@mate")) is None, "not guarded"
    other_family = session(nodes, rights, "::1").receive(framed(b"zbar@mate"))
    assert other_family is not None
    assert port(other_family) == 7002, "it does not listen where the client dials"


@pytest.mark.parametrize("rights", [PEERS, REMOTE, BOTH_REMOTE])
@pytest.mark.parametrize("body", [b"zfoo@10.0.0.7", b"zbar@mate"])
def test_only_local_programs_are_shown_the_way_out(rights: Rights, body: bytes) -> None:
    nodes = registry()
    register(nodes)
    answer = ask(nodes, rights, body)
    assert (answer.refused, answer.data) == ("bad_name", b"")


@pytest.mark.parametrize("rights", [PEERS, REGISTER, BOTH])
@pytest.mark.parametrize(("body", "name"), [(b"k", "kill"), (b"d", "dump"), (b"sbar", "stop"), (b"?", "63")])
def test_commands_are_refused(rights: Rights, body: bytes, name: str) -> None:
    nodes = registry()
    register(nodes)
    assert ask(nodes, rights, body) == EpmdAnswer(b"", refused="command", detail=name)
    assert nodes.get("bar") is not None


def test_a_name_is_taken_while_it_is_registered() -> None:
    nodes = registry()
    one = register(nodes)
    answer = ask(nodes, REGISTER, alive2())
    assert (answer.refused, answer.data[:2]) == ("name_taken", b"v\x01")
    one.closed()
    register(nodes)


def test_a_stale_end_does_not_end_a_newer_registration() -> None:
    nodes = registry()
    one = register(nodes)
    old = nodes.get("bar")
    assert old is not None
    one.closed()
    register(nodes)
    nodes.unregister(old)
    assert nodes.get("bar") is not None


def test_registrations_are_bounded() -> None:
    nodes = registry()
    for number in range(MAX_REGISTRATIONS):
        register(nodes, f"helper{number}".encode())
    assert ask(nodes, REGISTER, alive2()).refused == "full"


def test_without_a_port_to_listen_on_a_registration_is_refused() -> None:
    answer = ask(registry(), REGISTER, alive2(b"bar_unlucky"))
    assert (answer.refused, answer.data[:2]) == ("no_port", b"v\x01")


@pytest.mark.parametrize("seed", [0, 5, 2**32 - 5, 2**32 - 1])
def test_creations_are_legal_and_change(seed: int) -> None:
    nodes = registry(seed)
    creations = []
    for _ in range(3):
        one = register(nodes)
        registration = nodes.get("bar")
        assert registration is not None
        creations.append(registration.creation)
        one.closed()
    assert all(4 <= creation < 2**32 for creation in creations)
    assert len(set(creations)) == 3
    assert session(nodes, REGISTER).receive(framed(alive2(highest=5)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (struct.pack(">H", MAX_REQUEST + 1), "too_long"),
        (b"\xff\xff", "too_long"),
        (b"\0\0", "malformed"),
        (framed(b"za b"), "bad_name"),
        (framed(alive2(b"bar@h")), "bad_name"),
        (framed(b"x"), "malformed"),
        (b"GET / HTTP/1.0\r\n\r\n", "too_long"),
    ],
)
def test_bad_requests_are_refused_without_an_answer(data: bytes, reason: str) -> None:
    answer = session(registry(), REGISTER).receive(data)
    assert answer is not None
    assert (answer.refused, answer.data, answer.registration) == (reason, b"", None)


@pytest.mark.parametrize("body", [alive2(), b"zbar", b"zfoo@10.0.0.7", b"n", b"k"])
def test_requests_may_come_in_any_pieces(body: bytes) -> None:
    data = framed(body)
    whole = session(registry(), BOTH).receive(data)
    for cut in range(1, len(data)):
        one = session(registry(), BOTH)
        assert one.receive(data[:cut]) is None
        assert same(one.receive(data[cut:]), whole)
    one = session(registry(), BOTH)
    answers = [one.receive(data[i : i + 1]) for i in range(len(data))]
    assert answers[:-1] == [None] * (len(data) - 1)
    assert same(answers[-1], whole)


def same(one: EpmdAnswer | None, other: EpmdAnswer | None) -> bool:
    assert one is not None
    assert other is not None
    return (one.data, one.refused, one.registration is None) == (other.data, other.refused, other.registration is None)


def test_only_one_request_is_served() -> None:
    nodes = registry()
    one = session(nodes, REGISTER)
    assert one.receive(framed(alive2()) + framed(alive2(b"bar2"))) is not None
    assert one.receive(framed(alive2(b"bar3"))) is None
    assert nodes.get("bar") is not None
    assert nodes.get("bar2") is nodes.get("bar3") is None


@given(st.lists(st.binary(max_size=50)), st.sampled_from([PEERS, REGISTER, REMOTE, BOTH, BOTH_REMOTE]))
def test_garbage_never_raises(pieces: Iterable[bytes], rights: Rights) -> None:
    one = session(registry(), rights)
    answers = [answer for piece in pieces if (answer := one.receive(piece)) is not None]
    assert len(answers) <= 1
    one.closed()


def test_distwalls_own_node_is_shown_to_who_may_register() -> None:
    nodes = registry()
    nodes.own = Alive2("distwall", 5555, 72, 0, 6, 6, b"")
    found = b"w\0" + struct.pack(">HBBHHH", 5555, 72, 0, 6, 6, 8) + b"distwall\0\0"
    assert [ask(nodes, rights, b"zdistwall").data for rights in (REGISTER, BOTH)] == [found] * 2
    assert [ask(nodes, rights, b"zdistwall").data for rights in (PEERS, BOTH_REMOTE)] == [b"w\1"] * 2
    assert ask(nodes, REMOTE, b"zdistwall").data == b""
    assert [ask(nodes, rights, b"n").data[4:] for rights in (REGISTER, PEERS, BOTH)] == [b""] * 3
    taken = ask(nodes, REGISTER, alive2(b"distwall"))
    assert (taken.refused, taken.registration) == ("name_taken", None)
