"""Rules on calls: they decide about the function that is really called, however the call arrives."""

from __future__ import annotations

import pytest

from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, Message, Op, message
from tests.support.etf import Atom, Export, Fun, Improper, Term, alias
from tests.wire.expect import passes, refused

P, G = CoreChannel.peer, CoreChannel.guard
A = Atom
REX = A("rex")
MFA = (A("inventory"), A("lookup"), [1])


def spawn(module: str, function: str, *arguments: Term) -> Message:
    called = (A(module), A(function), len(arguments))
    return message(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(), called, [], payload=list(arguments))


def tell(payload: Term, to: str = "rex") -> Message:
    return message(Op.REG_SEND, P.pid(), EMPTY, A(to), payload=payload)


def gen_call(request: Term, to: str = "rex") -> Message:
    return tell((A("$gen_call"), (P.pid(), alias(P.alias())), request), to)


def carriers(module: str, function: str, arguments: list[Term]) -> dict[str, Message]:
    m, f = A(module), A(function)
    return {
        "spawn": spawn(module, function, *arguments),
        "erpc": spawn("erpc", "execute_call", P.ref(), m, f, arguments),
        "erpc cast": spawn("erpc", "execute_cast", m, f, arguments),
        "apply": spawn("erlang", "apply", m, f, arguments),
        "an export": spawn("erlang", "apply", Export(m, f, len(arguments)), arguments),
        "apply in erpc": spawn("erpc", "execute_call", P.ref(), A("erlang"), A("apply"), [m, f, arguments]),
        "rex": tell((P.pid(), (A("call"), m, f, arguments, P.pid()))),
        "rex, block": gen_call((A("block_call"), m, f, arguments, P.pid())),
        "rex, cast": tell((A("$gen_cast"), (A("cast"), m, f, arguments, P.pid()))),
        "net_kernel": gen_call((A("spawn"), m, f, arguments, P.pid()), "net_kernel"),
    }


LOOKUP = carriers("inventory", "lookup", [1])
DELETE = carriers("inventory", "delete", [1])
HALT = carriers("erlang", "halt", [])


@pytest.mark.parametrize("carrier", LOOKUP)
def test_a_call_is_judged_however_it_arrives(carrier: str) -> None:
    channel = CoreChannel("accept call inventory:lookup/1", "deny *")
    passes(channel, LOOKUP[carrier])
    refused(channel, DELETE[carrier])
    refused(channel, HALT[carrier])
    # What is really called decides before what carries it.
    channel = CoreChannel("drop call inventory:delete/1", "accept otp_internal", "accept *")
    passes(channel, LOOKUP[carrier])
    output = channel.inbound(DELETE[carrier])
    assert [event[3:6] for event in output.events] == [("drop", 0, "rule")]
    target = output.events[0][2]
    assert target == "inventory:delete/1" or (target or "").startswith("inventory:delete/1 by "), target


@pytest.mark.parametrize("carrier", ["spawn", "erpc", "erpc cast", "apply", "an export", "apply in erpc"])
def test_rules_on_spawn_requests_see_it(carrier: str) -> None:
    channel = CoreChannel(
        "accept spawn_request erpc:execute_call/4",
        "accept spawn_request erpc:execute_cast/3",
        "accept spawn_request erlang:apply/_",
        "accept spawn_request inventory:lookup/_",
        "deny *",
    )
    passes(channel, LOOKUP[carrier])
    refused(channel, DELETE[carrier])
    refused(channel, HALT[carrier])
    channel = CoreChannel("deny spawn_request erlang:halt/_", "accept *")
    passes(channel, DELETE[carrier])
    refused(channel, HALT[carrier])
    # Also in fragments: nothing of it has gone on before what it calls is seen.
    outputs = [channel.inbound(one) for one in channel.from_peer.frames(HALT[carrier], fragment=230)]
    assert not [one for output in outputs for one in output.forward]


SENT = {name: LOOKUP[name] for name in ("rex", "rex, block", "rex, cast", "net_kernel")}
OPEN_CARRIERS = (
    "accept reg_send rex",
    "accept reg_send net_kernel",
    "accept otp_internal rex",
    "accept otp_internal n*",
)
ANY = "00"
"""The pattern ``_``."""


