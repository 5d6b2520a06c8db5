"""What a refused sender gets, byte for byte (the protocol's own errors), and that ``drop`` says nothing."""

from __future__ import annotations

import pytest

from tests.support.core_channel import CoreChannel, Output
from tests.support.dist import (
    EMPTY,
    NO_CACHE,
    NO_EXIT_PAYLOAD,
    OTP_25,
    OTP_28,
    PASS_THROUGH,
    TICK,
    Alt,
    Message,
    Op,
    message,
    pass_through,
    plain,
)
from tests.support.etf import Atom, Export, Improper, Ref, Term, alias

P, G, T = CoreChannel.peer, CoreChannel.guard, CoreChannel.third
SERVER = Atom("server")
NOPROC = Atom("noproc")
ADD = (Atom("add"), 1)
NOT_ALLOWED = Atom("not_allowed")
TOKEN = (1, 17, 3, P.pid(), 2)
MFA = (Atom("erlang"), Atom("halt"), 0)
FORMS = {"cached": OTP_25, "headers": NO_CACHE, "pass-through": PASS_THROUGH, "no exit payload": NO_EXIT_PAYLOAD}


def form(name: str, control: tuple[Term, ...], payload: Term | None = None) -> bytes:
    """The bytes of a made-up frame. Without EXIT_PAYLOAD, reasons stand in the control message."""
    if payload is None:
        return (plain if name in ("cached", "headers") else pass_through)(control)
    if name == "no exit payload":
        old = {28: 21, 24: 3}[control[0]]  # type: ignore[index]  # an op
        return pass_through((old, *control[1:], payload))
    return (plain if name in ("cached", "headers") else pass_through)(control, payload)


def silent(output: Output) -> bool:
    return output.forwarded.strip(b"\0") + output.answered == b"" and output.closed is None


@pytest.fixture(params=FORMS)
def shape(request: pytest.FixtureRequest) -> str:
    return str(request.param)


SPAWNS = {
    "plain": message(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(1), MFA, [], payload=[]),
    "linked and monitored": message(
        *(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(1), MFA), [Atom("link"), Atom("monitor")], payload=[]
    ),
    "traced": message(Op.SPAWN_REQUEST_TT, P.ref(), P.pid(), P.pid(1), MFA, [], TOKEN, payload=[]),
    "with a long reference": message(Op.SPAWN_REQUEST, P.alias(), P.pid(), P.pid(1), MFA, [], payload=[]),
}


@pytest.mark.parametrize("reason", ["not_allowed", "eacces"])
@pytest.mark.parametrize("sent", SPAWNS.values(), ids=SPAWNS)
def test_a_refused_spawn_request_is_answered(shape: str, sent: Message, reason: str) -> None:
    channel = CoreChannel("deny *", flags=FORMS[shape], deny_reason=reason)
    output = channel.inbound(sent)
    assert output.answered == form(shape, (31, sent.args["ref"], P.pid(), 0, Atom(reason)))
    assert not output.forwarded.strip(b"\0")
    assert output.events == [("inbound", "spawn_request", "erlang:halt/0", "deny", 0, "rule", 0)]
    assert channel.counts() == {("inbound", "spawn_request", "deny"): 1}


@pytest.mark.parametrize("watched", [SERVER, G.pid(), Atom("Ünïcode")])
@pytest.mark.parametrize("ref", [P.ref(), P.alias()])
def test_a_refused_monitor_is_answered(shape: str, watched: Term, ref: Ref) -> None:
    channel = CoreChannel("deny *", flags=FORMS[shape])
    output = channel.inbound(message(Op.MONITOR_P, P.pid(), watched, ref))
    assert output.answered == form(shape, (28, watched, P.pid(), ref), NOPROC)
    assert not output.forwarded.strip(b"\0")
    assert channel.counts() == {("inbound", "monitor", "deny"): 1}


def test_the_end_of_a_refused_monitor_leads_nowhere() -> None:
    channel = CoreChannel("deny *")
    channel.inbound(message(Op.MONITOR_P, P.pid(), SERVER, P.ref()))
    assert silent(channel.inbound(message(Op.DEMONITOR_P, P.pid(), SERVER, P.ref())))


def test_a_refused_link_is_answered(shape: str) -> None:
    channel = CoreChannel("deny *", flags=FORMS[shape])
    output = channel.inbound(message(Op.LINK, P.pid(), G.pid()))
    assert output.answered == form(shape, (24, G.pid(), P.pid()), NOPROC)
    assert not output.forwarded.strip(b"\0")


