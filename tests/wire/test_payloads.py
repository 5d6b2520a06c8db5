"""What a message carries: shapes that OTP processes obey, pids of third nodes, funs; and rules that change."""

from __future__ import annotations

import pytest

from tests.wire.dist import EMPTY, NO_CACHE, OTP_25, PASS_THROUGH, Alt, Flag, Message, Op, Style, message
from tests.wire.etf import Atom, Export, Fun, Improper, Map, Pid, Port, Record, Ref, Term, alias
from tests.wire.expect import tell
from tests.wire.wall import Output, Wall

P, G, T = Wall.peer, Wall.guard, Wall.third
A = Atom


def call(request: Term) -> Term:
    return (A("$gen_call"), (P.pid(), alias(P.alias())), request)


FUN = Fun(A("m"), 1, bytes(16), 1, 1, 1, P.pid())
MFA = (A("m"), A("f"), [1])

INTERNAL: dict[str, Term] = {
    "sys": (A("system"), (P.pid(), alias(P.alias())), A("get_state")),
    "sys replace_state": (A("system"), (P.pid(), P.ref()), (A("replace_state"), FUN)),
    "EXIT": (A("EXIT"), G.pid(), A("kill")),
    "io_request": (A("io_request"), P.pid(), P.ref(), (A("put_chars"), A("unicode"), A("m"), A("f"), [])),
    "supervisor start_child": call((A("start_child"), Map())),
    "supervisor terminate_child": call((A("terminate_child"), A("x"))),
    "supervisor restart_child": call((A("restart_child"), A("x"))),
    "supervisor delete_child": call((A("delete_child"), A("x"))),
    "gen_event add_handler": (P.pid(), (P.pid(), P.ref()), (A("add_handler"), A("m"), [])),
    "gen_event, asked by what looks like cover": (A("remote"), 1, (A("add_handler"), A("m"), [])),
    "gen_event, asked by what looks like eunit": (A("command"), P.pid(), (A("add_handler"), A("m"), [])),
    "gen_event delete_handler": (P.pid(), (P.pid(), P.ref()), (A("delete_handler"), A("m"), [])),
    "rex call": (P.pid(), (A("call"), A("m"), A("f"), [], P.pid())),
    "rex gen call": call((A("call"), A("m"), A("f"), [], P.pid())),
    "rex block_call": call((A("block_call"), A("m"), A("f"), [], P.pid())),
    "rex cast": (A("$gen_cast"), (A("cast"), A("m"), A("f"), [], P.pid())),
    "timer apply_once": call((A("apply_once"), (1, 2, MFA))),
    "timer apply_interval": call((A("apply_interval"), (1, 2, P.pid(), MFA))),
    "net_kernel spawn": call((A("spawn"), A("m"), A("f"), [], P.pid())),
    "net_kernel spawn_link": call((A("spawn_link"), A("m"), A("f"), [], P.pid())),
    "an old refusal, over which auth crashes": (P.pid(), A("badcookie"), A("x"), 1),
    "logger add_handler": call((A("add_handler"), A("x"), A("m"), Map())),
    "logger add_filter": call((A("add_filter"), A("primary"), (A("x"), (FUN, 1)))),
    "logger change_config": call((A("change_config"), A("update"), A("primary"), Map())),
    "code server": (A("code_call"), P.pid(), (A("load_binary"), A("m"), [109], b"")),
}
LOOKALIKES: dict[str, Term] = {
    "a tagged pair": (A("system"), 1),
    "four elements": (A("system"), 1, 2, 3),
    "another label": (A("systems"), 1, 2),
    "gen call": call((A("add"), 1)),
    "gen call of a child": call((A("child"), 1)),
    "start_child with three": call((A("start_child"), 1, 2)),
    "cast": (A("$gen_cast"), (A("add"), 1)),
    "cast of an atom": (A("$gen_cast"), A("start_child")),
    "inside a list": [(A("system"), (P.pid(), P.ref()), 1)],
    "inside a tuple": (A("data"), (A("system"), (P.pid(), P.ref()), 1)),
    "inside a map": Map(((A("EXIT"), (A("EXIT"), 1, 2)),)),
    "an empty tuple": (),
    "an atom": A("system"),
    "a long tuple": tuple(range(300)),
    "a pid and an atom": (P.pid(), A("features_request")),
    "DOWN": (A("DOWN"), P.ref(), A("process"), P.pid(), A("x")),
}


