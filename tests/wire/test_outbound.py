"""``rules_out``: what the guarded node sends is judged in the same way; its answers and endings need no rule."""

from __future__ import annotations

import pytest

from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, OTP_28, Alt, Message, Op, message
from tests.support.etf import Atom, Export, Term, alias
from tests.wire.expect import TAGS, passes

P, G, T = CoreChannel.peer, CoreChannel.guard, CoreChannel.third
SERVER, REX = Atom("server"), Atom("rex")
MFA = (Atom("m"), Atom("f"), 1)
NOPROC, NOT_ALLOWED = Atom("noproc"), Atom("not_allowed")


def channel(*out: str) -> CoreChannel:
    """The peer may do all, the guarded node what ``out`` says."""
    return CoreChannel("accept *", out=out, flags=OTP_28, release=28)


def goes(channel: CoreChannel, sent: Message) -> None:
    output = channel.outbound(sent)
    assert output.forward == [sent], output
    assert not output.events


def stays(channel: CoreChannel, sent: Message) -> None:
    output = channel.outbound(sent)
    assert not output.forward, output
    assert not output.closed
    assert output.events


def once(channel: CoreChannel, sent: Message) -> None:
    goes(channel, sent)
    stays(channel, sent)


def call(tag: Term, by: Term = None, to: Atom = SERVER) -> Message:
    payload = (Atom("$gen_call"), (by or P.pid(), tag), 1)
    return message(Op.REG_SEND, P.pid(), EMPTY, to, payload=payload)


# === answers and endings ===

PEER_TAGS: dict[str, Term] = {
    "reference": P.ref(),
    "alias": alias(P.alias()),
}


@pytest.mark.parametrize("tag", PEER_TAGS)
def test_answers_to_calls_pass_once(tag: str) -> None:
    one = channel("deny *")
    answer = message(Op.SEND_SENDER, G.pid(), P.pid(), payload=(PEER_TAGS[tag], 7))
    stays(one, answer)
    passes(one, call(PEER_TAGS[tag]))
    stays(one, message(Op.SEND_SENDER, G.pid(), P.pid(4), payload=(PEER_TAGS[tag], 7)))
    once(one, answer)


def test_answers_to_an_alias_pass_once() -> None:
    for op in (Op.ALIAS_SEND, Op.ALTACT_SIG_SEND):
        one = channel("deny *")
        passes(one, call(alias(P.alias())))
        flags = (int(Alt.ALIAS),) if op is Op.ALTACT_SIG_SEND else ()
        once(one, message(op, *flags, G.pid(), P.alias(), payload=(alias(P.alias()), 7)))


def test_answers_pass_to_what_was_asked_before_there_were_rules() -> None:
    one = CoreChannel("accept *")
    passes(one, call(P.ref()))
    passes(one, message(Op.SPAWN_REQUEST, P.ref(2), P.pid(), P.pid(), MFA, [Atom("monitor")], payload=[1]))
    passes(one, message(Op.MONITOR_P, P.pid(), SERVER, P.ref(3)))
    one.set_rules("accept *", out=["deny *"])
    once(one, message(Op.SEND_SENDER, G.pid(), P.pid(), payload=(P.ref(), 7)))
    once(one, message(Op.SPAWN_REPLY, P.ref(2), P.pid(), 2, G.pid(9)))
    once(one, message(Op.PAYLOAD_MONITOR_P_EXIT, G.pid(9), P.pid(), P.ref(2), payload=NOPROC))
    once(one, message(Op.PAYLOAD_MONITOR_P_EXIT, SERVER, P.pid(), P.ref(3), payload=NOPROC))


def test_a_channel_that_expects_no_such_rules_notes_nothing_for_them() -> None:
    one = CoreChannel("accept *", follows_peer=False)
    passes(one, call(alias(P.alias())))
    passes(one, message(Op.REG_SEND, P.pid(), EMPTY, REX, payload=(P.pid(), Atom("features_request"))))
    one.set_rules("accept *", out=["accept send to exposed", "accept alias_send to exposed", "deny *"])
    stays(one, message(Op.SEND_SENDER, G.pid(), P.pid(), payload=(P.ref(), 7)))
    stays(one, message(Op.ALIAS_SEND, G.pid(), P.alias(), payload=(alias(P.alias()), 7)))
    stays(one, message(Op.SEND_SENDER, G.pid(), P.pid(), payload=(Atom("features_reply"), G.name, [])))