@pytest.mark.parametrize("number", [1, 255, 256, 2**27, 2**40, 2**64 - 1])
def test_an_unlink_of_what_is_not_linked_is_acknowledged(shape: str, number: int) -> None:
    channel = CoreChannel("deny *", flags=FORMS[shape])
    output = channel.inbound(message(Op.UNLINK_ID, number, P.pid(), G.pid()))
    assert output.back == [message(Op.UNLINK_ID_ACK, number, G.pid(), P.pid())]
    if number < 2**27:
        assert output.answered == form(shape, (36, number, G.pid(), P.pid()))
    assert not output.forwarded.strip(b"\0")


def test_an_unlink_that_a_rule_refuses_is_acknowledged() -> None:
    channel = CoreChannel("deny unlink", "accept link", "deny *")
    channel.inbound(message(Op.LINK, P.pid(), G.pid()))
    output = channel.inbound(message(Op.UNLINK_ID, 8, P.pid(), G.pid()))
    assert output.back == [message(Op.UNLINK_ID_ACK, 8, G.pid(), P.pid())]
    assert not output.forward


TAGS: dict[str, tuple[Term, Ref]] = {
    "reference": (P.ref(), P.ref()),
    "alias": (alias(P.alias()), P.alias()),
    "alias beside the monitor": (Improper((alias(P.alias(5)),), P.alias(6)), P.alias(6)),
}


def gen_call(tag: Term, to: Term, request: Term = ADD, *, traced: bool = False) -> Message:
    payload = (Atom("$gen_call"), (P.pid(), tag), request)
    if isinstance(to, Atom):
        control: tuple[Term, ...] = (16 if traced else 6, P.pid(), EMPTY, to)
    else:
        control = (23 if traced else 22, P.pid(), to)
    return Message((*control, TOKEN) if traced else control, payload)


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("to", [SERVER, G.pid(55)], ids=["name", "pid"])
@pytest.mark.parametrize("tag", TAGS)
def test_a_refused_gen_call_fails_at_once(shape: str, tag: str, to: Term, traced: bool) -> None:
    channel = CoreChannel("accept monitor", "deny *", flags=FORMS[shape])
    term, ref = TAGS[tag]
    monitor = message(Op.MONITOR_P, P.pid(), to, ref)
    assert channel.inbound(monitor).forward == [monitor]
    output = channel.inbound(gen_call(term, to, traced=traced))
    assert output.answered == form(shape, (28, to, P.pid(), ref), NOT_ALLOWED)
    assert output.forwarded == form(shape, (20, P.pid(), to, ref))
    command = "reg_send" if to == SERVER else "send"
    assert channel.counts() == {("inbound", "monitor", "accept"): 1, ("inbound", command, "deny"): 1}
    # The monitor is gone: neither a second refusal nor its end is told about.
    again = channel.inbound(gen_call(term, to))
    assert again.answered + again.forwarded.strip(b"\0") == b""
    assert silent(channel.inbound(message(Op.DEMONITOR_P, P.pid(), to, ref)))


@pytest.mark.parametrize("fragment", [40, 100])
def test_a_refused_gen_call_in_fragments_fails_at_once(fragment: int) -> None:
    channel = CoreChannel("accept monitor", "deny *")
    channel.inbound(message(Op.MONITOR_P, P.pid(), SERVER, P.alias()))
    frames = channel.from_peer.frames(gen_call(alias(P.alias()), SERVER, b"x" * 500), fragment=fragment)
    assert len(frames) > 3
    outputs = [channel.inbound(one) for one in frames]
    assert [one for output in outputs for one in output.back] == [
        message(Op.PAYLOAD_MONITOR_P_EXIT, SERVER, P.pid(), P.alias(), payload=NOT_ALLOWED)
    ]
    assert [one for output in outputs for one in output.forward] == [
        message(Op.DEMONITOR_P, P.pid(), SERVER, P.alias())
    ]


