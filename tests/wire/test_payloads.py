"""What a message carries: pids of third nodes, funs; and rules that change."""

from __future__ import annotations

import pytest

from distwall._core import DistFlag
from tests.support.core_channel import CoreChannel, Output
from tests.support.dist import EMPTY, NO_CACHE, OTP_25, PASS_THROUGH, Message, Op, message
from tests.support.etf import Atom, Export, Fun, Improper, Map, Pid, Port, Record, Ref, Term
from tests.wire.expect import tell

P, G, T = CoreChannel.peer, CoreChannel.guard, CoreChannel.third
A = Atom

FUN = Fun(A("m"), 1, bytes(16), 1, 1, 1, P.pid())

# === third nodes ===

CARRIED: dict[str, Term] = {
    "pid": T.pid(),
    "reference": T.alias(),
    "port": T.port(),
    "deep inside": [1, (2, Map(((A("k"), [T.pid()]),)))],
    "as a map's key": Map(((T.pid(), 1),)),
    "in a tail": Improper((1,), T.pid()),
    "in a fun": Fun(A("m"), 1, bytes(16), 1, 1, 1, P.pid(), (T.pid(),)),
    "of a fun": Fun(A("m"), 1, bytes(16), 1, 1, 1, T.pid()),
    "no node at all": Pid(EMPTY, 1, 0, 1),
    "another host": Ref(A("foo@127.0.0.4"), 1, (1, 2, 3)),
    "the peer's name with more behind": Port(A(P.name + "x"), 1, 1),
}
SHAPES: dict[str, tuple[tuple[str, ...], int, int]] = {
    "whole": (("accept *",), OTP_25, 1 << 20),
    "whole, by a rule": (("accept reg_send", "deny *"), OTP_25, 1 << 20),
    "headers": (("accept *",), NO_CACHE, 1 << 20),
    "pass-through": (("accept *",), PASS_THROUGH, 1 << 20),
    "fragments, by a rule": (("accept reg_send", "deny *"), OTP_25, 70),
}


