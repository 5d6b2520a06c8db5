"""The judge's answers to questions: the same as its verdicts on real frames.

A question names a command, a target and a payload. The same command goes through a channel as a frame of the reference
model, and both have to say the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distwall import _core
from distwall.policy.language.patterns import parse_pattern
from tests.support.core_channel import GUARD, PEER, CoreChannel, core_policy, core_rules
from tests.support.dist import EMPTY, NOTHING, OTP_28, PAYLOAD, Alt, Message, Op, message
from tests.support.etf import Atom, Export, Pid, Port, Ref, Term, encode

P, G, T = CoreChannel.peer, CoreChannel.guard, CoreChannel.third
A = Atom
FROM = (P.pid(3), P.ref(3))
GEN_CALL = A("$gen_call")

PAYLOADS: list[Term] = [
    1,
    A("hello"),
    (GEN_CALL, FROM, (A("add"), 1)),
    (GEN_CALL, FROM, (A("start_child"), A("x"))),
    (GEN_CALL, FROM, (A("is_auth"), P.name)),
    (GEN_CALL, (G.pid(3), G.ref(3)), A("x")),
    (A("system"), FROM, A("suspend")),
    (A("io_request"), P.pid(3), P.ref(3), A("x")),
    (GEN_CALL, FROM, (A("call"), A("m"), A("f"), [1], P.pid(3))),
    (GEN_CALL, FROM, (A("call"), A("erlang"), A("apply"), [A("m"), A("f"), [1]], P.pid(3))),
    (A("$gen_cast"), (A("cast"), A("os"), A("cmd"), [A("x")], P.pid(3))),
    (GEN_CALL, FROM, (A("spawn"), A("m"), A("f"), [1], P.pid(3))),
    (T.pid(3), 1),
    Export(A("m"), A("f"), 1),
    (P.ref(3), A("answer")),
]

CALLS: list[tuple[str, str, list[Term]]] = [
    ("m", "f", [1]),
    ("m", "g", []),
    ("m", "f", [T.pid(3)]),
    ("m", "f", [Export(A("m"), A("f"), 1)]),
    ("os", "cmd", [A("x")]),
    ("erlang", "apply", [A("m"), A("f"), [1]]),
    ("erlang", "apply", [Export(A("os"), A("cmd"), 1), [A("x")]]),
    ("erlang", "apply", [1, 2]),
    ("erpc", "execute_call", [P.ref(3), A("m"), A("f"), [1]]),
    ("erpc", "execute_call", [P.ref(3), A("erlang"), A("apply"), [A("os"), A("cmd"), [1]]]),
    ("rpc", "call", [G.name, A("m"), A("f"), [1]]),
]

NAMES = ["server", "srv", "rex", "net_kernel", "code_server", "init", "a b"]
PATTERNS = [
    parse_pattern(text).code.hex()
    for text in (
        *("_", "integer()", "[integer()]", "{'$gen_call', from(), _}", "{'$gen_call', from(), {start_child, _}}"),
        *("{system, _, suspend}", "{'$gen_call', from(), {is_auth, node()}}"),
    )
]
AIMS = [
    *("*", "reg_send", "reg_send server", "reg_send s*", "reg_send rex", "reg_send net_kernel", "reg_send _"),
    *(
        "send",
        "send to exposed",
        "send to spawned",
        "send to any",
        "send <0.7.0>",
        "alias_send",
        "alias_send to exposed",
    ),
    *("link", "link to linked", "link to exposed", "monitor", "monitor server", "monitor rex", "monitor to exposed"),
    *("exit2", "exit2 to spawned", "group_leader", "group_leader to exposed", "exit", "monitor_exit", "spawn_reply"),
    *(
        "demonitor",
        "unlink",
        "unlink_ack",
        "otp_internal",
        "otp_internal server",
        "otp_internal s*",
        "otp_internal init",
    ),
    *("call", "call m:f/1", "call m:_/_", "call os:cmd/1", "call erlang:apply/3", "reg_send init"),
    *("spawn_request", "spawn_request m:f/1", "spawn_request m*:_/_", "spawn_request erlang:apply/3", "ping"),
]
WITH_PATTERN = ("reg_send", "send", "alias_send", "exit2", "otp_internal", "call", "spawn_request")


@dataclass(frozen=True)
class Sendable:
    """A command, as a question and as a message."""

    command: str
    key: tuple[str, ...] | None
    payload: Term
    """``NOTHING`` where it has none."""
    message: Callable[[CoreChannel, bool], Message]
    target: Pid | Ref | None = None

    @property
    def calls(self) -> bool:
        """True if it can carry a call, or be a message that OTP's processes obey."""
        return self.command in ("reg_send", "send", "alias_send", "call", "spawn_request")