@pytest.mark.parametrize("carrier", SENT)
@pytest.mark.parametrize(
    ("texts", "looks_up", "deletes"),
    [
        (OPEN_CARRIERS, False, False),
        ((*OPEN_CARRIERS, f"accept otp_internal when {ANY}", f"accept reg_send when {ANY}"), False, False),
        ((*OPEN_CARRIERS, "accept call inventory:lookup/1"), True, False),
        ((*OPEN_CARRIERS, "accept spawn_request inventory:lookup/1"), True, False),
        (("accept spawn_request inventory:lookup/1",), True, False),
        (("accept spawn_request",), True, True),
        ((*OPEN_CARRIERS, "accept otp_internal"), True, True),
        ((*OPEN_CARRIERS, "accept otp_internal", "deny spawn_request inventory:delete/1"), True, False),
        (("accept reg_send", "accept spawn_request", "deny spawn_request inventory:delete/1 layer=1"), True, True),
        (("deny spawn_request inventory:delete/1", "accept spawn_request", "accept reg_send"), True, False),
        (("deny reg_send rex", "deny reg_send net_kernel", "accept spawn_request inventory:lookup/1"), False, False),
        (("accept spawn_request inventory:lookup/1", "deny reg_send layer=2"), True, False),
        (("accept reg_send", "accept * layer=0"), True, True),
    ],
)
def test_a_rule_on_the_carrier_never_lets_pass_what_it_carries(
    carrier: str, texts: tuple[str, ...], looks_up: bool, deletes: bool
) -> None:
    channel = CoreChannel(*texts, "deny * layer=2")
    for sent, accepted in ((LOOKUP[carrier], looks_up), (DELETE[carrier], deletes)):
        (passes if accepted else refused)(channel, sent)


@pytest.mark.parametrize("carrier", SENT)
def test_under_a_rule_for_all_narrower_rules_see_the_call(carrier: str) -> None:
    passes(CoreChannel("accept *"), LOOKUP[carrier])
    channel = CoreChannel("deny spawn_request inventory:delete/1", "accept *")
    passes(channel, LOOKUP[carrier])
    refused(channel, DELETE[carrier])
    outputs = [channel.inbound(one) for one in channel.from_peer.frames(DELETE[carrier], fragment=200)]
    assert not [one for output in outputs for one in output.forward]
    for name in ("rex", "net_kernel"):
        channel = CoreChannel(f"deny reg_send {name}", "accept *")
        (refused if name == carrier.partition(",")[0] else passes)(channel, LOOKUP[carrier])


def test_what_is_no_call_is_judged_by_the_rules_on_its_target() -> None:
    channel = CoreChannel("accept reg_send rex", "accept otp_internal rex", "deny spawn_request", "deny *")
    passes(channel, tell((P.pid(), A("features_request"))))
    passes(channel, tell((P.pid(), (A("sbcast"), A("server"), 1))))


def test_events_name_the_call_and_its_carrier() -> None:
    channel = CoreChannel("deny *")
    assert channel.inbound(DELETE["erpc"]).events[0][2] == "inventory:delete/1 by erpc:execute_call/4"
    assert channel.inbound(DELETE["rex"]).events[0][2] == "inventory:delete/1 by rex"
    assert channel.inbound(DELETE["spawn"]).events[0][2] == "inventory:delete/1"


@pytest.mark.parametrize("carrier", LOOKUP)
def test_patterns_are_about_the_arguments(carrier: str) -> None:
    """``[1]``"""
    one = "04 00000001 06 00000002 6101 06 00000001 6a".replace(" ", "")
    channel = CoreChannel(f"accept call inventory:_/_ when {one}", "deny *")
    passes(channel, LOOKUP[carrier])
    refused(channel, carriers("inventory", "lookup", [2])[carrier])
    refused(channel, carriers("inventory", "lookup", [1, 1])[carrier])


@pytest.mark.parametrize(("layers", "accepted"), [((0, 1), True), ((1, 1), True), ((2, 1), False), ((1, 0), False)])
def test_a_weaker_layer_does_not_decide_for_its_carrier(layers: tuple[int, int], accepted: bool) -> None:
    call, carrier = layers
    rules = [
        (call, f"accept call inventory:lookup/1 layer={call}"),
        (carrier, f"deny spawn_request layer={carrier}"),
        (carrier, f"deny reg_send layer={carrier}"),
    ]
    for sent in (LOOKUP["erpc"], LOOKUP["rex"]):
        channel = CoreChannel(*(text for _, text in sorted(rules)))
        (passes if accepted else refused)(channel, sent)


OPAQUE: dict[str, Message] = {
    "improper arguments": spawn("erpc", "execute_call", P.ref(), A("inventory"), A("lookup"), Improper((1,), 2)),
    "no function": spawn("erlang", "apply", 1, [1]),
    "of another arity": spawn("erlang", "apply", Export(A("inventory"), A("lookup"), 2), [1]),
    "deep": spawn(*("erlang", "apply")),
}