def through(channel: CoreChannel, sent: Message, fragment: int) -> list[Output]:
    return [channel.inbound(one) for one in channel.from_peer.frames(sent, fragment=fragment)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", CARRIED)
def test_identifiers_of_third_nodes_do_not_pass(name: str, shape: str) -> None:
    rules, flags, fragment = SHAPES[shape]
    sent = tell([bytes(100), CARRIED[name]])
    outputs = through(CoreChannel(*rules, flags=flags, funs=True), sent, fragment)
    assert not any(output.forward for output in outputs)
    assert [reason for output in outputs for reason in output.reasons] == ["third_node"]
    channel = CoreChannel(*rules, flags=flags, funs=True, third_nodes=["*"])
    assert [one for output in through(channel, sent, fragment) for one in output.forward] == [sent]


@pytest.mark.parametrize("name", CARRIED)
def test_identifiers_of_third_nodes_in_fragments_close_under_accept_all(name: str) -> None:
    """Nothing is held there, so what has begun to go out can only end with the channel."""
    outputs = through(CoreChannel("accept *", funs=True), tell([bytes(300), CARRIED[name]]), 100)
    assert not any(output.forward for output in outputs)
    assert any(output.events or output.closed for output in outputs)


def test_third_nodes_can_be_admitted_by_name() -> None:
    for glob, passes in (("baz@*", True), (T.name, True), ("*", True), ("baz", False), ("foo@*", False), ("", False)):
        output = CoreChannel("accept *", third_nodes=[glob]).inbound(tell(T.pid()))
        assert bool(output.forward) == passes


def test_both_nodes_may_always_be_named() -> None:
    for term in (P.pid(), G.pid(), P.alias(), G.alias(), P.port(), Pid(P.name, 1, 0, 99), Pid(G.name, 1, 0, 99)):
        assert CoreChannel("accept *").inbound(tell(term)).forward


def test_third_nodes_in_exit_reasons_and_arguments_are_refused() -> None:
    for sent in (
        message(Op.PAYLOAD_EXIT2, P.pid(), G.pid(), payload=T.pid()),
        message(Op.EXIT2, P.pid(), G.pid(), T.pid()),
        message(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(), (A("m"), A("f"), 1), [], payload=[T.pid()]),
        message(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(), (A("m"), A("f"), 1), [T.pid()], payload=[1]),
    ):
        output = CoreChannel("accept *").inbound(sent)
        assert (output.forward, output.reasons) == ([], ["third_node"])


# === funs ===


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("term", [FUN, Export(A("m"), A("f"), 1), [Map(((1, (FUN,)),))]], ids=["fun", "export", "deep"])
def test_funs_pass_where_the_policy_lets_them(term: Term, shape: str) -> None:
    rules, flags, fragment = SHAPES[shape]
    sent = tell([bytes(100), term])

    def passes(funs: bool | None) -> bool:
        outputs = through(CoreChannel(*rules, flags=flags, funs=funs), sent, fragment)
        reasons = [reason for output in outputs for reason in output.reasons]
        forward = [one for output in outputs for one in output.forward]
        assert (forward, reasons) in (([sent], []), ([], ["funs"]))
        return bool(forward)

    assert passes(True)
    assert not passes(False)
    assert passes(None) == ("accept *" in rules)


def test_records_are_data() -> None:
    flags = OTP_25 | DistFlag.NATIVE_RECORDS
    sent = tell(Record(A("m"), A("r"), True, ((A("x"), 1),)))
    assert CoreChannel("accept reg_send", "deny *", flags=flags, release=29).inbound(sent).forward == [sent]


# === rules that change ===


def test_new_rules_hold_from_the_next_command_on() -> None:
    channel = CoreChannel("drop *")
    assert channel.inbound(tell(1)).reasons == ["rule"]
    channel.set_rules("accept reg_send")
    assert channel.inbound(tell(1)).forward == [tell(1)]
    channel.set_rules()
    assert channel.inbound(tell(1)).reasons == ["default"]


@pytest.mark.parametrize("seconds", [1, 3000])
def test_new_rules_decide_about_a_message_that_has_begun(seconds: int) -> None:
    """The end of a grant ends what came by it in part, too: no code runs by rules that are gone."""
    spawn = message(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(), (A("os"), A("cmd"), 1), [], payload=[b"x" * 300])
    for sent in (tell(bytes(300)), spawn):
        for before, after in (("accept *", "drop *"), ("accept reg_send", "drop *"), ("accept *", "accept monitor")):
            channel = CoreChannel(before)
            frames = channel.from_peer.frames(sent, fragment=100)
            outputs = [channel.inbound(one) for one in frames[:2]]
            channel.set_rules(after)
            channel.now += seconds
            outputs += [channel.inbound(one) for one in frames[2:]]
            assert not [one for output in outputs for one in output.forward]
            closed = {output.closed for output in outputs} - {None}
            assert closed == ({"new rules do not pass a message that has begun"} if before == "accept *" else set())


def test_a_message_that_was_held_is_judged_by_new_rules() -> None:
    channel = CoreChannel("drop *")
    frames = channel.from_peer.frames(tell(bytes(300)), fragment=100)
    assert not [one for frame in frames[:2] for one in channel.inbound(frame).forward]
    channel.set_rules("accept *")
    assert [one for frame in frames[2:] for one in channel.inbound(frame).forward] == [tell(bytes(300))]


@pytest.mark.parametrize("after", [["accept *"], ["deny reg_send other", "accept *"], ["accept reg_send victim"]])
def test_a_message_that_has_begun_goes_on_where_new_rules_pass_it_too(after: list[str]) -> None:
    channel = CoreChannel("accept *")
    sent = tell(bytes(300))
    frames = channel.from_peer.frames(sent, fragment=100)
    passed = [one for frame in frames[:2] for one in channel.inbound(frame).forward]
    channel.set_rules(*after)
    passed += [one for frame in frames[2:] for one in channel.inbound(frame).forward]
    assert passed == ([sent] if after[-1] == "accept *" else [])


def test_names_and_keys_decide() -> None:
    channel = CoreChannel(
        "deny reg_send no", "accept reg_send n*", "accept monitor _", "accept spawn_request m:_/2", "drop *"
    )
    assert channel.inbound(tell(1, "n")).forward
    assert channel.inbound(tell(1, "nope")).forward
    assert not channel.inbound(tell(1, "no")).forward
    assert not channel.inbound(tell(1, "N")).forward
    assert channel.inbound(message(Op.MONITOR_P, P.pid(), A("x"), P.ref())).forward
    for function, arity, passes in (("f", 2, True), ("g", 2, True), ("f", 1, False), ("f", 22, False)):
        sent = message(
            Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(), (A("m"), A(function), arity), [], payload=[1] * arity
        )
        assert bool(channel.inbound(sent).forward) == passes


def test_the_strongest_rule_decides() -> None:
    output = CoreChannel("drop reg_send a", "accept reg_send a", "deny *").inbound(tell(1, "a"))
    assert output.events == [("inbound", "reg_send", "a", "drop", 0, "rule", 0)]


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("server", "server"),
        ("With Space", "'With Space'"),
        ("it's", r"'it\'s'"),
        ("end", "'end'"),
        ("", "''"),
        ("Ж", "'Ж'"),
    ],
)
def test_targets_are_printed_as_erlang_does(name: str, printed: str) -> None:
    assert CoreChannel("drop *").inbound(tell(1, name)).events[0][2] == printed


def test_nothing_that_a_terminal_obeys_is_printed() -> None:
    event = CoreChannel("drop *").inbound(tell(1, "\x1b[2J\n\r\u202e\x7f\x9b")).events[0]
    assert event[2] is not None
    assert event[2].isprintable()