@pytest.mark.parametrize("flags", [Alt.PRIO, Alt.PRIO | Alt.NAME])
def test_a_refused_gen_call_of_priority_fails_at_once(flags: Alt) -> None:
    to: Term = SERVER if flags & Alt.NAME else G.pid()
    channel = CoreChannel("accept monitor", "deny *", flags=OTP_28, release=28)
    channel.inbound(message(Op.MONITOR_P, P.pid(), to, P.alias()))
    payload = (Atom("$gen_call"), (P.pid(), alias(P.alias())), 1)
    output = channel.inbound(message(Op.ALTACT_SIG_SEND, flags, P.pid(), to, payload=payload))
    assert output.answered == plain((28, to, P.pid(), P.alias()), NOT_ALLOWED)
    assert output.forwarded == plain((20, P.pid(), to, P.alias()))


def test_a_gen_call_whose_monitor_was_refused_too_is_answered_once() -> None:
    channel = CoreChannel("deny *")
    output = channel.inbound(message(Op.MONITOR_P, P.pid(), SERVER, P.alias()), gen_call(alias(P.alias()), SERVER))
    assert output.back == [message(Op.PAYLOAD_MONITOR_P_EXIT, SERVER, P.pid(), P.alias(), payload=NOPROC)]
    assert not output.forward


@pytest.mark.parametrize(
    "sent",
    [
        gen_call(P.ref(77), SERVER),
        gen_call((P.ref(), P.name), SERVER),
        gen_call(alias(T.alias()), SERVER),
        gen_call(Atom("tag"), SERVER),
        Message((6, P.pid(), EMPTY, SERVER), (Atom("$gen_call"), (P.pid(2), alias(P.alias())), 1)),
        Message((6, P.pid(), EMPTY, SERVER), (Atom("$gen_call"), (P.pid(), alias(P.alias())))),
        Message((6, P.pid(), EMPTY, SERVER), (Atom("$gen_cast"), (P.pid(), alias(P.alias())))),
    ],
    ids=["no monitor", "multi_call of OTP 25", "a third node's", "no reference", "another asker", "a pair", "a cast"],
)
def test_what_looks_like_a_gen_call_is_not_answered(sent: Message) -> None:
    """No monitor of the sender goes with these."""
    channel = CoreChannel("accept monitor", "deny *")
    channel.inbound(message(Op.MONITOR_P, P.pid(), SERVER, P.alias()))
    output = channel.inbound(sent)
    assert output.closed is None
    assert output.events
    assert output.answered + output.forwarded.strip(b"\0") == b""


SENDS = {
    "send": message(Op.SEND, EMPTY, G.pid(), payload=1),
    "send with sender": message(Op.SEND_SENDER, P.pid(), G.pid(), payload=1),
    "reg_send": message(Op.REG_SEND, P.pid(), EMPTY, SERVER, payload=1),
    "alias_send": message(Op.ALIAS_SEND, P.pid(), G.alias(), payload=1),
    "exit2": message(Op.PAYLOAD_EXIT2, P.pid(), G.pid(), payload=Atom("kill")),
    "group_leader": message(Op.GROUP_LEADER, P.pid(), G.pid()),
    "exit": message(Op.PAYLOAD_EXIT, P.pid(), G.pid(), payload=Atom("kill")),
    "demonitor": message(Op.DEMONITOR_P, P.pid(), SERVER, P.ref()),
    "monitor_exit": message(Op.PAYLOAD_MONITOR_P_EXIT, P.pid(), G.pid(), G.ref(), payload=Atom("x")),
    "spawn_reply": message(Op.SPAWN_REPLY, G.ref(), G.pid(), 0, P.pid()),
    "unlink_ack": message(Op.UNLINK_ID_ACK, 4, P.pid(), G.pid()),
}


@pytest.mark.parametrize("name", SENDS)
def test_what_has_no_answer_gets_none(name: str) -> None:
    channel = CoreChannel("deny *")
    output = channel.inbound(SENDS[name])
    assert silent(output)
    assert len(output.events) == 1
    assert list(channel.counts().values()) == [1]


@pytest.mark.parametrize("name", [*SENDS, *SPAWNS, "monitor", "link", "unlink"])
def test_drop_says_nothing(name: str) -> None:
    sent = {
        **SENDS,
        **SPAWNS,
        "monitor": message(Op.MONITOR_P, P.pid(), SERVER, P.ref()),
        "link": message(Op.LINK, P.pid(), G.pid()),
        "unlink": message(Op.UNLINK_ID, 4, P.pid(), G.pid()),
    }[name]
    channel = CoreChannel(f"drop {sent.command}", "drop *")
    output = channel.inbound(sent)
    assert silent(output)
    assert channel.counts() == {("inbound", sent.command, "drop"): 1}
    assert output.events[0][3] == "drop"