def _ends(channel: CoreChannel, out: bool) -> tuple[Pid, Pid]:
    """The process that sends, and one of the node that receives."""
    return (channel.guard.pid(), channel.peer.pid()) if out else (channel.peer.pid(), channel.guard.pid())


@st.composite
def messages(draw: st.DrawFn) -> Sendable:
    payload = draw(st.sampled_from(PAYLOADS))
    match draw(st.sampled_from(["name", "pid", "alias"])):
        case "name":
            name = draw(st.sampled_from(NAMES))
            return Sendable(
                "reg_send",
                (name,),
                payload,
                lambda channel, out: message(Op.REG_SEND, _ends(channel, out)[0], EMPTY, A(name), payload=payload),
            )
        case "pid":
            number = draw(st.sampled_from([0, 7, 8]))
            return Sendable(
                "send",
                (f"<0.{number}.0>",),
                payload,
                lambda channel, out: message(
                    Op.SEND_SENDER,
                    _ends(channel, out)[0],
                    (channel.peer if out else channel.guard).pid(number),
                    payload=payload,
                ),
                G.pid(number),
            )
        case _:
            return Sendable(
                "alias_send",
                ("#Ref<0.10.9.8.7.1>",),
                payload,
                lambda channel, out: message(
                    Op.ALIAS_SEND,
                    _ends(channel, out)[0],
                    (channel.peer if out else channel.guard).alias(),
                    payload=payload,
                ),
                G.alias(),
            )


@st.composite
def spawns(draw: st.DrawFn) -> Sendable:
    module, function, arguments = draw(st.sampled_from(CALLS))

    def made(channel: CoreChannel, out: bool) -> Message:
        end, mfa = channel.guard if out else channel.peer, (A(module), A(function), len(arguments))
        return message(Op.SPAWN_REQUEST, end.ref(), end.pid(), end.pid(), mfa, [], payload=arguments)

    return Sendable(
        draw(st.sampled_from(["call", "spawn_request"])), (module, function, str(len(arguments))), arguments, made
    )


@st.composite
def signals(draw: st.DrawFn) -> Sendable:
    command = draw(
        st.sampled_from(
            [
                *(
                    "link",
                    "unlink",
                    "unlink_ack",
                    "exit",
                    "exit2",
                    "exit2 alias",
                    "monitor",
                    "monitor name",
                    "demonitor",
                ),
                *("monitor_exit", "spawn_reply", "group_leader"),
            ]
        )
    )
    number = draw(st.sampled_from([0, 7, 8]))
    name = draw(st.sampled_from(NAMES))
    reason = draw(st.sampled_from(PAYLOADS[:3]))

    def made(channel: CoreChannel, out: bool) -> Message:
        end, other = (channel.guard, channel.peer) if out else (channel.peer, channel.guard)
        by, to = end.pid(), other.pid(number)
        match command:
            case "link":
                return message(Op.LINK, by, to)
            case "unlink":
                return message(Op.UNLINK_ID, 1, by, to)
            case "unlink_ack":
                return message(Op.UNLINK_ID_ACK, 1, by, to)
            case "exit":
                return message(Op.PAYLOAD_EXIT, by, to, payload=reason)
            case "exit2":
                return message(Op.PAYLOAD_EXIT2, by, to, payload=reason)
            case "exit2 alias":
                return message(Op.ALTACT_SIG_SEND, int(Alt.EXIT | Alt.ALIAS), by, other.alias(), payload=reason)
            case "monitor":
                return message(Op.MONITOR_P, by, to, end.ref())
            case "monitor name":
                return message(Op.MONITOR_P, by, A(name), end.ref())
            case "demonitor":
                return message(Op.DEMONITOR_P, by, to, end.ref())
            case "monitor_exit":
                return message(Op.PAYLOAD_MONITOR_P_EXIT, by, to, other.ref(), payload=reason)
            case "spawn_reply":
                return message(Op.SPAWN_REPLY, other.ref(), to, 0, by)
            case _:
                return message(Op.GROUP_LEADER, by, to)

    kind = command.split()[0]
    aimed = {"exit2 alias": ("#Ref<0.10.9.8.7.1>",), "monitor name": (name,)}.get(command, (f"<0.{number}.0>",))
    target = {"exit2 alias": G.alias(), "monitor name": None}.get(command, G.pid(number))
    payload = reason if kind in ("exit", "exit2", "monitor_exit") else NOTHING
    return Sendable(kind, aimed, payload, made, target)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Sendable, list[str]]:
    """A command, and rules of three layers that are mostly about such commands."""
    asked = draw(st.one_of(messages(), messages(), spawns(), signals()))
    near = [aim for aim in AIMS if aim.split()[0] in ("*", asked.command, "ping")]
    near += [aim for aim in AIMS if aim.split()[0] in ("call", "spawn_request", "otp_internal")] * bool(asked.calls)
    layers = {0: draw(_some(near, 1)), 1: draw(_some(near, 5)), 2: draw(_some(near, 3))}
    return asked, [f"{text} layer={layer}" for layer, texts in layers.items() for text in texts]