def test_a_refused_question_needs_no_answer() -> None:
    one = CoreChannel("deny *", out=["deny *"])
    one.inbound(call(P.ref()))
    one.inbound(message(Op.SPAWN_REQUEST, P.ref(2), P.pid(), P.pid(), MFA, [], payload=[1]))
    stays(one, message(Op.SEND_SENDER, G.pid(), P.pid(), payload=(P.ref(), 7)))
    stays(one, message(Op.SPAWN_REPLY, P.ref(2), P.pid(), 0, G.pid(9)))


def test_answers_of_rex_pass_once() -> None:
    one = channel("deny *")
    answer = message(Op.SEND_SENDER, G.pid(), P.pid(), payload=(Atom("features_reply"), G.name, []))
    stays(one, answer)
    passes(one, message(Op.REG_SEND, P.pid(), EMPTY, REX, payload=(P.pid(), Atom("features_request"))))
    once(one, answer)


def test_endings_of_links_of_the_peer_pass() -> None:
    one = channel("deny *")
    passes(one, message(Op.LINK, P.pid(), G.pid()))
    stays(one, message(Op.PAYLOAD_EXIT, G.pid(2), P.pid(), payload=NOPROC))
    passes(one, message(Op.UNLINK_ID, 3, P.pid(), G.pid()))
    # It was on its way.
    goes(one, message(Op.PAYLOAD_EXIT, G.pid(), P.pid(), payload=NOPROC))
    once(one, message(Op.UNLINK_ID_ACK, 3, G.pid(), P.pid()))
    stays(one, message(Op.PAYLOAD_EXIT, G.pid(), P.pid(), payload=NOPROC))


def test_endings_of_what_was_accepted_pass_once() -> None:
    one = channel("accept monitor", "accept link", "deny *")
    monitor = message(Op.MONITOR_P, G.pid(), SERVER, G.ref())
    demonitor = message(Op.DEMONITOR_P, G.pid(), SERVER, G.ref())
    stays(one, demonitor)
    goes(one, monitor)
    once(one, demonitor)
    goes(one, message(Op.LINK, G.pid(), P.pid()))
    once(one, message(Op.UNLINK_ID, 4, G.pid(), P.pid()))
    passes(one, message(Op.UNLINK_ID_ACK, 4, P.pid(), G.pid()))


# === refusals ===


def test_a_refused_process_is_told_at_once() -> None:
    one = channel("deny *")
    request = message(Op.SPAWN_REQUEST, G.ref(), G.pid(), G.pid(), MFA, [Atom("monitor")], payload=[1])
    assert one.outbound(request).back == [message(Op.SPAWN_REPLY, G.ref(), G.pid(), 0, NOT_ALLOWED)]
    monitor = message(Op.MONITOR_P, G.pid(), SERVER, G.ref())
    down = message(Op.PAYLOAD_MONITOR_P_EXIT, SERVER, G.pid(), G.ref(), payload=NOPROC)
    assert one.outbound(monitor).back == [down]
    link = message(Op.LINK, G.pid(), P.pid())
    assert one.outbound(link).back == [message(Op.PAYLOAD_EXIT, P.pid(), G.pid(), payload=NOPROC)]
    unlink = message(Op.UNLINK_ID, 5, G.pid(), P.pid())
    assert one.outbound(unlink).back == [message(Op.UNLINK_ID_ACK, 5, P.pid(), G.pid())]
    assert not one.outbound(message(Op.SEND_SENDER, G.pid(), P.pid(), payload=1)).back
    one.set_rules("accept *", out=["drop *"])
    assert not one.outbound(request, monitor, link, unlink).back


