"""What distwall's own node says to frames: against the independent codec of the tests."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distwall.api_node import MAX_FRAME, CallerSession
from distwall.api_node.handshake import FLAGS
from distwall.etf import Atom, DecodeError, Term
from distwall.handshake import Identity
from tests.support import etf
from tests.support.dist import EMPTY, TICK, Message, Op, Receiver, frame, message, pass_through

OWN = Identity("distwall@127.0.0.1", 77)
BAR = Identity("bar@127.0.0.2", 5)
PID = etf.Pid(etf.Atom(BAR.name), 100, 0, 5)
REF = etf.Ref(etf.Atom(BAR.name), 5, (1, 2, 3))
PROCESS = etf.Pid(etf.Atom(OWN.name), 1, 0, 77)
ALIAS = etf.alias(REF)
NOPROC, DISTWALL = etf.Atom("noproc"), etf.Atom("distwall")


class Played:
    """A conversation, and the requests that it has passed on."""

    def __init__(self) -> None:
        self.requests: list[Term | DecodeError] = []
        self.conversation = CallerSession(OWN, BAR, self._answer)

    def _answer(self, request: Term | DecodeError) -> Term:
        self.requests.append(request)
        return Atom("ok"), len(self.requests)

    def say(self, *sent: Message | bytes) -> list[Message]:
        """What is answered."""
        for each in sent:
            self.conversation.receive(each if isinstance(each, bytes) else pass_through(each.control, each.payload))
        while self.conversation.is_waiting:
            self.conversation.step()
        receiver = Receiver(FLAGS)
        answers = receiver.feed(self.conversation.due())
        assert receiver.done()
        return answers


@pytest.fixture
def played() -> Played:
    return Played()


def call(name: str, request: etf.Term, tag: etf.Term = ALIAS, source: etf.Pid = PID, asking: etf.Pid = PID) -> Message:
    content = (etf.Atom("$gen_call"), (asking, tag), request)
    return message(Op.REG_SEND, source, EMPTY, etf.Atom(name), payload=content)


def test_a_request_by_alias_is_answered_to_the_alias(played: Played) -> None:
    request: etf.Term = (etf.Atom("peers"), [], [])
    (answer,) = played.say(call("distwall", request))
    assert (answer.op, answer.args["to"]) == (Op.ALIAS_SEND, REF)
    assert answer.payload == (ALIAS, (etf.Atom("ok"), 1))
    assert played.requests == [(Atom("peers"), [], [])]


@pytest.mark.parametrize("tag", [REF, etf.Improper((etf.Atom("x"),), REF), 7, [], [etf.Atom("alias"), 1]])
def test_a_request_without_an_alias_is_answered_to_the_process(played: Played, tag: etf.Term) -> None:
    (answer,) = played.say(call("distwall", 1, tag))
    assert (answer.op, answer.args["to"]) == (Op.SEND, PID)
    assert answer.payload == (tag, (etf.Atom("ok"), 1))


def test_the_tag_of_a_call_to_many_comes_back_with_the_answer(played: Played) -> None:
    tag = etf.Improper((ALIAS,), etf.Ref(etf.Atom(BAR.name), 5, (9, 9, 9)))
    (answer,) = played.say(call("distwall", 1, tag))
    assert (answer.op, answer.args["to"], answer.payload[0]) == (Op.ALIAS_SEND, REF, tag)  # type: ignore[index]


def test_an_alias_of_another_node_gets_nothing(played: Played) -> None:
    tag = etf.alias(etf.Ref(etf.Atom("foo@127.0.0.1"), 5, (1, 2, 3)))
    (answer,) = played.say(call("distwall", 1, tag))
    assert answer.op is Op.SEND


def test_a_ping_is_answered_by_the_session_itself(played: Played) -> None:
    (answer,) = played.say(call("net_kernel", (etf.Atom("is_auth"), etf.Atom(BAR.name))))
    assert answer.payload == (ALIAS, etf.Atom("yes"))
    assert played.requests == []


@pytest.mark.parametrize(
    "sent",
    [
        call("rex", 1),
        call("net_kernel", (etf.Atom("spawn"), 1)),
        call("net_kernel", ()),
        call("distwall", 1, asking=etf.Pid(etf.Atom(BAR.name), 7, 0, 5)),
        call("distwall", 1, asking=etf.Pid(etf.Atom("foo@127.0.0.1"), 100, 0, 5)),
        message(Op.REG_SEND, PID, EMPTY, DISTWALL, payload=(etf.Atom("$gen_cast"), 1)),
        message(Op.REG_SEND, PID, EMPTY, DISTWALL, payload=(etf.Atom("system"), (PID, REF), etf.Atom("get_state"))),
        message(Op.REG_SEND, PID, EMPTY, DISTWALL, payload=etf.Atom("hi")),
        message(Op.SEND, EMPTY, PROCESS, payload=(etf.Atom("$gen_call"), (PID, ALIAS), 1)),
        message(Op.ALIAS_SEND, PID, REF, payload=1),
        message(Op.MONITOR_P, PID, DISTWALL, REF),
        message(Op.MONITOR_P, PID, etf.Atom("net_kernel"), REF),
        message(Op.MONITOR_P, PID, PROCESS, REF),
        message(Op.DEMONITOR_P, PID, DISTWALL, REF),
        message(Op.EXIT2, PID, PROCESS, etf.Atom("kill")),
        message(Op.EXIT, PID, PROCESS, etf.Atom("kill")),
        message(Op.GROUP_LEADER, PID, PROCESS),
        message(Op.UNLINK_ID_ACK, 3, PID, PROCESS),
    ],
)
def test_messages_that_ask_nothing_are_ignored(played: Played, sent: Message) -> None:
    assert played.say(sent) == []
    assert (played.requests, played.conversation.fault) == ([], None)
    assert len(played.say(call("distwall", 1))) == 1, "it goes on"


REFUSED: dict[str, etf.Term] = {
    "a big integer": 1 << 4000,
    "a negative one": -(1 << 4000),
    "many terms": [etf.Atom("a")] * 30_000,
    "a deep term": etf.Raw(b"\x68\x01" * 300 + b"\x6a"),
    "a float that is none": etf.Raw(b"F" + b"\xff" * 8),
    "a term of a later release": etf.Raw(b"\x49\0\1"),
    "an atom of a header": etf.Raw(b"R\0"),
}


@pytest.mark.parametrize("term", REFUSED.values(), ids=REFUSED.keys())
def test_a_request_that_is_not_read_is_answered(played: Played, term: etf.Term) -> None:
    (answer,) = played.say(call("distwall", (etf.Atom("set_table"), [etf.Atom("t"), term], [])))
    assert (answer.op, answer.args["to"]) == (Op.ALIAS_SEND, REF)
    (refused,) = played.requests
    assert isinstance(refused, DecodeError)
    (answer,) = played.say(call("distwall", 1))
    assert (answer.payload, played.conversation.fault) == ((ALIAS, (etf.Atom("ok"), 2)), None)


@pytest.mark.parametrize("term", REFUSED.values(), ids=REFUSED.keys())
def test_other_messages_that_are_not_read_are_ignored(played: Played, term: etf.Term) -> None:
    for sent in (
        message(Op.REG_SEND, PID, EMPTY, DISTWALL, payload=term),
        message(Op.REG_SEND, PID, EMPTY, DISTWALL, payload=(etf.Atom("$gen_cast"), term)),
        call("distwall", 1, tag=term),
        call("net_kernel", term),
        message(Op.SEND, EMPTY, PROCESS, payload=term),
        message(Op.EXIT2, PID, PROCESS, term),
        message(Op.EXIT, PID, PROCESS, term),
    ):
        assert played.say(sent) == []
        assert (played.requests, played.conversation.fault) == ([], None)
    assert len(played.say(call("distwall", 1))) == 1, "it goes on"


def test_links_and_monitors_end_at_once(played: Played) -> None:
    assert played.say(
        message(Op.LINK, PID, PROCESS),
        message(Op.MONITOR_P, PID, etf.Atom("rex"), REF),
        message(Op.UNLINK_ID, 9, PID, PROCESS),
    ) == [
        message(Op.EXIT, PROCESS, PID, NOPROC),
        message(Op.MONITOR_P_EXIT, etf.Atom("rex"), PID, REF, NOPROC),
        message(Op.UNLINK_ID_ACK, 9, PROCESS, PID),
    ]


def test_a_trace_token_does_no_harm(played: Played) -> None:
    plain = call("distwall", 1)
    token = (1, 2, 3, PID, 4)
    assert len(played.say(pass_through((16, PID, EMPTY, DISTWALL, token), plain.payload))) == 1


def test_ticks_are_answered(played: Played) -> None:
    played.conversation.receive(TICK + TICK[:2])
    assert played.conversation.is_waiting
    played.conversation.step()
    assert played.conversation.due() == TICK
    assert not played.conversation.is_waiting


FOREIGN = etf.Pid(etf.Atom("foo@127.0.0.1"), 100, 0, 5)


@pytest.mark.parametrize(
    ("sent", "fault"),
    [
        (call("distwall", 1, source=FOREIGN, asking=FOREIGN), "in the name of another"),
        (message(Op.LINK, FOREIGN, PROCESS), "in the name of another"),
        (message(Op.MONITOR_P, FOREIGN, DISTWALL, REF), "in the name of another"),
        (message(Op.SPAWN_REQUEST, REF, PID, PID, (1, 2, 3), [], payload=[]), "no node sends"),
        (pass_through((99, 1)), "no node sends"),
        (pass_through((6, PID, EMPTY)), "no node sends"),
        (pass_through((6, PID, EMPTY, DISTWALL)), "without content"),
        (call("distwall", etf.Raw(b"\x61\x01\x61\x01")), "bytes behind"),
        (pass_through((6, PID, EMPTY, DISTWALL, etf.Raw(b"\x49\0\1"))), "an unknown tag"),
        (pass_through(()), "malformed"),
        (frame(b"\x83D\0" + etf.encode((6, 1))), "not agreed on"),
        (frame(b"p"), "not agreed on"),
        (frame(b"p\x83"), "cut off"),
        ((MAX_FRAME + 1).to_bytes(4), "the most is"),
    ],
)
def test_what_no_node_sends_is_the_end(played: Played, sent: Message | bytes, fault: str) -> None:
    assert played.say(sent, call("distwall", 1)) == []
    assert fault in str(played.conversation.fault)
    assert played.requests == []


def test_bytes_may_come_in_any_pieces() -> None:
    data = pass_through(*_parts(call("distwall", 1)))
    whole = Played().say(data)
    for at in range(1, len(data)):
        assert Played().say(data[:at], data[at:]) == whole


def _parts(sent: Message) -> tuple[etf.Term, etf.Term]:
    return sent.control, sent.payload


@settings(deadline=None)
@given(st.lists(st.binary(max_size=100), max_size=5))
def test_no_frame_breaks_it(bodies: list[bytes]) -> None:
    played = Played()
    played.say(*(frame(b"p\x83" + body) for body in bodies))


def test_the_biggest_frame_takes_a_moment(played: Played) -> None:
    head = len(pass_through(*_parts(call("distwall", b""))))
    start = time.process_time()
    assert len(played.say(call("distwall", bytes(MAX_FRAME + 4 - head)))) == 1
    played.say(call("distwall", [etf.Atom("a")] * 19_000))
    assert time.process_time() - start < 2