@pytest.mark.parametrize("watched", [SERVER, P.pid(3)], ids=["a name", "a process"])
@pytest.mark.parametrize("kind", ["end", "answer", "answer to an alias"])
def test_an_answer_refused_for_its_content_ends_the_monitor_of_its_call(watched: Term, kind: str) -> None:
    """The DOWN names what the guarded node monitors, not who has answered."""
    channel = CoreChannel("deny *")
    tag = G.alias() if kind == "answer to an alias" else G.ref()
    asks = Op.REG_SEND if watched == SERVER else Op.SEND_SENDER
    to: tuple[Term, ...] = (EMPTY, SERVER) if watched == SERVER else (watched,)
    channel.outbound(message(Op.MONITOR_P, G.pid(), watched, tag))
    call_tag = alias(tag) if kind == "answer to an alias" else tag
    channel.outbound(message(asks, G.pid(), *to, payload=(Atom("$gen_call"), (G.pid(), call_tag), 1)))
    fun = Export(Atom("m"), Atom("f"), 1)
    answer = {
        "end": message(Op.PAYLOAD_MONITOR_P_EXIT, watched, G.pid(), tag, payload=fun),
        "answer": message(Op.SEND_SENDER, P.pid(8), G.pid(), payload=(tag, fun)),
        "answer to an alias": message(Op.ALIAS_SEND, P.pid(8), tag, payload=(call_tag, fun)),
    }[kind]
    output = channel.inbound(answer)
    assert [event[5] for event in output.events] == ["funs"]
    assert output.forward == [message(Op.PAYLOAD_MONITOR_P_EXIT, watched, G.pid(), tag, payload=NOT_ALLOWED)]


def test_a_dropped_gen_call_keeps_its_monitor() -> None:
    channel = CoreChannel("accept monitor", "drop *")
    channel.inbound(message(Op.MONITOR_P, P.pid(), SERVER, P.alias()))
    assert silent(channel.inbound(gen_call(alias(P.alias()), SERVER)))
    demonitor = message(Op.DEMONITOR_P, P.pid(), SERVER, P.alias())
    assert channel.inbound(demonitor).forward == [demonitor]


def test_answers_wait_for_a_frame_boundary() -> None:
    """An answer never lands inside a frame that the guarded node is in the middle of sending."""
    long = message(Op.SEND_SENDER, G.pid(), P.pid(), payload=b"x" * 5000)
    for cut in range(1, 5000, 97):
        channel = CoreChannel("deny *")
        data = channel.from_guard.bytes(long)
        messages = channel.outbound(data[:cut]).forward
        messages += channel.inbound(message(Op.LINK, P.pid(), G.pid())).back
        messages += channel.outbound(data[cut:]).forward
        assert len(messages) == 2
        assert long in messages


def test_a_demonitor_waits_for_a_frame_boundary() -> None:
    channel = CoreChannel("accept monitor", "accept reg_send ok", "deny *")
    channel.inbound(message(Op.MONITOR_P, P.pid(), SERVER, P.alias()))
    ok = message(Op.REG_SEND, P.pid(9), EMPTY, Atom("ok"), payload=b"x" * 300)
    pieces = [*channel.from_peer.frames(ok, fragment=100)]
    refused = channel.from_peer.bytes(gen_call(alias(P.alias()), SERVER))
    outputs = [channel.inbound(one) for one in (pieces[0], refused, *pieces[1:])]
    messages = [one for output in outputs for one in output.forward]
    assert {repr(one) for one in messages} == {
        repr(ok),
        repr(message(Op.DEMONITOR_P, P.pid(), SERVER, P.alias())),
    }


@pytest.mark.parametrize("flags", FORMS.values(), ids=FORMS)
def test_where_all_is_refused_ticks_go_through(flags: int) -> None:
    """At most one a second, and at least one every few seconds, or the guarded node would hang up."""
    channel = CoreChannel("drop *", flags=flags)
    ticks = 0
    for step in range(100):
        channel.now = 1000.0 + step / 10
        output = channel.inbound(SENDS["reg_send"])
        assert output.forwarded in (b"", TICK)
        ticks += len(output.forwarded) // 4
    assert 4 <= ticks <= 11