@pytest.mark.parametrize("name", OPAQUE)
def test_what_cannot_be_told_passes_under_a_rule_for_all_only(name: str) -> None:
    sent = OPAQUE[name]
    for rules in (
        ("accept call _:_/_", "accept spawn_request _:_/_", "deny *"),
        ("accept call", "deny *"),
        ("deny call", "accept *"),
    ):
        refused(CoreChannel(*rules), sent)
    passes(CoreChannel("accept *"), sent)
    passes(CoreChannel("deny call inventory:delete/1", "accept spawn_request", "deny *", funs=True), sent)


def test_the_fun_that_is_the_call() -> None:
    channel = CoreChannel("accept call inventory:lookup/1", "accept spawn_request", "deny *", funs=False)
    passes(channel, LOOKUP["an export"])
    fun = Export(A("inventory"), A("lookup"), 1)
    assert channel.inbound(spawn("erlang", "apply", fun, [fun])).reasons == ["funs"]
    assert channel.inbound(spawn("inventory", "lookup", fun)).reasons == ["funs"]


def test_the_monitor_that_comes_with_a_call_passes_with_it() -> None:
    monitor = message(Op.MONITOR_P, P.pid(), REX, P.alias())
    other = message(Op.MONITOR_P, P.pid(), A("auth"), P.alias(2))
    channel = CoreChannel("accept call inventory:lookup/1", "deny *")
    passes(channel, monitor)
    refused(channel, other)
    refused(CoreChannel("deny call inventory:lookup/1", "deny *"), monitor)
    refused(CoreChannel("deny monitor rex", "accept call inventory:lookup/1", "deny *"), monitor)
    refused(CoreChannel("deny * layer=0", "accept call inventory:lookup/1"), monitor)


def test_a_call_by_pid_is_judged() -> None:
    sent = message(
        Op.SEND_SENDER, P.pid(), G.pid(52), payload=(P.pid(), (A("call"), A("erlang"), A("halt"), [], P.pid()))
    )
    refused(CoreChannel("deny call erlang:halt/_", "accept *"), sent)
    channel = CoreChannel("accept call erlang:halt/0", "deny *")
    passes(channel, sent)


def test_answers_are_no_calls() -> None:
    channel = CoreChannel("deny call", "deny *")
    channel.outbound(message(Op.REG_SEND, G.pid(), EMPTY, A("server"), payload=(A("$gen_call"), (G.pid(), G.ref()), 1)))
    answer: Term = (G.ref(), (A("call"), A("erlang"), A("halt"), [], G.pid()))
    passes(channel, message(Op.SEND_SENDER, P.pid(), G.pid(), payload=answer))


def test_long_calls_are_held_until_they_are_seen() -> None:
    channel = CoreChannel("deny call erlang:halt/_", "accept *")
    for number, sent in enumerate((HALT["rex"], HALT["erpc"], HALT["spawn"])):
        first, *rest = channel.from_peer.frames(sent, fragment=210 + number)
        assert not channel.inbound(first, *rest).forward
    long = tell((P.pid(), (A("call"), A("lists"), A("sort"), [list(range(1000))], P.pid())))
    outputs = [channel.inbound(one) for one in channel.from_peer.frames(long, fragment=300)]
    assert long in [one for output in outputs for one in output.forward]


def test_calls_that_go_out_are_judged() -> None:
    channel = CoreChannel("accept *", out=["accept call inventory:lookup/1", "deny *"])
    for function, accepted in (("lookup", True), ("delete", False)):
        arguments = [G.ref(), A("inventory"), A(function), [1]]
        sent = message(
            *(Op.SPAWN_REQUEST, G.ref(), G.pid(), G.pid(), (A("erpc"), A("execute_call"), 4), [A("monitor")]),
            payload=arguments,
        )
        assert bool(channel.outbound(sent).forward) == accepted


@pytest.mark.parametrize(
    ("rule", "accepted"),
    [("inventory:_/1", True), ("inventory:_/_", True), ("inventory:lookup/1", False), ("inventory:l*/1", False)],
)
def test_the_call_of_a_fun_is_judged_as_its_module(rule: str, accepted: bool) -> None:
    fun = Fun(A("inventory"), 1, bytes(16), 1, 1, 1, P.pid())
    channel = CoreChannel(f"accept call {rule}", "deny *", funs=False)
    sent = channel.inbound(spawn("erlang", "apply", fun, [1]))
    assert (sent.reasons == []) == accepted
