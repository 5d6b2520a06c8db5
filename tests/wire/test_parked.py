"""Commands that wait until somebody has answered: room for them, and what changes in the meantime."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from distwall import _core
from tests.wire.dist import EMPTY, Message, Op, message
from tests.wire.etf import Atom, Term, encode
from tests.wire.wall import Output, Wall, rules

P, G = Wall.peer, Wall.guard
SERVER = Atom("server")
HANDLED: _core.Hooks = ({"reg_send": "", "spawn_request": ""}, None, False, False)
FILTERED: _core.Hooks = ({}, "", False, False)


def hooked(hooks: _core.Hooks, limits: Mapping[str, int] | None = None) -> Wall:
    wall = Wall("accept *", limits=limits)
    judge(wall, hooks)
    return wall


def judge(wall: Wall, hooks: _core.Hooks | None, *texts: str) -> None:
    wall.channel.set_policy(_core.Policy(rules(*texts or ("accept *",))), hooks=hooks)


def tell(payload: Term, sender: int = 100) -> Message:
    return message(Op.REG_SEND, P.pid(sender), EMPTY, SERVER, payload=payload)


def answer(wall: Wall, ticket: int, verdict: _core.Verdict = "accept", payload: bytes | None = None) -> Output:
    forward, back, events, closed = wall.channel.answer(ticket, verdict, payload, wall.now)
    forwarded, answered = b"".join(forward), back or b""
    return Output(wall.at_guard.feed(forwarded), wall.at_peer.feed(answered), events or [], closed, forwarded, answered)


def asked(wall: Wall) -> list[int]:
    return [ticket for ticket, *_ in wall.channel.asks()]


@pytest.mark.parametrize("limits", [{"tracked": 3}, {"held_bytes": 400}], ids=str)
def test_many_senders_find_no_more_room_than_one(limits: dict[str, int]) -> None:
    for senders in (range(100, 150), [100] * 50):
        wall = hooked(HANDLED, limits)
        outputs = [wall.inbound(tell(number, sender)) for number, sender in enumerate(senders)]
        refused = [reason for output in outputs for reason in output.reasons]
        assert not any(output.forward for output in outputs)
        assert 40 < len(refused) < 50
        assert set(refused) == {"limit:held_bytes"}
        assert wall.channel.pending() <= limits.get("held_bytes", 1000)


def test_a_question_is_no_longer_than_what_may_wait() -> None:
    """An atom of a header is two bytes in each place where it stands, and hundreds in the question."""
    wall = hooked(HANDLED, {"held_bytes": 10_000})
    assert wall.inbound(tell([Atom("x" * 200)] * 1000)).reasons == ["limit:held_bytes"]
    assert asked(wall) == []
    wall.inbound(tell([Atom("x" * 200)] * 10))
    assert 2000 < wall.channel.pending() < 4000
    (ticket,) = asked(wall)
    assert answer(wall, ticket).forward
    assert wall.channel.pending() == 0


def test_a_question_has_the_control_message_also_where_no_message_follows() -> None:
    wall = hooked(({"monitor": ""}, None, False, False))
    wall.inbound(message(Op.MONITOR_P, P.pid(), SERVER, P.ref()))
    ((_, _, command, _, control, payload),) = wall.channel.asks()
    assert (command, control, payload) == ("monitor", encode((int(Op.MONITOR_P), P.pid(), SERVER, P.ref())), None)


def test_what_waits_goes_on_when_nobody_is_asked_any_more() -> None:
    wall = hooked(HANDLED)
    wall.inbound(tell(1))
    (ticket,) = asked(wall)
    wall.inbound(tell(2))
    judge(wall, None)
    assert wall.inbound(tell(3)).forward == []
    assert wall.inbound(tell(4, 101)).forward == [tell(4, 101)]
    assert wall.channel.waits(ticket)
    assert answer(wall, ticket).forward == [tell(1), tell(2), tell(3)]
    assert asked(wall) == []
    assert wall.inbound(tell(5)).forward == [tell(5)]
    assert wall.channel.pending() == 0


def test_what_waits_is_judged_by_the_rules_of_its_turn() -> None:
    wall = hooked(HANDLED)
    wall.inbound(tell(1), tell(2))
    (ticket,) = asked(wall)
    judge(wall, None, "deny *")
    assert answer(wall, ticket).reasons == ["rule", "rule"]
    assert wall.channel.pending() == 0


def test_the_opinion_of_another_filter_is_not_kept() -> None:
    wall = hooked(FILTERED)
    wall.inbound(tell(1))
    (old,) = asked(wall)
    judge(wall, FILTERED)
    assert answer(wall, old, "deny").reasons == ["handler"]
    wall.inbound(tell(2))
    (new,) = asked(wall)
    assert answer(wall, new).forward == [tell(2)]
    assert wall.inbound(tell(3)).forward == [tell(3)]


@pytest.mark.parametrize("changed", [[1, 2], [], Atom("x"), 1], ids=str)
def test_a_changed_spawn_request_has_to_have_its_arity(changed: Term) -> None:
    wall = hooked(HANDLED)

    def request(arguments: Term) -> Message:
        return message(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(), (SERVER, SERVER, 1), [], payload=arguments)

    wall.inbound(request([1]))
    (ticket,) = asked(wall)
    output = answer(wall, ticket, payload=encode(changed))
    assert (output.forward, output.closed, output.reasons) == ([], None, ["handler"])
    wall.inbound(request([1]))
    (ticket,) = asked(wall)
    assert answer(wall, ticket, payload=encode([7])).forward == [request([7])]