def sends(payload: Term) -> dict[str, Message]:
    """The ways to send it."""
    return {
        "name": tell(payload),
        "pid": message(Op.SEND_SENDER, P.pid(), G.pid(), payload=payload),
        "pid, plainly": message(Op.SEND, EMPTY, G.pid(), payload=payload),
        "alias": message(Op.ALIAS_SEND, P.pid(), G.alias(), payload=payload),
        "name, traced": message(Op.REG_SEND_TT, P.pid(), EMPTY, A("server"), (1, 1, 1, P.pid(), 1), payload=payload),
    }


WAYS = list(sends(1))
SENDS = ("accept reg_send server", "accept send", "accept alias_send", "deny *")


@pytest.mark.parametrize("flags", [OTP_25, PASS_THROUGH], ids=["cached", "pass-through"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", INTERNAL)
def test_what_otp_processes_obey(name: str, way: str, flags: Flag) -> None:
    sent = sends(INTERNAL[name])[way]
    output = Wall(*SENDS, flags=flags, funs=True).inbound(sent)
    assert output.forward == []
    assert output.reasons == ["otp_internal"]
    for more in ("accept otp_internal", "accept *"):
        rules = (*SENDS[:-1], more, "deny *") if "internal" in more else (more,)
        assert Wall(*rules, flags=flags, funs=True).inbound(sent).forward == [sent]


@pytest.mark.parametrize("fragment", [60, 90, 200])
@pytest.mark.parametrize("name", INTERNAL)
def test_what_otp_processes_obey_in_fragments(name: str, fragment: int) -> None:
    """However it is cut: nothing of it has gone out when it is recognized."""
    wall = Wall(*SENDS, funs=True)
    shape = INTERNAL[name]
    outputs = [wall.inbound(one) for one in wall.from_peer.frames(tell(shape), fragment=fragment, sequence=8)]
    assert not any(output.forward for output in outputs)
    assert [reason for output in outputs for reason in output.reasons] == ["otp_internal"]
    assert wall.at_guard.done()


@pytest.mark.parametrize("name", INTERNAL)
def test_how_the_labels_are_written_does_not_matter(name: str) -> None:
    styles: tuple[Style, ...] = ("new", "inline", "otp")
    for style in styles:
        assert Wall(*SENDS, funs=True).inbound(tell(INTERNAL[name]), style=style).reasons == ["otp_internal"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", LOOKALIKES)
def test_what_only_looks_like_it(name: str, way: str) -> None:
    sent = sends(LOOKALIKES[name])[way]
    assert Wall(*SENDS).inbound(sent).forward == [sent]


OWN = ("application_controller", "auth", "code_server", "erl_prim_loader", "file_server_2", "init", "logger")


@pytest.mark.parametrize("name", [*OWN, "net_kernel"])
def test_whatever_is_sent_to_processes_that_have_the_node_in_hand(name: str) -> None:
    payloads = (
        A("x"),
        1,
        (1, 2),
        (1, 2, 3),
        call((A("delete"), b"x")),
        call(A("x")),
        (A("$gen_cast"), 1),
        (1, 2, 3, 4),
    )
    for payload in payloads:
        assert Wall("accept reg_send", "deny *").inbound(tell(payload, name)).reasons == ["otp_internal"]
        sent = tell(payload, name)
        assert Wall("accept reg_send", f"accept otp_internal {name}", "deny *").inbound(sent).forward == [sent]


def test_a_ping_is_not_among_it() -> None:
    sent = tell(call((A("is_auth"), P.name)), "net_kernel")
    assert Wall("accept reg_send net_kernel", "deny *").inbound(sent).forward == [sent]
    for name in OWN:
        assert Wall("accept reg_send", "deny *").inbound(tell(sent.payload, name)).reasons == ["otp_internal"]


def test_accepted_for_one_name_only() -> None:
    rules = ("accept reg_send", "accept otp_internal server", "deny *")
    shape = INTERNAL["sys"]
    assert Wall(*rules).inbound(tell(shape, "server")).forward
    assert Wall(*rules).inbound(tell(shape, "other")).reasons == ["otp_internal"]


def test_refused_by_rule() -> None:
    output = Wall("drop otp_internal", "accept reg_send", "deny *").inbound(tell(INTERNAL["sys"]))
    assert output.events[0][3:6] == ("drop", 0, "otp_internal")


def test_priority_sends() -> None:
    flags = OTP_25 | Flag.ALTACT_SIG
    for alt, to in ((Alt.PRIO, G.pid()), (Alt.ALIAS, G.alias()), (Alt.PRIO | Alt.NAME, A("server"))):
        sent = message(Op.ALTACT_SIG_SEND, int(alt), P.pid(), to, payload=INTERNAL["sys"])
        assert Wall(*SENDS, flags=flags).inbound(sent).reasons == ["otp_internal"]


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
SHAPES: dict[str, tuple[tuple[str, ...], Flag, int]] = {
    "whole": (("accept *",), OTP_25, 1 << 20),
    "whole, by a rule": (("accept reg_send", "deny *"), OTP_25, 1 << 20),
    "headers": (("accept *",), NO_CACHE, 1 << 20),
    "pass-through": (("accept *",), PASS_THROUGH, 1 << 20),
    "fragments, by a rule": (("accept reg_send", "deny *"), OTP_25, 70),
}


def through(wall: Wall, sent: Message, fragment: int) -> list[Output]:
    return [wall.inbound(one) for one in wall.from_peer.frames(sent, fragment=fragment)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", CARRIED)
def test_third_nodes(name: str, shape: str) -> None:
    rules, flags, fragment = SHAPES[shape]
    sent = tell([bytes(100), CARRIED[name]])
    outputs = through(Wall(*rules, flags=flags, funs=True), sent, fragment)
    assert not any(output.forward for output in outputs)
    assert [reason for output in outputs for reason in output.reasons] == ["third_node"]
    wall = Wall(*rules, flags=flags, funs=True, third_nodes=["*"])
    assert [one for output in through(wall, sent, fragment) for one in output.forward] == [sent]


@pytest.mark.parametrize("name", CARRIED)
def test_third_nodes_in_fragments_under_accept_all(name: str) -> None:
    """Nothing is held there, so what has begun to go out can only end with the channel."""
    outputs = through(Wall("accept *", funs=True), tell([bytes(300), CARRIED[name]]), 100)
    assert not any(output.forward for output in outputs)
    assert any(output.events or output.closed for output in outputs)


def test_third_nodes_by_name() -> None:
    for glob, passes in (("baz@*", True), (T.name, True), ("*", True), ("baz", False), ("foo@*", False), ("", False)):
        output = Wall("accept *", third_nodes=[glob]).inbound(tell(T.pid()))
        assert bool(output.forward) == passes


def test_both_nodes_may_always_be_named() -> None:
    for term in (P.pid(), G.pid(), P.alias(), G.alias(), P.port(), Pid(P.name, 1, 0, 99), Pid(G.name, 1, 0, 99)):
        assert Wall("accept *").inbound(tell(term)).forward


def test_third_nodes_in_exit_reasons_and_arguments() -> None:
    for sent in (
        message(Op.PAYLOAD_EXIT2, P.pid(), G.pid(), payload=T.pid()),
        message(Op.EXIT2, P.pid(), G.pid(), T.pid()),
        message(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(), (A("m"), A("f"), 1), [], payload=[T.pid()]),
        message(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(), (A("m"), A("f"), 1), [T.pid()], payload=[1]),
    ):
        output = Wall("accept *").inbound(sent)
        assert (output.forward, output.reasons) == ([], ["third_node"])


# === funs ===


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("term", [FUN, Export(A("m"), A("f"), 1), [Map(((1, (FUN,)),))]], ids=["fun", "export", "deep"])
def test_funs(term: Term, shape: str) -> None:
    rules, flags, fragment = SHAPES[shape]
    sent = tell([bytes(100), term])

    def passes(funs: bool | None) -> bool:
        outputs = through(Wall(*rules, flags=flags, funs=funs), sent, fragment)
        reasons = [reason for output in outputs for reason in output.reasons]
        forward = [one for output in outputs for one in output.forward]
        assert (forward, reasons) in (([sent], []), ([], ["funs"]))
        return bool(forward)

    assert passes(True)
    assert not passes(False)
    assert passes(None) == ("accept *" in rules)


def test_records_are_data() -> None:
    flags = OTP_25 | Flag.NATIVE_RECORDS
    sent = tell(Record(A("m"), A("r"), True, ((A("x"), 1),)))
    assert Wall("accept reg_send", "deny *", flags=flags, release=29).inbound(sent).forward == [sent]


# === rules that change ===


def test_new_rules_hold_from_the_next_command_on() -> None:
    wall = Wall("drop *")
    assert wall.inbound(tell(1)).reasons == ["rule"]
    wall.set_rules("accept reg_send")
    assert wall.inbound(tell(1)).forward == [tell(1)]
    wall.set_rules()
    assert wall.inbound(tell(1)).reasons == ["default"]


def test_new_rules_between_the_fragments_of_a_message() -> None:
    """Either the old rules decide on it or the new ones; what goes out is whole."""
    for before, after in (("accept *", "drop *"), ("drop *", "accept *"), ("accept reg_send", "drop *")):
        wall = Wall(before)
        sent = tell(bytes(300))
        frames = wall.from_peer.frames(sent, fragment=100)
        outputs = [wall.inbound(one) for one in frames[:2]]
        wall.set_rules(after)
        outputs += [wall.inbound(one) for one in frames[2:]]
        closed = any(output.closed for output in outputs)
        assert [one for output in outputs for one in output.forward] in ([sent], [])
        assert closed or wall.at_guard.done()
        assert not wall.inbound(tell(2)).closed


def test_names_and_keys() -> None:
    wall = Wall("deny reg_send no", "accept reg_send n*", "accept monitor _", "accept spawn_request m:_/2", "drop *")
    assert wall.inbound(tell(1, "n")).forward
    assert wall.inbound(tell(1, "nope")).forward
    assert not wall.inbound(tell(1, "no")).forward
    assert not wall.inbound(tell(1, "N")).forward
    assert wall.inbound(message(Op.MONITOR_P, P.pid(), A("x"), P.ref())).forward
    for function, arity, passes in (("f", 2, True), ("g", 2, True), ("f", 1, False), ("f", 22, False)):
        sent = message(
            Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(), (A("m"), A(function), arity), [], payload=[1] * arity
        )
        assert bool(wall.inbound(sent).forward) == passes


def test_the_strongest_rule_decides() -> None:
    output = Wall("drop reg_send a", "accept reg_send a", "deny *").inbound(tell(1, "a"))
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
    assert Wall("drop *").inbound(tell(1, name)).events[0][2] == printed


def test_nothing_that_a_terminal_obeys_is_printed() -> None:
    event = Wall("drop *").inbound(tell(1, "\x1b[2J\n\r\u202e\x7f\x9b")).events[0]
    assert event[2] is not None
    assert event[2].isprintable()
