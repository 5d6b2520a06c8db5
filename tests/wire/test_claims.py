"""What a peer wrote before it was shown it: sent back by others, it is not exposed."""

from __future__ import annotations

import pytest

from distwall import _core
from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, Message, Op, message
from tests.support.etf import Atom, Fun, Pid, Ref, Term, alias
from tests.wire.expect import passes, refused

P, G = CoreChannel.peer, CoreChannel.guard
SERVER, GUESS = G.pid(7), G.pid(8)
TARGET = Atom("target")
RULES = (
    "accept reg_send",
    "accept send to exposed",
    "accept alias_send to exposed",
    "accept spawn_request",
    "deny *",
)
ERPC = (Atom("erpc"), Atom("execute_call"), 4)


def send(to: Pid) -> Message:
    return message(Op.SEND_SENDER, P.pid(), to, payload=1)


def to_alias(to: Ref) -> Message:
    return message(Op.ALIAS_SEND, P.pid(), to, payload=1)


def writes(payload: Term) -> Message:
    return message(Op.REG_SEND, P.pid(), EMPTY, TARGET, payload=payload)


def shows(payload: Term, by: Pid = SERVER) -> Message:
    return message(Op.SEND_SENDER, by, P.pid(), payload=payload)


def tells(channel: CoreChannel, *sent: Message) -> None:
    assert channel.outbound(*sent).forward == list(sent)