@st.composite
def _rule(draw: st.DrawFn, near: list[str]) -> str:
    aim = draw(st.one_of(st.sampled_from(near), st.sampled_from(AIMS)))
    verdict = draw(st.sampled_from(["accept", "accept", "accept", "deny", "drop"]))
    patterned = aim.split()[0] in WITH_PATTERN and draw(st.booleans())
    pattern = f" when {draw(st.sampled_from(PATTERNS))}" if patterned else ""
    audit = " audit" if verdict != "accept" and draw(st.sampled_from([False, False, False, True])) else ""
    return f"{verdict} {aim}{pattern}{audit}"


def _some(near: list[str], most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(_rule(near), max_size=most)


def first_incarnation(term: Term) -> Term:
    """A term with all processes and references of the two nodes in the incarnation that questions have."""
    match term:
        case Pid() | Ref() | Port() if term.node in (P.name, G.name):
            return type(term)(**{each.name: getattr(term, each.name) for each in fields(term)} | {"creation": 1})
        case tuple():
            return tuple(map(first_incarnation, term))
        case list():
            return list(map(first_incarnation, term))
        case _:
            assert not is_dataclass(term) or isinstance(term, Export | Pid)
            return term


def make_known(channel: CoreChannel, target: Pid | Ref, scope: str) -> None:
    """Let the target become known to the peer in that way; whatever the rules."""
    if scope == "exposed":
        channel.outbound(message(Op.SEND_SENDER, G.pid(50), P.pid(50), payload=[target]))
    elif scope == "linked" and isinstance(target, Pid):
        channel.outbound(message(Op.LINK, target, P.pid(50)))
    elif scope == "spawned" and isinstance(target, Pid):
        request = message(Op.SPAWN_REQUEST, P.ref(50), P.pid(50), P.pid(50), (A("m"), A("f"), 0), [], payload=[])
        assert channel.inbound(request).forward
        channel.outbound(message(Op.SPAWN_REPLY, P.ref(50), P.pid(50), 0, target))


@settings(max_examples=800, deadline=None, derandomize=True)
@given(
    scenes(),
    st.sampled_from([None, None, "exposed", "spawned", "linked"]),
    st.booleans(),
    st.sampled_from([False, False, False, True]),
    st.sampled_from([None, True, False]),
    st.sampled_from([(), ("baz@*",)]),
)
def test_a_question_is_answered_as_its_frame_is_judged(  # noqa: PLR0917
    scene: tuple[Sendable, list[str]],
    scope: _core.Scope | None,
    out: bool,
    audit: bool,
    funs: bool | None,
    third: tuple[str, ...],
) -> None:
    asked, texts = scene
    policy = _core.PeerRules(core_rules(*texts), third_nodes=third, funs=funs)
    channel = CoreChannel("accept *", flags=OTP_28, release=28)
    if out or asked.target is None:
        scope = None
    if scope is not None and asked.target is not None:
        make_known(channel, asked.target, scope)
    inbound = core_policy(["accept *"]) if out else policy
    assert inbound is not None
    channel.core.set_policy(inbound, policy_out=policy if out else None, audit=audit)
    sent = asked.message(channel, out)
    output = channel.outbound(sent) if out else channel.inbound(sent)
    assert output.closed is None
    judged: tuple[str, int | None, str, bool] = ("accept", None, "rule", False)
    if output.events:
        verdict, rule, reason = output.events[0][3:6]
        judged = (verdict, rule, reason.removeprefix("audit:"), reason.startswith("audit:"))

    answer = policy.explain(
        asked.command,
        asked.key,
        peer=PEER,
        guard=GUARD,
        outbound=out,
        known_by=scope,
        payload=encode(first_incarnation(asked.payload)) if sent.op in PAYLOAD else None,
        audit=audit,
    )
    rule = answer.rule if answer.verdict != "accept" else None
    assert (answer.verdict, rule, answer.reason, answer.audited) == judged
    assert bool(output.forward) == (answer.verdict == "accept" or answer.audited)
    objecting = [(stage.verdict, stage.rule, stage.reason) for stage in answer.stages if stage.verdict is not None]
    assert (answer.verdict == "accept") == (not objecting)
    # An objection in audit mode is only told, unless a later stage objects for good.
    standing = [
        (stage.verdict, stage.rule, stage.reason) for stage in answer.stages if stage.verdict and not stage.waived
    ]
    assert not objecting or (standing or objecting)[0] == judged[:3]
    assert tuple(stage.stage for stage in answer.stages) == _core.STAGES[: len(answer.stages)]


def asked(rules: list[str], command: str, *key: str, **facts: object) -> tuple[str, int | None, str, dict[str, str]]:
    """The verdict, the rule and the reason; and by stage which rules it considered, with their outcomes."""
    answer = _core.PeerRules(core_rules(*rules)).explain(command, key or None, peer=PEER, guard=GUARD, **facts)  # type: ignore[arg-type]
    considered = {
        stage.stage: " ".join(f"{each.id}:{each.outcome}" for each in stage.considered)
        for stage in answer.stages
        if stage.considered
    }
    return answer.verdict, answer.rule, answer.reason, considered


def test_the_rules_of_a_stage_come_in_their_order_with_what_became_of_each() -> None:
    rules = [
        f"accept reg_send a when {PATTERNS[1]}",
        "drop reg_send a",
        "accept reg_send a*",
        "accept reg_send b",
        "deny * layer=2",
    ]
    assert asked(rules, "reg_send", "a") == ("drop", 1, "rule", {"rule": "0:unknown 1:decides 2:weaker 4:weaker"})
    hello = encode(A("hello"))
    assert asked(rules, "reg_send", "a", payload=hello)[3] == {"rule": "0:pattern 1:decides 2:weaker 4:weaker"}
    assert asked(rules, "reg_send", "c")[:3] == ("deny", 4, "rule")
    assert asked(["accept send to exposed", "deny send"], "send")[3] == {"rule": "0:scope 1:decides"}


def test_a_call_rule_comes_before_what_carries_the_call() -> None:
    rules = ["deny spawn_request m:f/1", "accept call m:_/_", "accept *"]
    assert asked(rules, "call", "m", "f", "1") == ("accept", 1, "rule", {"rule": "1:decides 0:weaker 2:weaker"})


def test_an_unknown_target_has_no_name() -> None:
    assert asked(["accept reg_send a*", "drop reg_send _"], "reg_send")[:3] == ("drop", 1, "rule")
    assert asked(["accept call m:_/_", "drop call"], "call")[:3] == ("drop", 1, "rule")


def test_accept_all_is_not_meant_for_strays() -> None:
    for command in ("exit", "monitor_exit", "spawn_reply", "unlink_ack"):
        assert asked(["accept *"], command) == ("deny", None, "default", {"rule": "0:not_meant"})
        assert asked(["accept *", f"accept {command}"], command)[:2] == ("accept", 1)


def test_what_nobody_can_send() -> None:
    for command, key, payload, words in (
        ("*", (), None, "ask about one of them"),
        ("link", ("server",), None, "can't aim at such a target"),
        ("send", ("#Ref<0.1.2.3>",), None, "can't aim at such a target"),
        ("send", ("<0.1.99999999999>",), None, "can't aim at such a target"),
        ("link", (), b"a\1", "has no payload"),
        ("call", ("m", "f", "2"), b"j", "not the arity of the function"),
        ("reg_send", ("a",), b"a", "the channel would be closed"),
        ("reg_send", ("a",), b"a\1\1", "the channel would be closed"),
    ):
        with pytest.raises(ValueError, match=words):
            _core.PeerRules([]).explain(command, key or None, peer=PEER, guard=GUARD, payload=payload)
