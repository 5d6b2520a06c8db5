"""Commands that somebody is asked about: what waits, in what order, what is asked, and what a peer can't do to it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from distwall._core import DistFlag, Hooks
from tests.support.core_channel import GUARD, PEER, CoreChannel
from tests.support.dist import EMPTY, OTP_25, Message, Op, message
from tests.support.etf import Atom, Fun, Map, Pid, Ref, Term, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from distwall._core import Verdict

P, G = CoreChannel.peer, CoreChannel.guard
A = Atom
OUTSIDE = Hooks({"reg_send": ""}, None, False, False, False)
INSIDE = Hooks({"reg_send": "handler", "spawn_request": "handler"}, None, False, False, False)
CALLS = Hooks({"spawn_request": ""}, None, False, False, False)
FILTERED = Hooks({}, "", False, False, False)
CLERK = Pid(A(PEER), 0x0FFFFFFF, 0x0FFFFFFF, P.creation)
"""In whose name distwall asks the guarded node."""


def reg(name: str, payload: Term, number: int = 100) -> Message:
    return message(Op.REG_SEND, P.pid(number), EMPTY, A(name), payload=payload)


def tickets(channel: CoreChannel) -> list[int]:
    return [ask[0] for ask in channel.core.asks()]


def payloads(messages: list[Message]) -> list[Term]:
    return [each.payload for each in messages]


def spawned(channel: CoreChannel, request: Message, result: Term) -> Message:
    args = request.args
    assert isinstance(args["from"], Pid)
    return message(Op.SPAWN_REPLY, args["ref"], args["from"], 0, result)


class TestOutside:
    def test_it_waits_and_goes_on(self) -> None:
        channel = CoreChannel("accept *", hooks=OUTSIDE)
        assert channel.inbound(reg("target", (A("x"), A("y")))).forward == []
        ((ticket, kind, command, target, control, payload),) = channel.core.asks()
        assert (kind, command, target) == ("handler", "reg_send", "target")
        assert decode(control) == (6, P.pid(), EMPTY, A("target"))
        assert payload is not None
        assert decode(payload) == (A("x"), A("y"))
        assert channel.core.waits(ticket)
        assert payloads(channel.answer(ticket, "accept").forward) == [(A("x"), A("y"))]
        assert not channel.core.waits(ticket)
        assert channel.counts() == {("inbound", "reg_send", "accept"): 1}

    def test_what_has_questions_is_not_finished(self) -> None:
        """The gateway asks for questions only then."""
        channel = CoreChannel("accept *", hooks=OUTSIDE)
        channel.inbound(message(Op.SEND_SENDER, P.pid(), G.pid(), payload=1))
        assert not channel.core.unfinished
        channel.inbound(reg("target", 1))
        assert channel.core.unfinished
        assert tickets(channel)
        assert not channel.core.unfinished

    def test_others_overtake_and_its_own_wait_in_line(self) -> None:
        channel = CoreChannel("accept *", hooks=OUTSIDE)
        channel.inbound(reg("target", 1), message(Op.SEND_SENDER, P.pid(), G.pid(), payload=2), reg("target", 3))
        (first,) = tickets(channel)
        assert payloads(channel.inbound(message(Op.SEND_SENDER, P.pid(7), G.pid(), payload=4)).forward) == [4]
        assert payloads(channel.answer(first, "accept").forward) == [1, 2]
        (second,) = tickets(channel)
        assert payloads(channel.answer(second, "accept").forward) == [3]

    def test_links_and_exits_wait_too(self) -> None:
        channel = CoreChannel("accept *", hooks=OUTSIDE)
        out = channel.inbound(
            reg("target", 1),
            message(Op.LINK, P.pid(), G.pid()),
            message(Op.PAYLOAD_EXIT, P.pid(), G.pid(), payload=A("bye")),
        )
        assert out.forward == []
        (ticket,) = tickets(channel)
        assert [each.op for each in channel.answer(ticket, "accept").forward] == [Op.REG_SEND, Op.LINK, Op.PAYLOAD_EXIT]

    @pytest.mark.parametrize(("verdict", "told"), [("deny", ["handler"]), ("drop", ["handler"])])
    def test_what_it_refuses_goes_no_further(self, verdict: Verdict, told: list[str]) -> None:
        channel = CoreChannel("accept *", hooks=OUTSIDE)
        channel.inbound(reg("target", 1), reg("other", 2))
        (ticket,) = tickets(channel)
        out = channel.answer(ticket, verdict)
        assert (out.forward, out.reasons) == ([], told)
        (ticket,) = tickets(channel)
        assert payloads(channel.answer(ticket, "accept").forward) == [2]

    def test_a_refused_call_is_told(self) -> None:
        channel = CoreChannel("accept *", hooks=OUTSIDE)
        call = (A("$gen_call"), (P.pid(), P.ref(9)), A("get"))
        channel.inbound(message(Op.MONITOR_P, P.pid(), A("target"), P.ref(9)), reg("target", call))
        (ticket,) = tickets(channel)
        out = channel.answer(ticket, "deny")
        assert [each.op for each in out.back] == [Op.PAYLOAD_MONITOR_P_EXIT]
        assert [each.op for each in out.forward] == [Op.DEMONITOR_P]

    def test_another_message_is_judged_again(self) -> None:
        channel = CoreChannel("accept reg_send target", "deny *", hooks=OUTSIDE)
        for changed, arrives in (((A("x"), 5), True), ((A("system"), (P.pid(), P.ref()), A("get_state")), False)):
            channel.inbound(reg("target", 1))
            (ticket,) = tickets(channel)
            out = channel.answer(ticket, "accept", encode(changed))
            assert payloads(out.forward) == ([changed] if arrives else [])
            assert out.reasons == ([] if arrives else ["otp_internal"])

    @pytest.mark.parametrize("changed", [b"", b"\xff", b"\x61", b"\x61\x01\x61\x01", b"\x68\x02\x61\x01", b"R\x05"])
    def test_what_is_no_term_is_denied(self, changed: bytes) -> None:
        channel = CoreChannel("accept *", hooks=OUTSIDE)
        channel.inbound(reg("target", A("x")))
        (ticket,) = tickets(channel)
        out = channel.answer(ticket, "accept", changed)
        assert (out.forward, out.closed, out.reasons) == ([], None, ["handler"])

    def test_what_waits_is_judged_by_the_rules_of_the_moment(self) -> None:
        """What is refused meanwhile is refused, and what nobody is asked about any more goes on."""
        channel = CoreChannel("accept *", hooks=OUTSIDE)
        channel.inbound(reg("target", 1), reg("shut", 2), reg("target", 3))
        (ticket,) = tickets(channel)
        channel.set_rules("deny reg_send shut", "accept *")
        assert payloads(channel.answer(ticket, "accept").forward) == [1, 3]
        assert tickets(channel) == []

    @pytest.mark.parametrize("ticket", [0, 1, 99, 1 << 63])
    def test_answers_to_nothing_do_nothing(self, ticket: int) -> None:
        channel = CoreChannel("accept *", hooks=OUTSIDE)
        assert channel.answer(ticket, "accept").forward == []
        channel.inbound(reg("target", 1))
        (asked,) = tickets(channel)
        if ticket != asked:
            assert channel.answer(ticket, "accept").forward == []
        assert payloads(channel.answer(asked, "accept").forward) == [1]
        assert channel.answer(asked, "accept").forward == []


class TestAnyShape:
    """However messages come, what arrives in the end is the same."""

    def messages(self) -> list[Message]:
        made = [reg("target", (A(f"name{number}"), number, b"x" * 500), 100 + number % 3) for number in range(12)]
        made[5] = reg("target", (A("big"), b"y" * 150_000), 101)
        return made

    def play(self, sizes: list[int], flags: int = OTP_25, rng: random.Random | None = None) -> list[tuple[str, str]]:
        channel = CoreChannel("accept *", flags=flags, hooks=OUTSIDE)
        data = b"".join(channel.from_peer.bytes(each, fragment=4096) for each in self.messages())
        arrived: list[Message] = []
        open_: list[int] = []
        position = 0
        while position < len(data) or open_:
            if position < len(data):
                size = sizes[position % len(sizes)]
                out = channel._receive(True, data[position : position + size])
                position += size
                assert out.closed is None
                arrived += out.forward
            open_ += tickets(channel)
            while open_:
                ticket = open_.pop(rng.randrange(len(open_)) if rng else 0)
                arrived += channel.answer(ticket, "accept").forward
                open_ += tickets(channel)
                if rng and rng.random() < 0.5:
                    break
        return sorted((str(each.args["from"]), str(each.payload)[:40]) for each in arrived)

    @pytest.mark.parametrize(
        "flags", [OTP_25, OTP_25 & ~DistFlag.FRAGMENTS, OTP_25 & ~(DistFlag.FRAGMENTS | DistFlag.DIST_HDR_ATOM_CACHE)]
    )
    def test_bytes_may_come_in_any_pieces(self, flags: int) -> None:
        expected = self.play([1 << 30], flags)
        assert len(expected) == 12
        for sizes in ([1000], [4099, 17], [65_537]):
            assert self.play(sizes, flags) == expected

    def test_it_may_be_answered_in_any_order(self) -> None:
        expected = self.play([1 << 30])
        for seed in range(20):
            assert self.play([3000, 70_000], rng=random.Random(seed)) == expected


class TestInside:
    """A module of the guarded node is asked."""

    def test_the_message_goes_to_the_handlers_process(self) -> None:
        channel = CoreChannel("accept *", hooks=INSIDE)
        (request,) = channel.inbound(reg("target", (A("x"), 1))).forward
        assert request.op is Op.SPAWN_REQUEST
        assert request.args["mfa"] == (A("handler"), A("reg_send"), 3)
        assert request.payload == [A(PEER), P.pid(), A("target")]
        assert request.args["from"] == CLERK
        ((ticket, kind, *_),) = channel.core.asks()
        assert kind == "guard"
        out = channel.outbound(spawned(channel, request, G.pid(55)))
        assert out.forward == [], "the peer hears nothing of it"
        (delivered,) = out.back
        assert delivered.op is Op.SEND_SENDER
        assert (delivered.args["from"], delivered.args["to"]) == (P.pid(), G.pid(55))
        assert delivered.payload == (A("x"), 1)
        assert not channel.core.waits(ticket)

    def test_one_that_is_not_there_refuses(self) -> None:
        channel = CoreChannel("accept *", hooks=INSIDE)
        (request,) = channel.inbound(reg("target", 1)).forward
        out = channel.outbound(spawned(channel, request, A("badopt")))
        assert (out.forward, out.back, out.reasons) == ([], [], ["handler"])

    def test_one_that_comes_too_late_is_ended(self) -> None:
        channel = CoreChannel("accept *", hooks=INSIDE)
        (request,) = channel.inbound(reg("target", 1)).forward
        (ticket,) = tickets(channel)
        assert channel.answer(ticket, "deny").reasons == ["handler"]
        out = channel.outbound(spawned(channel, request, G.pid(55)))
        assert [each.op for each in out.back] == [Op.PAYLOAD_EXIT2]
        assert (out.back[0].args["to"], out.back[0].payload) == (G.pid(55), A("kill"))

    def test_spawn_requests_are_rewritten(self) -> None:
        channel = CoreChannel("accept *", hooks=INSIDE)
        sent = message(
            Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(3), (A("m"), A("f"), 2), [A("link")], payload=[A("a"), 2]
        )
        (request,) = channel.inbound(sent).forward
        assert request.args["mfa"] == (A("handler"), A("dist_spawn_init"), 4)
        assert (request.args["ref"], request.args["options"]) == (P.ref(), [A("link")])
        assert request.payload == [A(PEER), A("m"), A("f"), [A("a"), 2]]

    def test_a_filter_is_asked_once(self) -> None:
        channel = CoreChannel("accept *", hooks=Hooks({}, "judge", False, False, False))
        (request,) = channel.inbound(reg("open", 1), reg("open", 2)).forward
        assert request.args["mfa"] == (A("erpc"), A("execute_call"), 4)
        assert isinstance(request.payload, list)
        reference = request.payload[0]
        assert tuple(request.payload[1:]) == (A("judge"), A("filter"), [A(PEER), (A("reg_send"), A("open"))])
        assert channel.outbound(spawned(channel, request, G.pid(55))).back == []
        down = message(
            Op.PAYLOAD_MONITOR_P_EXIT,
            G.pid(55),
            CLERK,
            request.args["ref"],
            payload=(reference, A("return"), A("accept")),
        )
        assert payloads(channel.outbound(down).back) == [1, 2]
        assert payloads(channel.inbound(reg("open", 3)).forward) == [3], "nobody is asked again"

    @pytest.mark.parametrize("reason", [A("normal"), (A("x"), A("return"), A("accept")), (1, 2), [A("accept")]])
    def test_a_filter_that_gives_no_answer_refuses(self, reason: Term) -> None:
        channel = CoreChannel("accept *", hooks=Hooks({}, "judge", False, False, False))
        (request,) = channel.inbound(reg("open", 1)).forward
        down = message(Op.PAYLOAD_MONITOR_P_EXIT, G.pid(55), CLERK, request.args["ref"], payload=reason)
        out = channel.outbound(down)
        assert (out.back, out.reasons) == ([], ["handler"])


class TestHostile:
    def test_nobody_else_is_the_clerk(self) -> None:
        """A process of the peer's own choice would get the message in the place of the handler's."""
        channel = CoreChannel("accept *", hooks=Hooks({"reg_send": "handler"}, None, False, False, False))
        (request,) = channel.inbound(reg("target", 1)).forward
        forged = message(
            Op.SPAWN_REQUEST, request.args["ref"], CLERK, P.pid(), (A("timer"), A("sleep"), 1), [], payload=[1000]
        )
        out = channel.inbound(forged)
        assert (out.forward, out.reasons) == ([], ["spoofed"])

    def test_what_waits_is_bounded(self) -> None:
        channel = CoreChannel("accept *", hooks=OUTSIDE, limits={"held_bytes": 10_000, "tracked": 20})
        channel.inbound(*(reg("target", number) for number in range(100)))
        assert channel.core.pending() < 10_000
        (first,) = tickets(channel)
        arrived = channel.answer(first, "accept").forward
        while wait := tickets(channel):
            arrived += channel.answer(wait[0], "accept").forward
        assert payloads(arrived) == list(range(20)), "in order; the rest found no room"
        big = CoreChannel("accept *", hooks=OUTSIDE, limits={"held_bytes": 10_000})
        big.inbound(reg("target", 1), reg("target", b"x" * 20_000))
        (first,) = tickets(big)
        assert payloads(big.answer(first, "accept").forward) == [1]

    def test_what_waits_of_many_senders_is_bounded(self) -> None:
        channel = CoreChannel("accept *", hooks=OUTSIDE, limits={"tracked": 50})
        channel.inbound(*(reg("target", 1, number) for number in range(500)))
        assert len(tickets(channel)) == 50

    def test_a_closed_channel_answers_nothing(self) -> None:
        channel = CoreChannel("accept *", hooks=OUTSIDE)
        channel.inbound(reg("target", 1))
        (ticket,) = tickets(channel)
        assert channel.inbound(b"\0\0\0\3xyz").closed
        assert channel.answer(ticket, "accept").forward == []
        assert channel.core.pending() == 0

    def test_distwalls_own_name_goes_no_further(self) -> None:
        channel = CoreChannel("accept *", hooks=Hooks({}, None, False, False, True))
        own: list[Message] = [
            reg("distwall", (A("$gen_call"), (P.pid(), P.ref()), A("x"))),
            message(Op.MONITOR_P, P.pid(), A("distwall"), P.ref(4)),
            message(Op.DEMONITOR_P, P.pid(), A("distwall"), P.ref(4)),
        ]
        assert channel.inbound(*own).forward == []
        assert [(ask[0], ask[1], ask[2]) for ask in channel.core.asks()] == [
            (0, "own", command) for command in ("reg_send", "monitor", "demonitor")
        ]

    def test_the_guarded_node_may_say_odd_things_to_the_clerk(self) -> None:
        channel = CoreChannel("accept *", hooks=INSIDE)
        for odd in (
            message(Op.SEND_SENDER, G.pid(), CLERK, payload=1),
            message(Op.SPAWN_REPLY, Ref(A(PEER), P.creation, (1, 2, 3)), CLERK, 0, G.pid()),
            message(Op.LINK, G.pid(), CLERK),
            message(Op.MONITOR_P, G.pid(), CLERK, G.ref()),
        ):
            out = channel.outbound(odd)
            assert (out.forward, out.back, out.closed) == ([], [], None)
        assert GUARD


EVALUATED = Hooks({}, None, True, True, False)
TYPED = Fun(A("erl_eval"), 0, bytes(16), 43, 43, 0, P.pid(), ((1, Map(), A("none"), A("none"), Map(), []),))
NESTED = Fun(A("erl_eval"), 0, bytes(16), 43, 43, 0, P.pid(), ((1, Map(((A("F"), TYPED),)), 1, 1, Map(), []),))
COMPILED = Fun(A("inventory"), 0, bytes(16), 1, 1, 1, P.pid())


def request(module: str, function: str, *arguments: Term) -> Message:
    mfa = (A(module), A(function), len(arguments))
    return message(Op.SPAWN_REQUEST, P.ref(1), P.pid(), P.pid(), mfa, [A("monitor")], payload=list(arguments))


def judged(rules: tuple[str, ...] = ("deny *",), hooks: Hooks = EVALUATED) -> CoreChannel:
    return CoreChannel(*rules, hooks=hooks, funs=False)


class TestEvaluated:
    """The guarded node starts distwall's evaluator in place of shells, and of what would run a shell's fun."""

    @pytest.mark.parametrize("fun", [TYPED, NESTED], ids=["a fun", "a fun that holds a fun"])
    @pytest.mark.parametrize(
        ("module", "function", "arguments"),
        [
            ("erlang", "apply", lambda fun: [fun, []]),
            ("erpc", "execute_call", lambda fun: [P.ref(1), A("erlang"), A("apply"), [fun, []]]),
            ("erpc", "execute_cast", lambda fun: [A("erlang"), A("apply"), [fun, []]]),
            ("proc_lib", "init_p", lambda fun: [P.pid(), [P.pid()], fun]),
        ],
    )
    def test_a_fun_is_evaluated(
        self, module: str, function: str, arguments: Callable[[Fun], list[Term]], fun: Fun
    ) -> None:
        given = arguments(fun)
        (sent,) = judged().inbound(request(module, function, *given)).forward
        assert sent.args["mfa"] == (A("distwall_gate"), A("dist_spawn_init"), 4)
        assert sent.payload == [A(PEER), A(module), A(function), given]
        assert sent.args["options"] == [A("monitor")]

    def test_funs_anywhere_else_are_refused(self) -> None:
        call = (A("call"), A("erlang"), A("apply"), [TYPED, []], A("user"))
        for rules in (("deny *", "accept call lists:_/_", "accept reg_send target"), ("accept *",)):
            for sent in (
                request("lists", "map", TYPED, [1]),
                request("lists", "map", 1, [TYPED]),
                reg("target", (A("run"), TYPED)),
                reg("rex", (P.pid(), call)),
                reg("rex", (A("$gen_call"), (P.pid(), P.ref(3)), call)),
            ):
                out = judged(rules).inbound(sent)
                assert (out.forward, len(out.events)) == ([], 1)

    def test_no_rule_on_calls_lets_a_compiled_fun_in(self) -> None:
        """The VM trusts what it holds. Only where all funs are let in, the rules on calls decide about its module."""
        opened = ("deny *", "accept call inventory:_/_")
        sent = request("erlang", "apply", COMPILED, [])
        for rules in (("deny *",), opened, ("accept *",)):
            out = judged(rules).inbound(sent)
            assert (out.forward, len(out.events)) == ([], 1)
        for rules, there in ((("deny *",), False), (opened, True)):
            out = CoreChannel(*rules, funs=True).inbound(sent)
            assert [each.args["mfa"] for each in out.forward] == ([(A("erlang"), A("apply"), 2)] if there else [])

    def test_a_handler_decides_about_what_is_evaluated(self) -> None:
        channel = judged(hooks=Hooks({"spawn_request": "handler"}, None, True, True, False))
        (sent,) = channel.inbound(request("erlang", "apply", TYPED, [])).forward
        assert sent.args["mfa"] == (A("distwall_gate"), A("dist_spawn_init"), 4)
        inner = [A(PEER), A("erlang"), A("apply"), [TYPED, []]]
        assert sent.payload == [A(PEER), A("handler"), A("dist_spawn_init"), inner]

    def test_what_a_handler_outside_accepts_is_evaluated(self) -> None:
        channel = judged(hooks=Hooks({"spawn_request": ""}, None, True, True, False))
        channel.inbound(request("erlang", "apply", TYPED, []))
        (ticket,) = tickets(channel)
        (sent,) = channel.answer(ticket, "accept", encode([NESTED, []])).forward
        assert sent.payload == [A(PEER), A("erlang"), A("apply"), [NESTED, []]]

    def test_it_is_evaluated_however_it_is_cut(self) -> None:
        big = Fun(
            A("erl_eval"), 0, bytes(16), 43, 43, 0, P.pid(), ((1, Map(((A("X"), b"x" * 200_000),)), 1, 1, 1, []),)
        )
        for rules in (("deny *",), ("accept *",)):
            (sent,) = judged(rules).inbound(request("erlang", "apply", big, []), fragment=50_000).forward
            assert sent.payload == [A(PEER), A("erlang"), A("apply"), [big, []]]

    @pytest.mark.parametrize("rules", [("deny *", "accept call shell:_/_"), ("accept *",)])
    def test_each_function_of_a_shell_goes_to_the_evaluator(self, rules: tuple[str, ...]) -> None:
        for function, arguments in (("start", []), ("start", [A("true")]), ("server", [A("false")])):
            inner: list[Term] = [P.ref(1), A("shell"), A(function), arguments]
            for sent in (request("shell", function, *arguments), request("erpc", "execute_call", *inner)):
                (got,) = judged(rules).inbound(sent).forward
                assert got.args["mfa"] == (A("distwall_gate"), A("dist_spawn_init"), 4)

    def test_the_completion_of_names_goes_to_the_evaluator(self) -> None:
        sent = request("erpc", "execute_call", P.ref(1), A("edlin_expand"), A("expand"), [[1]])
        for hooks, target in ((EVALUATED, A("distwall_gate")), (Hooks({}, None, True, False, False), A("erpc"))):
            (got,) = judged(("deny *", "accept call edlin_expand:_/_"), hooks).inbound(sent).forward
            mfa = got.args["mfa"]
            assert isinstance(mfa, tuple)
            assert mfa[0] == target

    def test_no_message_starts_a_shell(self) -> None:
        for module, function in (("shell", "start"), ("edlin_expand", "expand")):
            call: Term = (A("call"), A(module), A(function), [], P.pid())
            out = judged(("deny *", f"accept call {module}:_/_")).inbound(reg("rex", (P.pid(), call)))
            assert (out.forward, out.reasons) == ([], ["otp_internal"])

    def test_other_requests_go_on_as_they_are(self) -> None:
        sent = request("inventory", "touch", 1)
        (got,) = judged(("deny *", "accept call inventory:_/_")).inbound(sent).forward
        assert got.args["mfa"] == (A("inventory"), A("touch"), 1)


class TestCarried:
    """A call is shown by the function that is called, whatever carries it."""

    MFA = (A("inventory"), A("touch"), [1])

    def carriers(self) -> list[Message]:
        ref = P.ref(8)
        return [
            request("inventory", "touch", 1),
            request("erpc", "execute_call", ref, *self.MFA),
            request("erpc", "execute_cast", *self.MFA),
            request("proc_lib", "init_p", P.pid(), [], *self.MFA),
            reg("rex", (P.pid(), (A("call"), *self.MFA, A("user")))),
            reg("rex", (A("$gen_call"), (P.pid(), P.ref(3)), (A("block_call"), *self.MFA, A("user")))),
            reg("rex", (A("$gen_cast"), (A("cast"), *self.MFA, A("user")))),
        ]

    @pytest.mark.parametrize("number", range(7))
    def test_a_handler_outside_sees_the_function(self, number: int) -> None:
        sent = self.carriers()[number]
        channel = CoreChannel("accept call inventory:touch/1", "deny *", hooks=CALLS)
        assert channel.inbound(sent).forward == []
        ((ticket, kind, command, target, control, payload),) = channel.core.asks()
        assert (kind, command, target) == ("handler", "spawn_request", "inventory:touch/1")
        shown = decode(control)
        assert isinstance(shown, tuple)
        assert shown[4] == (A("inventory"), A("touch"), 1)
        assert payload is not None
        assert decode(payload) == [1]
        # Its answer changes the arguments in the carrier, and no more of it.
        (passed,) = channel.answer(ticket, "accept", encode([2])).forward
        assert str(passed.payload) == str(sent.payload).replace("[1]", "[2]")

    @pytest.mark.parametrize("number", range(7))
    def test_other_arguments_are_as_many(self, number: int) -> None:
        channel = CoreChannel("accept call inventory:_/_", "deny *", hooks=CALLS)
        channel.inbound(self.carriers()[number])
        (ticket,) = tickets(channel)
        assert channel.answer(ticket, "accept", encode([1, 2])).forward == []

    @pytest.mark.parametrize("number", range(7))
    def test_a_filter_sees_the_function(self, number: int) -> None:
        channel = CoreChannel("accept *", hooks=FILTERED)
        channel.inbound(self.carriers()[number])
        ((ticket, kind, command, target, *_),) = channel.core.asks()
        assert (kind, command, target) == ("filter", "spawn_request", "inventory:touch/1")
        assert channel.answer(ticket, "deny").forward == []
        # The answer is kept for all carriers.
        for other in self.carriers():
            assert channel.inbound(other).reasons == ["handler"]

    def test_a_module_of_the_node_runs_in_the_carrier(self) -> None:
        channel = CoreChannel("accept *", hooks=INSIDE)
        _, call, cast, started, *to_rex = self.carriers()
        inner = [A(PEER), *self.MFA]
        for sent, before in ((call, call.payload[:1]), (cast, []), (started, started.payload[:2])):  # type: ignore[index]
            (passed,) = channel.inbound(sent).forward
            assert passed.args["mfa"] == sent.args["mfa"]
            assert passed.payload == [*before, A("handler"), A("dist_spawn_init"), inner]
        for sent in to_rex:
            assert channel.inbound(sent).reasons == ["handler"]

    def test_what_cannot_be_told_is_refused(self) -> None:
        untold = [
            reg("rex", (P.pid(), (A("call"), A("inventory"), A("touch"), A("x"), A("user")))),
            reg("rex", (G.pid(), (A("call"), *self.MFA, A("user")))),
            reg("net_kernel", (A("$gen_call"), (P.pid(), P.ref(3)), (A("spawn"), *self.MFA, P.pid()))),
        ]
        for hooks in (CALLS, INSIDE, FILTERED):
            for sent in untold:
                assert CoreChannel("accept *", hooks=hooks).inbound(sent).reasons == ["handler"]

    def test_what_rex_passes_on_is_shown_by_its_name(self) -> None:
        channel = CoreChannel("accept *", hooks=FILTERED)
        channel.inbound(reg("rex", (P.pid(), (A("sbcast"), A("target"), 1))))
        ((_, _, command, target, *_),) = channel.core.asks()
        assert (command, target) == ("reg_send", "target")

    def test_a_handler_of_messages_sees_what_rex_passes_on(self) -> None:
        rules = ("accept reg_send target", "deny *")
        for kind, delivered in (("sbcast", (A("order"), 7)), ("send", (P.pid(), (A("order"), 7)))):
            sent = reg("rex", (P.pid(), (A(kind), A("target"), (A("order"), 7))))
            verdicts: list[tuple[Verdict, list[Message]]] = [("accept", [sent]), ("deny", [])]
            for verdict, passed in verdicts:
                channel = CoreChannel(*rules, hooks=OUTSIDE)
                channel.inbound(sent)
                ((ticket, _, command, target, control, payload),) = channel.core.asks()
                assert (command, target) == ("reg_send", "target")
                assert decode(control) == (6, P.pid(), EMPTY, A("target"))
                assert payload is not None
                assert decode(payload) == delivered
                assert channel.answer(ticket, verdict).forward == passed
            # In its place goes another message, which is judged again; what rex itself makes can't be changed.
            channel = CoreChannel(*rules, hooks=OUTSIDE)
            channel.inbound(sent)
            (ticket,) = tickets(channel)
            changed = channel.answer(ticket, "accept", encode((A("order"), 1))).forward
            expected = [(P.pid(), (A("sbcast"), A("target"), (A("order"), 1)))]
            assert payloads(changed) == (expected if kind == "sbcast" else [])
            # A module of the node would leave the sender without the answer of rex.
            assert CoreChannel(*rules, hooks=INSIDE).inbound(sent).reasons == ["handler"]

    def test_an_old_spawn_that_rex_passes_on_is_refused(self) -> None:
        spawn = (A("$gen_call"), (P.pid(), P.ref(3)), (A("spawn"), *self.MFA, P.pid()))
        for hooks in (CALLS, INSIDE, FILTERED):
            sent = reg("rex", (P.pid(), (A("sbcast"), A("net_kernel"), spawn)))
            assert CoreChannel("accept *", hooks=hooks).inbound(sent).reasons == ["handler"]

    def test_a_carrier_with_other_arguments_is_a_function_in_a_carrier(self) -> None:
        sent = request("erpc", "execute_call", P.ref(8), A("erpc"), A("execute_call"), [*self.MFA])
        channel = CoreChannel("accept *", hooks=CALLS)
        channel.inbound(sent)
        ((_, _, _, target, _, payload),) = channel.core.asks()
        assert target == "erpc:execute_call/3"
        assert payload is not None
        assert decode(payload) == [*self.MFA]
