"""Messages that code is to see, longer than ``handled_size``: refused; all others in the same channel pass."""

from __future__ import annotations

import pytest

from distwall._core import DistFlag, Hooks
from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, OTP_25, Message, Op, message
from tests.support.etf import Atom, Fun, Map, Term, encode

P, G = CoreChannel.peer, CoreChannel.guard
A = Atom
MOST = 10_000
TOO_LONG = ["limit:handled_size"]
OUTSIDE = Hooks({"reg_send": "", "spawn_request": ""}, None, False, False, False)
INSIDE = Hooks({"reg_send": "handler", "spawn_request": "handler"}, None, False, False, False)
FILTERED = Hooks({}, "", False, False, False)
EVALUATED = Hooks({}, None, True, True, False)
TYPED = Fun(A("erl_eval"), 0, bytes(16), 43, 43, 0, P.pid(), ((1, Map(), A("none"), A("none"), Map(), []),))
AROUND = len(encode(b""))
"""Bytes of a binary besides its own."""


def channel_with(hooks: Hooks, **settings: object) -> CoreChannel:
    return CoreChannel("accept *", hooks=hooks, limits={"handled_size": MOST}, **settings)  # type: ignore[arg-type]


def reg(payload: Term) -> Message:
    return message(Op.REG_SEND, P.pid(), EMPTY, A("target"), payload=payload)


def request(module: str, function: str, *arguments: Term) -> Message:
    mfa = (A(module), A(function), len(arguments))
    return message(Op.SPAWN_REQUEST, P.ref(1), P.pid(), P.pid(), mfa, [A("monitor")], payload=list(arguments))


@pytest.mark.parametrize("hooks", [OUTSIDE, INSIDE], ids=["outside", "inside"])
def test_a_handler_sees_messages_up_to_the_limit(hooks: Hooks) -> None:
    for length, reasons in ((MOST - AROUND, []), (MOST - AROUND + 1, TOO_LONG)):
        channel = channel_with(hooks)
        assert channel.inbound(reg(b"x" * length)).reasons == reasons
        assert len(channel.core.asks()) == (0 if reasons else 1)


def test_a_call_that_is_too_long_is_told() -> None:
    channel = channel_with(OUTSIDE)
    call = (A("$gen_call"), (P.pid(), P.ref(9)), b"x" * MOST)
    out = channel.inbound(message(Op.MONITOR_P, P.pid(), A("target"), P.ref(9)), reg(call))
    assert out.reasons == TOO_LONG
    assert [each.op for each in out.back] == [Op.PAYLOAD_MONITOR_P_EXIT]
    assert [each.op for each in out.forward] == [Op.MONITOR_P, Op.DEMONITOR_P]


@pytest.mark.parametrize("hooks", [OUTSIDE, INSIDE], ids=["outside", "inside"])
def test_a_spawn_request_that_is_too_long_is_told(hooks: Hooks) -> None:
    for sent in (
        request("inventory", "touch", b"x" * MOST),
        request("erpc", "execute_call", P.ref(8), A("inventory"), A("touch"), [b"x" * MOST]),
    ):
        out = channel_with(hooks).inbound(sent)
        assert (out.reasons, out.forward) == (TOO_LONG, [])
        assert [each.op for each in out.back] == [Op.SPAWN_REPLY]


def test_what_nobody_handles_is_as_long_as_it_likes() -> None:
    channel = channel_with(OUTSIDE)
    long = message(Op.SEND_SENDER, P.pid(7), G.pid(), payload=b"x" * MOST * 20)
    assert channel.inbound(long).forward == [long]
    assert channel_with(EVALUATED).inbound(request("inventory", "touch", b"x" * MOST)).reasons == []


def test_a_filter_sees_no_message() -> None:
    """Nor does it matter how long that is, before the filter has said anything and afterwards."""
    channel = channel_with(FILTERED)
    carried = request("erpc", "execute_call", P.ref(8), A("inventory"), A("touch"), [b"x" * MOST])
    for sent in (reg(b"x" * MOST), carried):
        assert channel.inbound(sent).reasons == []
        ((ticket, *_, control, payload),) = channel.core.asks()
        assert payload is None
        assert len(control) < MOST
        assert channel.answer(ticket, "accept").forward == [sent]
        assert channel.inbound(sent).forward == [sent]


@pytest.mark.parametrize("wrapped", [False, True])
def test_what_is_evaluated_is_no_longer_than_the_limit(wrapped: bool) -> None:
    def sent(length: int) -> Message:
        long = Fun(A("erl_eval"), 0, bytes(16), 43, 43, 0, P.pid(), (*TYPED.free, b"x" * length))
        if wrapped:
            return request("erpc", "execute_call", P.ref(1), A("erlang"), A("apply"), [long, []])
        return request("erlang", "apply", long, [])

    for length, reasons in ((MOST // 2, []), (MOST, TOO_LONG)):
        channel = channel_with(EVALUATED, funs=False)
        assert channel.inbound(sent(length)).reasons == reasons


def test_a_replacement_that_is_too_long_is_denied() -> None:
    for length, passes in ((MOST - AROUND, True), (MOST - AROUND + 1, False)):
        channel = channel_with(OUTSIDE)
        channel.inbound(reg(1))
        ((ticket, *_),) = channel.core.asks()
        out = channel.answer(ticket, "accept", encode(b"y" * length))
        assert (len(out.forward), out.reasons) == ((1, []) if passes else (0, ["handler"]))


def test_a_question_is_no_longer_than_the_limit_either() -> None:
    """Atoms of the header are written out in it."""
    channel = CoreChannel("accept *", hooks=OUTSIDE, limits={"handled_size": MOST}, flags=OTP_25 | DistFlag.FRAGMENTS)
    usual = A("an_atom_of_usual_length")
    for count, reasons in ((300, []), (1000, TOO_LONG)):
        assert channel.inbound(reg([usual] * count)).reasons == reasons
        for ticket, *_ in channel.core.asks():
            channel.answer(ticket, "accept")
