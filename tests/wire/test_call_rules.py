"""Rules on calls: they decide about the function that is really called, however the call arrives."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, Message, Op, message
from tests.support.etf import Atom, Export, Fun, Improper, Pid, Ref, Term, alias
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
        "proc_lib": spawn("proc_lib", "init_p", P.pid(), [P.pid(7), A("sup")], m, f, arguments),
        "rex": tell((P.pid(), (A("call"), m, f, arguments, P.pid()))),
        "rex, block": gen_call((A("block_call"), m, f, arguments, P.pid())),
        "rex, cast": tell((A("$gen_cast"), (A("cast"), m, f, arguments, P.pid()))),
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


@pytest.mark.parametrize("carrier", ["spawn", "erpc", "erpc cast", "proc_lib"])
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


SENT = {name: LOOKUP[name] for name in ("rex", "rex, block", "rex, cast")}
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
        ((*OPEN_CARRIERS, "accept otp_internal"), False, False),
        (("accept reg_send", "accept spawn_request", "deny spawn_request inventory:delete/1 layer=1"), True, True),
        (("deny spawn_request inventory:delete/1", "accept spawn_request", "accept reg_send"), True, False),
        (("deny reg_send rex", "accept spawn_request inventory:lookup/1"), False, False),
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
    refused(CoreChannel("deny reg_send rex", "accept *"), LOOKUP[carrier])


def test_what_is_no_call_is_judged_by_the_rules_on_its_target() -> None:
    channel = CoreChannel("accept reg_send rex", "accept otp_internal rex", "deny spawn_request", "deny *")
    passes(channel, tell((P.pid(), A("features_request"))))


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


APPLY = (A("erlang"), A("apply"))
OPAQUE: dict[str, Message] = {
    "improper arguments": spawn("erpc", "execute_call", P.ref(), A("inventory"), A("lookup"), Improper((1,), 2)),
    "a carrier in a carrier": spawn("erpc", "execute_call", P.ref(), A("erpc"), A("execute_cast"), [*MFA]),
    "a fun that is none": spawn("erlang", "apply", A("inventory"), []),
    "a fun with arguments": spawn("erlang", "apply", Export(A("inventory"), A("lookup"), 1), [1]),
    "a fun in a fun": spawn("erlang", "apply", Export(*APPLY, 2), [Export(A("inventory"), A("all"), 0), []]),
    "another's reference": spawn("erpc", "execute_call", G.ref(), *MFA),
    "another's parent": spawn("proc_lib", "init_p", G.pid(), [], *MFA),
    "ancestors of other kinds": spawn("proc_lib", "init_p", P.pid(), [1], *MFA),
    "another's question to rex": tell((P.pid(101), (A("call"), *MFA, P.pid()))),
    "a request to rex of another size": tell((P.pid(), (A("call"), *MFA))),
    "rex asked to ask rex": tell((P.pid(), (A("sbcast"), REX, (P.pid(), (A("call"), *MFA, P.pid()))))),
    "net_kernel": gen_call((A("spawn"), *MFA, P.pid()), "net_kernel"),
    "net_kernel, linked": gen_call((A("spawn_link"), *MFA, P.pid()), "net_kernel"),
    "net_kernel, options": gen_call((A("spawn_opt"), *MFA, [], A("no_link"), P.pid()), "net_kernel"),
}


@pytest.mark.parametrize("name", OPAQUE)
def test_what_cannot_be_told_passes_under_a_rule_for_all_only(name: str) -> None:
    sent = OPAQUE[name]
    for rules in (
        ("accept call _:_/_", "accept spawn_request _:_/_", "deny *"),
        ("accept call", "accept spawn_request", "accept reg_send", "deny *"),
        ("accept reg_send rex", "accept reg_send net_kernel", "accept otp_internal", "accept call _:_/_", "deny *"),
        ("deny call", "accept *"),
    ):
        refused(CoreChannel(*rules, funs=True), sent)
    passes(CoreChannel("accept *"), sent)
    passes(CoreChannel("deny call inventory:delete/1", "accept *"), sent)


RUNNERS = {
    "apply": spawn("erlang", "apply", *MFA),
    "spawn": spawn("erlang", "spawn", *MFA),
    "tc": spawn("erpc", "execute_call", P.ref(), A("timer"), A("tc"), list(MFA)),
    "apply in erpc": spawn("erpc", "execute_call", P.ref(), *APPLY, list(MFA)),
    "apply in rex": tell((P.pid(), (A("call"), *APPLY, list(MFA), P.pid()))),
    "start": spawn("proc_lib", "init_p", P.pid(), [], A("proc_lib"), A("start"), list(MFA)),
}


@pytest.mark.parametrize("name", RUNNERS)
def test_functions_that_run_functions_are_functions(name: str) -> None:
    """A rule that wants them names them."""
    sent = RUNNERS[name]
    refused(CoreChannel("accept call inventory:lookup/1", "accept spawn_request inventory:_/_", "deny *"), sent)
    passes(
        CoreChannel("accept call erlang:_/3", "accept call timer:tc/3", "accept call proc_lib:start/3", "deny *"), sent
    )


def test_a_fun_that_is_the_call() -> None:
    export, local = Export(A("inventory"), A("all"), 0), Fun(A("inventory"), 0, bytes(16), 1, 1, 1, P.pid())
    ways: list[Callable[[Term], Message]] = [
        lambda fun: spawn("erlang", "apply", fun, []),
        lambda fun: spawn("proc_lib", "init_p", P.pid(), [], fun),
        lambda fun: spawn("erpc", "execute_call", P.ref(), *APPLY, [fun, []]),
        lambda fun: tell((P.pid(), (A("call"), *APPLY, [fun, []], P.pid()))),
    ]
    for wrap in ways:
        passes(CoreChannel("accept call inventory:all/0", "deny *", funs=False), wrap(export))
        refused(CoreChannel("accept call inventory:lookup/0", "deny *", funs=True), wrap(export))
        # A local fun is any code of its module, with values of the peer's: the entry has to take funs, too.
        for rules, funs, accepted in (
            (("accept call inventory:_/0", "deny *"), True, True),
            (("accept call inventory:_/0", "deny *"), False, False),
            (("accept call inventory:all/0", "deny *"), True, False),
            (("deny *",), True, False),
            (("accept *",), False, False),
        ):
            (passes if accepted else refused)(CoreChannel(*rules, funs=funs), wrap(local))
    sent = spawn("inventory", "lookup", export)
    assert CoreChannel("accept call inventory:lookup/1", "deny *", funs=False).inbound(sent).reasons == ["funs"]


NAMED = (A("link"), A("monitor"))
PLAIN: dict[str, Term] = {
    "none": [],
    "link and monitor": list(NAMED),
    "priority": [(A("priority"), A("low"))],
    "queue": [A("monitor"), (A("message_queue_data"), A("off_heap"))],
    "async": [(A("async_dist"), A("true"))],
}
OTHER: dict[str, Term] = {
    "high priority": [(A("priority"), A("high"))],
    "a heap": [(A("min_heap_size"), 500)],
    "a cap": [(A("max_heap_size"), 500)],
    "a scheduler": [(A("scheduler"), 1)],
    "an unknown one": [A("no_such_option")],
    "an improper list": Improper(NAMED, A("link")),
    "no list": A("link"),
}


def with_options(options: Term, leader: Term = None) -> Message:
    called = (A("inventory"), A("lookup"), 1)
    by = P.pid() if leader is None else leader
    return message(Op.SPAWN_REQUEST, P.ref(), P.pid(), by, called, options, payload=[1])


@pytest.mark.parametrize("rule", ["accept call inventory:lookup/1", "accept spawn_request inventory:lookup/1"])
def test_a_rule_opens_a_closed_list_of_options(rule: str) -> None:
    for options in PLAIN.values():
        passes(CoreChannel(rule, "deny *"), with_options(options))
    for options in OTHER.values():
        assert CoreChannel(rule, "deny *").inbound(with_options(options)).reasons == ["options"]
        passes(CoreChannel("accept *"), with_options(options))


def test_heaps_are_limited_wherever_they_stand() -> None:
    huge = (A("min_heap_size"), 1 << 50)
    for options in ([huge], Improper(((A("priority"), A("low")),), [huge]), Improper(NAMED, Improper(NAMED, [huge]))):
        for rules in (("accept *",), ("accept call inventory:lookup/1", "deny *")):
            (reason,) = CoreChannel(*rules).inbound(with_options(options)).reasons
            assert reason in ("limit:spawn_heap", "options")


def to_rex(leader: Term) -> Message:
    return tell((P.pid(), (A("call"), *MFA, leader)))


def test_a_group_leader_is_the_peers_or_has_led_there() -> None:
    theirs, third = G.pid(71), Pid(A("third@h"), 1, 0, 1)
    for make in (lambda leader: with_options([], leader), to_rex):
        channel = CoreChannel("accept call inventory:lookup/1", "accept send", "deny *", third_nodes=["third@h"])
        passes(channel, make(P.pid(9)))
        assert channel.inbound(make(third)).reasons == ["options"]
        assert channel.inbound(make(theirs)).reasons == ["options"]
        # To have it in a message makes it no leader.
        channel.outbound(message(Op.SEND_SENDER, G.pid(), P.pid(), payload=theirs))
        assert channel.inbound(make(theirs)).reasons == ["options"]
        channel.outbound(message(Op.SPAWN_REQUEST, G.ref(), G.pid(), theirs, (A("m"), A("f"), 0), [], payload=[]))
        passes(channel, make(theirs))
        passes(CoreChannel("accept *"), make(theirs))
    for call, accepted in (
        (to_rex(A("user")), True),
        (to_rex(A("send_stdout_to_caller")), True),
        (to_rex(A("x")), False),
    ):
        (passes if accepted else refused)(CoreChannel("accept call inventory:lookup/1", "deny *"), call)


def test_what_the_guarded_node_itself_prints_is_brief() -> None:
    """It prints the arguments of what fails, unless a process of the peer leads it."""
    theirs = G.pid(71)
    deep: Term = 1
    for _ in range(40):
        deep = (deep,)

    def spawned(leader: Term, module: str, function: str, arguments: list[Term]) -> Message:
        called = (A(module), A(function), len(arguments))
        return message(Op.SPAWN_REQUEST, P.ref(), P.pid(), leader, called, [], payload=arguments)

    def ways(argument: Term, leader: Term) -> dict[str, Message]:
        mfa = (A("inventory"), A("lookup"), [argument])
        return {
            "spawn": spawned(leader, "inventory", "lookup", [argument]),
            "proc_lib": spawned(leader, "proc_lib", "init_p", [P.pid(), [], *mfa]),
            "erpc cast": spawned(leader, "erpc", "execute_cast", [*mfa]),
            "rex cast": tell((A("$gen_cast"), (A("cast"), *mfa, leader))),
            "erpc": spawned(leader, "erpc", "execute_call", [P.ref(), *mfa]),
            "rex": tell((P.pid(), (A("call"), *mfa, leader))),
            "rex, called": gen_call((A("block_call"), *mfa, leader)),
        }

    for argument, brief in ((1, True), (deep, False), (b"x" * 70_000, False)):
        for leader in (P.pid(9), theirs, A("user")):
            for way, sent in ways(argument, leader).items():
                if leader == "user" and sent.command == "spawn_request":
                    continue
                channel = CoreChannel("accept call inventory:lookup/1", "deny *")
                channel.outbound(
                    message(Op.SPAWN_REQUEST, G.ref(), G.pid(), theirs, (A("m"), A("f"), 0), [], payload=[])
                )
                printed = leader != P.pid(9) and way not in ("erpc", "rex", "rex, called")
                if brief or not printed:
                    passes(channel, sent)
                else:
                    assert channel.inbound(sent).reasons == ["options"], (way, leader)
                passes(CoreChannel("accept *"), sent)


def test_what_rex_passes_on_is_judged_as_a_message_to_that_name() -> None:
    def relayed(kind: str, name: Term, payload: Term, asker: Term = None) -> Message:
        return tell((P.pid() if asker is None else asker, (A(kind), name, payload)))

    channel = CoreChannel("accept reg_send server", "deny *")
    for kind in ("send", "sbcast"):
        passes(channel, relayed(kind, A("server"), 1))
        refused(channel, relayed(kind, A("other"), 1))
        refused(channel, relayed(kind, A("server"), 1, P.pid(101)))
        refused(channel, relayed(kind, (A("server"), A("third@h")), 1))
        refused(channel, relayed(kind, G.pid(), 1))
        refused(CoreChannel("accept reg_send rex", "deny *"), relayed(kind, A("server"), 1))
        refused(CoreChannel("deny reg_send server", "accept *"), relayed(kind, A("server"), 1))
        outputs = [
            out
            for frame in channel.from_peer.frames(relayed(kind, A("other"), b"x" * 900), fragment=200)
            for out in [channel.inbound(frame)]
        ]
        assert not [one for output in outputs for one in output.forward]
    event = channel.inbound(relayed("sbcast", A("other"), 1)).events[0]
    assert event[2] == "other by rex"
    state = (A("system"), (P.pid(), P.ref()), A("get_state"))
    assert channel.inbound(relayed("sbcast", A("server"), state)).reasons == ["otp_internal"]


def test_the_monitor_that_comes_with_a_call_passes_with_it() -> None:
    monitor = message(Op.MONITOR_P, P.pid(), REX, P.alias())
    other = message(Op.MONITOR_P, P.pid(), A("auth"), P.alias(2))
    channel = CoreChannel("accept call inventory:lookup/1", "deny *")
    passes(channel, monitor)
    refused(channel, other)
    refused(CoreChannel("deny call inventory:lookup/1", "deny *"), monitor)
    refused(CoreChannel("deny monitor rex", "accept call inventory:lookup/1", "deny *"), monitor)
    refused(CoreChannel("deny * layer=0", "accept call inventory:lookup/1"), monitor)


@pytest.mark.parametrize("carrier", SENT)
def test_a_pid_is_never_rex(carrier: str) -> None:
    """A message in the form of a call is for whom it is sent to, and `otp_internal` protects them all."""
    for to in (G.pid(52), G.alias()):
        op = Op.ALIAS_SEND if isinstance(to, Ref) else Op.SEND_SENDER
        sent = message(op, P.pid(), to, payload=SENT[carrier].payload)
        refused(
            CoreChannel("accept call inventory:lookup/1", "accept spawn_request", "accept reg_send rex", "deny *"), sent
        )
        rules = (
            "accept call inventory:lookup/1",
            "accept send",
            "accept alias_send",
            "accept otp_internal rex",
            "deny *",
        )
        channel = CoreChannel(*rules)
        channel.outbound(message(Op.SEND_SENDER, G.pid(9), P.pid(), payload=G.alias()))
        assert channel.inbound(sent).reasons == ["otp_internal"]
        passes(CoreChannel("accept *"), sent)


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
