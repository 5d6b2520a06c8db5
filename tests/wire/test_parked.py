"""Commands that wait until somebody has answered: room for them, and what changes in the meantime."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from distwall import _core
from tests.support.core_channel import CoreChannel, Output, core_rules
from tests.support.dist import EMPTY, Message, Op, message
from tests.support.etf import Atom, Term, encode

P, G = CoreChannel.peer, CoreChannel.guard
SERVER = Atom("server")
HANDLED: _core.Hooks = _core.Hooks({"reg_send": "", "spawn_request": ""}, None, False, False, False)
FILTERED: _core.Hooks = _core.Hooks({}, "", False, False, False)


def hooked(hooks: _core.Hooks, limits: Mapping[str, int] | None = None) -> CoreChannel:
    channel = CoreChannel("accept *", limits=limits)
    judge(channel, hooks)
    return channel


def judge(channel: CoreChannel, hooks: _core.Hooks | None, *texts: str) -> None:
    channel.core.set_policy(_core.PeerRules(core_rules(*texts or ("accept *",))), hooks=hooks)


def tell(payload: Term, sender: int = 100) -> Message:
    return message(Op.REG_SEND, P.pid(sender), EMPTY, SERVER, payload=payload)


def answer(
    channel: CoreChannel, ticket: int, verdict: _core.Verdict = "accept", payload: bytes | None = None
) -> Output:
    forward, back, events, closed = channel.core.answer(ticket, verdict, payload, channel.now)
    forwarded, answered = b"".join(forward), back or b""
    return Output(
        channel.at_guard.feed(forwarded), channel.at_peer.feed(answered), events or [], closed, forwarded, answered
    )


def asked(channel: CoreChannel) -> list[int]:
    return [ticket for ticket, *_ in channel.core.asks()]


@pytest.mark.parametrize("limits", [{"tracked": 3}, {"held_bytes": 2000}], ids=str)
def test_many_senders_find_no_more_room_than_one(limits: dict[str, int]) -> None:
    for senders in (range(100, 150), [100] * 50):
        channel = hooked(HANDLED, limits)
        outputs = [channel.inbound(tell(number, sender)) for number, sender in enumerate(senders)]
        refused = [reason for output in outputs for reason in output.reasons]
        assert not any(output.forward for output in outputs)
        assert 40 < len(refused) < 50
        assert set(refused) == {f"limit:{name}" for name in limits}
        assert channel.core.pending() <= limits.get("held_bytes", 2000)


def test_a_question_is_no_longer_than_what_may_wait() -> None:
    """An atom of a header is two bytes in each place where it stands, and hundreds in the question."""
    channel = hooked(HANDLED, {"held_bytes": 10_000})
    assert channel.inbound(tell([Atom("x" * 50)] * 1000)).reasons == ["limit:held_bytes"]
    assert asked(channel) == []
    channel.inbound(tell([Atom("x" * 200)] * 10))
    assert 2000 < channel.core.pending() < 4000
    (ticket,) = asked(channel)
    assert answer(channel, ticket).forward
    assert channel.core.pending() == 0


def test_a_question_has_the_control_message_also_where_no_message_follows() -> None:
    channel = hooked(_core.Hooks({"monitor": ""}, None, False, False, False))
    channel.inbound(message(Op.MONITOR_P, P.pid(), SERVER, P.ref()))
    ((_, _, command, _, control, payload),) = channel.core.asks()
    assert (command, control, payload) == ("monitor", encode((int(Op.MONITOR_P), P.pid(), SERVER, P.ref())), None)


def test_what_waits_goes_on_when_nobody_is_asked_any_more() -> None:
    channel = hooked(HANDLED)
    channel.inbound(tell(1))
    (ticket,) = asked(channel)
    channel.inbound(tell(2))
    judge(channel, None)
    assert channel.inbound(tell(3)).forward == []
    assert channel.inbound(tell(4, 101)).forward == [tell(4, 101)]
    assert channel.core.waits(ticket)
    assert answer(channel, ticket).forward == [tell(1), tell(2), tell(3)]
    assert asked(channel) == []
    assert channel.inbound(tell(5)).forward == [tell(5)]
    assert channel.core.pending() == 0


def test_what_waits_is_judged_by_the_rules_of_its_turn() -> None:
    channel = hooked(HANDLED)
    channel.inbound(tell(1), tell(2))
    (ticket,) = asked(channel)
    judge(channel, None, "deny *")
    assert answer(channel, ticket).reasons == ["rule", "rule"]
    assert channel.core.pending() == 0


def test_the_opinion_of_another_filter_is_not_kept() -> None:
    channel = hooked(FILTERED)
    channel.inbound(tell(1))
    (old,) = asked(channel)
    judge(channel, FILTERED)
    assert answer(channel, old, "deny").reasons == ["handler"]
    channel.inbound(tell(2))
    (new,) = asked(channel)
    assert answer(channel, new).forward == [tell(2)]
    assert channel.inbound(tell(3)).forward == [tell(3)]


@pytest.mark.parametrize("changed", [[1, 2], [], Atom("x"), 1], ids=str)
def test_a_changed_spawn_request_has_to_have_its_arity(changed: Term) -> None:
    channel = hooked(HANDLED)

    def request(arguments: Term) -> Message:
        return message(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(), (SERVER, SERVER, 1), [], payload=arguments)

    channel.inbound(request([1]))
    (ticket,) = asked(channel)
    output = answer(channel, ticket, payload=encode(changed))
    assert (output.forward, output.closed, output.reasons) == ([], None, ["handler"])
    channel.inbound(request([1]))
    (ticket,) = asked(channel)
    assert answer(channel, ticket, payload=encode([7])).forward == [request([7])]