@pytest.mark.parametrize("tag", TAGS)
def test_a_refused_call_fails_at_once(tag: str) -> None:
    one = channel("accept monitor", "deny *")
    ref = G.ref() if tag == "reference" else G.alias(6) if "beside" in tag else G.alias()
    goes(one, message(Op.MONITOR_P, G.pid(), SERVER, ref))
    payload = (Atom("$gen_call"), (G.pid(), TAGS[tag]), 1)
    output = one.outbound(message(Op.REG_SEND, G.pid(), EMPTY, SERVER, payload=payload))
    assert output.back == [message(Op.PAYLOAD_MONITOR_P_EXIT, SERVER, G.pid(), ref, payload=NOT_ALLOWED)]
    assert output.forward == [message(Op.DEMONITOR_P, G.pid(), SERVER, ref)]
    # The peer's DOWN for it may cross that.
    one.set_rules("deny *", out=["deny *"])
    late = message(Op.PAYLOAD_MONITOR_P_EXIT, SERVER, G.pid(), ref, payload=NOPROC)
    assert one.inbound(late).forward == [late]
    assert one.inbound(late).reasons == ["rule"]


def test_a_refused_answer_fails_its_asker() -> None:
    """The peer's call came with a monitor; the answer is refused by a rule on messages that make OTP run code."""
    one = channel("accept send", "deny *")
    goes(one, message(Op.SEND_SENDER, G.pid(), P.pid(), payload=1))
    stays(one, message(Op.SEND_SENDER, G.pid(), P.pid(), payload=(Atom("system"), (G.pid(), G.ref()), Atom("suspend"))))


def test_rules_decide_on_what_goes_out() -> None:
    one = channel("accept reg_send ok*", "accept spawn_request m:_/_", "deny reg_send", "accept send to exposed")
    goes(one, message(Op.REG_SEND, G.pid(), EMPTY, Atom("ok_1"), payload=1))
    stays(one, message(Op.REG_SEND, G.pid(), EMPTY, SERVER, payload=1))
    goes(one, message(Op.SPAWN_REQUEST, G.ref(), G.pid(), G.pid(), MFA, [], payload=[1]))
    stays(one, message(Op.EXIT2, G.pid(), P.pid(), NOPROC))
    assert one.outbound(message(Op.LINK, G.pid(), P.pid())).reasons == ["default"]


def test_patterns_decide_on_what_goes_out() -> None:
    one = channel("accept reg_send server when 0200", "accept send", "deny *")
    goes(one, message(Op.REG_SEND, G.pid(), EMPTY, SERVER, payload=5))
    stays(one, message(Op.REG_SEND, G.pid(), EMPTY, SERVER, payload=SERVER))
    goes(one, message(Op.SEND_SENDER, G.pid(), P.pid(50), payload=SERVER))


def test_what_the_guarded_node_sends_is_not_searched() -> None:
    """Where its pids come from, and what it leaves behind in the peer, is not looked at."""
    one = channel("accept reg_send", "deny *")
    goes(one, message(Op.REG_SEND, T.pid(), EMPTY, SERVER, payload=[T.pid(), Export(SERVER, SERVER, 1)]))


@pytest.mark.parametrize("out", [("deny reg_send no", "accept *"), ("accept reg_send yes", "deny *")])
def test_fragments_of_refused_messages_do_not_go_out(out: tuple[str, ...]) -> None:
    one = channel(*out)
    yes = message(Op.REG_SEND, G.pid(1), EMPTY, Atom("yes"), payload=[b"x" * 500, Atom("shared"), P.pid()])
    no = message(Op.REG_SEND, G.pid(2), EMPTY, Atom("no"), payload=[b"x" * 500, Atom("shared"), P.pid()])
    frames = [f for pair in zip(*(one.from_guard.frames(m, fragment=90) for m in (no, yes)), strict=True) for f in pair]
    assert [got for frame in frames for got in one.outbound(frame).forward] == [yes]
    # The peer's cache is short of what the refused one brought.
    again = message(Op.REG_SEND, G.pid(1), EMPTY, Atom("yes"), payload=[Atom("shared"), Atom("no")])
    goes(one, again)
    assert one.core.pending() == 0


def test_without_rules_all_passes() -> None:
    one = CoreChannel("deny *")
    for sent in (call(G.ref(), G.pid()), message(Op.EXIT2, G.pid(), P.pid(), NOPROC)):
        assert one.outbound(sent).forward == [sent]