WRITTEN: dict[str, Message] = {
    "a message": writes([GUESS]),
    "a creation that any node takes for its own": writes(Pid(G.name, 8, 0, 0)),
    "who made a fun": writes(Fun(Atom("m"), 0, bytes(16), 0, 0, 0, GUESS, ())),
    "arguments": message(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(), (TARGET, TARGET, 1), [], payload=[GUESS]),
    "a trace": message(Op.REG_SEND_TT, P.pid(), EMPTY, TARGET, (1, 0, 0, GUESS, 0), payload=1),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_what_the_peer_wrote_first_is_exposed_by_itself_alone(name: str) -> None:
    channel = CoreChannel(*RULES, funs=True)
    passes(channel, WRITTEN[name])
    tells(channel, shows((Atom("echo"), GUESS)))
    refused(channel, send(GUESS))
    tells(channel, shows(GUESS, by=GUESS))
    passes(channel, send(GUESS))
    # Now it may be shown by anybody.
    passes(channel, writes(GUESS))
    tells(channel, shows(GUESS))
    passes(channel, send(GUESS))


def test_a_refused_command_claims_nothing() -> None:
    channel = CoreChannel("accept send to exposed", "deny *")
    refused(channel, writes(GUESS))
    tells(channel, shows(GUESS))
    passes(channel, send(GUESS))


def test_an_alias_that_was_written_first_is_not_exposed() -> None:
    channel = CoreChannel(*RULES)
    passes(channel, writes(G.alias()))
    tells(channel, shows([G.alias(), G.alias(2)]))
    refused(channel, to_alias(G.alias()))
    passes(channel, to_alias(G.alias(2)))


def test_what_was_shown_may_be_written_back() -> None:
    channel = CoreChannel(*RULES)
    tells(channel, shows([GUESS, G.alias()]))
    passes(channel, writes([GUESS, G.alias()]))
    assert not channel.exposures.claims()
    passes(channel, send(GUESS))
    passes(channel, to_alias(G.alias()))


def erpc(channel: CoreChannel, *reasons: Term) -> None:
    """A call through erpc, whose process ends with ``reasons``."""
    call: list[Term] = [P.ref(9), Atom("m"), Atom("f"), []]
    passes(channel, message(Op.SPAWN_REQUEST, P.ref(1), P.pid(), P.pid(), ERPC, [Atom("monitor")], payload=call))
    tells(channel, message(Op.SPAWN_REPLY, P.ref(1), P.pid(), 2, SERVER))
    for reason in reasons:
        channel.outbound(message(Op.PAYLOAD_MONITOR_P_EXIT, SERVER, P.pid(), P.ref(1), payload=reason))


def test_the_value_of_a_call_is_exposed() -> None:
    channel = CoreChannel(*RULES)
    erpc(channel, (P.ref(9), Atom("return"), [GUESS]))
    passes(channel, send(GUESS))


@pytest.mark.parametrize(
    "reason",
    [
        (P.ref(8), Atom("return"), GUESS),
        (P.ref(1), Atom("return"), GUESS),
        (P.ref(9), Atom("throw"), GUESS),
        (P.ref(9), Atom("error"), GUESS, []),
        (P.ref(9), Atom("return"), GUESS, 1),
        (Atom("function_clause"), [GUESS]),
    ],
)
def test_other_ends_of_a_call_expose_nothing(reason: Term) -> None:
    channel = CoreChannel(*RULES)
    # Nor does a result that comes once more.
    erpc(channel, reason, (P.ref(9), Atom("return"), GUESS))
    refused(channel, send(GUESS))


def test_a_value_that_the_peer_wrote_is_not_exposed() -> None:
    channel = CoreChannel(*RULES)
    passes(channel, writes(GUESS))
    erpc(channel, (P.ref(9), Atom("return"), GUESS))
    refused(channel, send(GUESS))


@pytest.mark.parametrize("name", ["code_server", "net_kernel", "rex", "user"])
def test_answers_of_otp_expose_nothing(name: str) -> None:
    channel = CoreChannel("accept *", "accept reg_send", "accept otp_internal")
    tag = alias(P.ref(5))
    call = (Atom("$gen_call"), (P.pid(), tag), 1)
    for to in (name, "target"):
        passes(channel, message(Op.REG_SEND, P.pid(), EMPTY, Atom(to), payload=call))
    for _ in range(2):
        tells(channel, shows((tag, GUESS)))
    channel.set_rules(*RULES)
    refused(channel, send(GUESS))
    tells(channel, shows((alias(P.ref(6)), GUESS)))
    passes(channel, send(GUESS))


def test_answers_of_rex_expose_nothing() -> None:
    channel = CoreChannel(*RULES)
    tells(channel, shows((Atom("rex"), GUESS)))
    refused(channel, send(GUESS))


def test_both_outlast_the_channel() -> None:
    before = CoreChannel(*RULES)
    tells(before, shows(SERVER))
    passes(before, writes(GUESS))
    channel = CoreChannel(*RULES, exposures=before.exposures)
    passes(channel, send(SERVER))
    tells(channel, shows(GUESS))
    refused(channel, send(GUESS))


def test_no_claim_makes_room_for_another() -> None:
    channel = CoreChannel(*RULES, limits={"claims": 10})
    passes(channel, writes([G.pid(n) for n in range(10, 19)]))
    assert channel.inbound(writes([G.pid(20), G.pid(21)])).reasons == ["limit:claims"]
    passes(channel, writes([G.pid(20), G.pid(20), G.pid(10)]))
    assert channel.inbound(writes(G.alias())).reasons == ["limit:claims"]
    assert channel.inbound(writes([G.pid(10)] * 11)).reasons == ["limit:claims"], "more than can be looked at"
    assert channel.exposures.claims() == 10
    tells(channel, shows(G.pid(30)), shows(G.pid(10)))
    passes(channel, writes(G.pid(30)))
    refused(channel, send(G.pid(10)))


def test_under_accept_all_nothing_is_refused_for_claims() -> None:
    channel = CoreChannel("accept *", limits={"claims": 10})
    passes(channel, writes([G.pid(n) for n in range(10, 40)]))
    assert channel.exposures.claims() == 10


def test_fragments_that_pass_as_they_come_claim() -> None:
    channel = CoreChannel("accept *")
    sent = writes([*(G.pid(n) for n in range(1000)), GUESS])
    frames = channel.from_peer.frames(sent, fragment=500)
    assert [one for frame in frames for one in channel.inbound(frame).forward if one.payload] == [sent]
    tells(channel, shows([GUESS, G.pid(500)]))
    channel.set_rules(*RULES)
    refused(channel, send(GUESS))
    refused(channel, send(G.pid(500)))


def test_one_peers_claims_are_no_other_ones() -> None:
    exposures = _core.Exposures()
    one, other = CoreChannel(*RULES, exposures=exposures), CoreChannel(*RULES)
    passes(one, writes(GUESS))
    tells(other, shows(GUESS))
    passes(other, send(GUESS))


def question(by: Pid | None, asker: Pid, tag: Ref) -> Message:
    payload = (Atom("$gen_call"), (asker, alias(tag)), 1)
    return (
        message(Op.SEND_SENDER, by, P.pid(), payload=payload)
        if by
        else message(Op.SEND, EMPTY, P.pid(), payload=payload)
    )


@pytest.mark.parametrize("by", [SERVER, None])
def test_a_question_with_the_alias_of_another_opens_no_answer(by: Pid | None) -> None:
    """Whoever sends it: the peer was shown the alias before, and may have had it sent back."""
    channel = CoreChannel("deny *")
    answer = message(Op.ALIAS_SEND, P.pid(), G.alias(), payload=(alias(G.alias()), 1))
    tells(channel, shows(G.alias(), by=GUESS), question(by, SERVER, G.alias()))
    refused(channel, answer)
    tells(channel, question(GUESS, GUESS, G.alias()))
    passes(channel, answer)


def test_a_question_that_names_no_sender_opens_an_answer_if_its_reference_is_new() -> None:
    channel = CoreChannel("accept reg_send", "deny *")
    passes(channel, writes(G.alias(2)))
    for tag, judged in ((G.alias(), passes), (G.alias(2), refused)):
        tells(channel, question(None, GUESS, tag))
        judged(channel, message(Op.SEND, EMPTY, GUESS, payload=(alias(tag), 1)))


def test_what_a_process_shows_to_one_name_leaves_the_claims_of_others() -> None:
    claims = _core.Claims()
    one, other = (CoreChannel(*RULES, exposures=_core.Exposures(claims)) for _ in range(2))
    passes(other, writes(GUESS))
    tells(one, shows(GUESS, by=GUESS))
    passes(one, send(GUESS))
    tells(other, shows(GUESS))
    refused(other, send(GUESS))


def test_an_alias_whose_process_nobody_knows_is_not_the_next_ones() -> None:
    channel = CoreChannel(*RULES)
    tells(channel, message(Op.SEND, EMPTY, P.pid(), payload=G.alias()), shows(G.alias()))
    refused(channel, to_alias(G.alias()))
