"""Limits on what comes in a second, on the age of messages under way, and what becomes of who exceeds one."""

from __future__ import annotations

import pytest

from distwall import _core
from distwall._core import DistFlag
from tests.support.core_channel import CoreChannel, End
from tests.support.dist import EMPTY, OTP_25, Message, Op, Style, message
from tests.support.etf import Atom, Term, alias
from tests.wire.expect import tell

P, G = CoreChannel.peer, CoreChannel.guard

COMMANDS: dict[str, Message] = {
    "alias_send": message(Op.ALIAS_SEND, P.pid(), G.alias(), payload=1),
    "demonitor": message(Op.DEMONITOR_P, P.pid(), Atom("server"), P.ref()),
    "exit": message(Op.PAYLOAD_EXIT, P.pid(), G.pid(), payload=1),
    "exit2": message(Op.PAYLOAD_EXIT2, P.pid(), G.pid(), payload=1),
    "group_leader": message(Op.GROUP_LEADER, P.pid(), G.pid()),
    "link": message(Op.LINK, P.pid(), G.pid()),
    "monitor": message(Op.MONITOR_P, P.pid(), Atom("server"), P.ref()),
    "monitor_exit": message(Op.PAYLOAD_MONITOR_P_EXIT, P.pid(), G.pid(), G.ref(), payload=1),
    "reg_send": tell(1),
    "send": message(Op.SEND_SENDER, P.pid(), G.pid(), payload=1),
    "spawn_reply": message(Op.SPAWN_REPLY, G.ref(), G.pid(), 0, P.pid()),
    "spawn_request": message(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(), (Atom("m"), Atom("f"), 1), [], payload=[1]),
    "unlink": message(Op.UNLINK_ID, 1, P.pid(), G.pid()),
    "unlink_ack": message(Op.UNLINK_ID_ACK, 1, P.pid(), G.pid()),
}
ALL = tuple(f"accept {command}" for command in COMMANDS)


def passed(channel: CoreChannel, sent: Message, count: int) -> int:
    """How many of so many pass; the others are refused for a limit that bears the right name."""
    channel.outbound(message(Op.SEND_SENDER, G.pid(9), P.pid(), payload=G.alias()))
    outputs = [channel.inbound(sent) for _ in range(count)]
    assert all(output.closed is None for output in outputs)
    return sum(not output.events for output in outputs)


def test_every_command_has_a_limit() -> None:
    assert set(COMMANDS) == set(_core.COMMANDS)
    assert all(f"{command}_per_second" in _core.DEFAULT_LIMITS for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_one_kind_are_limited(command: str) -> None:
    name = f"{command}_per_second"
    channel = CoreChannel(*ALL, limits={name: 5})
    assert passed(channel, COMMANDS[command], 8) == 5
    assert channel.inbound(COMMANDS[command]).reasons == [f"limit:{name}"]
    others = COMMANDS["send" if command == "link" else "link"]
    assert passed(channel, others, 8) == 8
    channel.now += 0.5
    assert passed(channel, COMMANDS[command], 8) == 2
    channel.now -= 100
    assert passed(channel, COMMANDS[command], 8) == 0
    channel.now += 3600
    assert passed(channel, COMMANDS[command], 8) == 5


def test_commands_of_all_kinds_are_limited_together() -> None:
    channel = CoreChannel(*ALL, limits={"commands_per_second": 5})
    assert passed(channel, COMMANDS["send"], 3) == 3
    assert passed(channel, COMMANDS["link"], 3) == 2
    assert channel.inbound(COMMANDS["monitor"]).reasons == ["limit:commands_per_second"]


@pytest.mark.parametrize("size", [10, 500])
def test_log_events_have_a_limit_of_their_own(size: int) -> None:
    channel = CoreChannel("accept *", limits={"log_events_per_second": 3})
    event = message(Op.REG_SEND, P.pid(), EMPTY, Atom("logger_proxy"), payload=bytes(size))

    def passed_of(sent: Message) -> int:
        count = 0
        for one in channel.from_peer.frames(sent, fragment=100):
            count += len([each for each in channel.inbound(one).forward if each == sent])
        return count

    assert [passed_of(event) for _ in range(5)] == [1, 1, 1, 0, 0]
    assert all(passed_of(tell(bytes(size))) for _ in range(5))
    channel.now += 1
    assert [passed_of(event) for _ in range(4)] == [1, 1, 1, 0]


def test_what_rules_refuse_counts_too() -> None:
    channel = CoreChannel("drop link", *ALL[:-1], limits={"commands_per_second": 5, "link_per_second": 5})
    assert [channel.inbound(COMMANDS["link"]).reasons for _ in range(5)] == [["rule"]] * 5
    assert channel.inbound(COMMANDS["send"]).reasons == ["limit:commands_per_second"]


def test_what_the_guarded_node_sends_does_not_count() -> None:
    channel = CoreChannel("accept *", limits={"commands_per_second": 2, "bytes_per_second": 1})
    sent = message(Op.REG_SEND, G.pid(), EMPTY, Atom("x"), payload=b"x" * 100)
    assert all(channel.outbound(sent).forward == [sent] for _ in range(10))


@pytest.mark.parametrize("rules", [("accept *",), ALL])
def test_messages_in_fragments_count_once(rules: tuple[str, ...]) -> None:
    channel = CoreChannel(*rules, limits={"reg_send_per_second": 2})
    forwarded, reasons = [], []
    for _ in range(4):
        for one in channel.from_peer.frames(tell(bytes(500)), fragment=100):
            output = channel.inbound(one)
            assert output.closed is None
            forwarded += output.forward
            reasons += output.reasons
    assert forwarded == [tell(bytes(500))] * 2
    assert reasons == ["limit:reg_send_per_second"] * 2
    assert channel.at_guard.done()


def test_bytes_are_limited() -> None:
    channel = CoreChannel("accept *", limits={"bytes_per_second": 10_000})
    sent = tell(bytes(900))
    before = sum(not channel.inbound(sent).events for _ in range(30))
    assert 9 <= before <= 12
    assert channel.inbound(sent).reasons == ["limit:bytes_per_second"]
    channel.now += 3
    assert channel.inbound(sent).forward == [sent]


def test_bytes_in_the_middle_of_a_message_close() -> None:
    """What has begun to go out can't be refused any more."""
    channel = CoreChannel("accept *", limits={"bytes_per_second": 10_000})
    outputs = [channel.inbound(one) for one in channel.from_peer.frames(tell(bytes(30_000)), fragment=1000)]
    closed = [output.closed for output in outputs if output.closed]
    assert closed == ["the limit bytes_per_second is exceeded"]


# === age ===


@pytest.mark.parametrize("rules", [("accept *",), ALL, ("drop *",)])
def test_a_message_that_never_ends_closes(rules: tuple[str, ...]) -> None:
    channel = CoreChannel(*rules, limits={"sequence_age": 100})
    first, second, *_ = channel.from_peer.frames(tell(bytes(500)), fragment=100)
    assert channel.inbound(first).closed is None
    channel.now += 99
    assert channel.inbound(second).closed is None
    channel.now += 2
    # A tick of either node is enough.
    closed = channel.outbound(b"\0\0\0\0").closed
    assert closed is not None
    assert "sequence_age" in closed
    assert channel.core.pending() == 0


def test_a_message_that_ends_in_time_is_forgotten() -> None:
    channel = CoreChannel("accept *", limits={"sequence_age": 100})
    for _ in range(10):
        frames = channel.from_peer.frames(tell(bytes(300)), fragment=100)
        for one in frames:
            assert channel.inbound(one).closed is None
            channel.now += 30


def test_the_oldest_of_many_messages_counts() -> None:
    channel = CoreChannel("accept *", limits={"sequence_age": 100})
    old = channel.from_peer.frames(tell(bytes(300)), fragment=100)
    channel.inbound(old[0])
    channel.now += 60
    young = channel.from_peer.frames(tell(bytes(300)), fragment=100)
    channel.inbound(young[0])
    for one in old[1:]:
        assert channel.inbound(one).closed is None
    channel.now += 60
    assert channel.inbound(b"\0\0\0\0").closed is None
    channel.now += 60
    assert channel.inbound(b"\0\0\0\0").closed is not None


def test_time_may_go_backwards() -> None:
    channel = CoreChannel("accept *", limits={"sequence_age": 100})
    first, *rest = channel.from_peer.frames(tell(bytes(300)), fragment=100)
    channel.inbound(first)
    channel.now -= 10_000
    assert all(channel.inbound(one).closed is None for one in rest)


# === what a limit does ===


@pytest.mark.parametrize(
    ("limits", "sent"),
    [
        ({"link_per_second": 0}, COMMANDS["link"]),
        ({"new_atoms": 0}, tell(Atom("new"))),
        ({"guard_atoms": 0}, tell(Atom("new"))),
        ({"bigint_bytes": 8}, tell(1 << 100)),
        ({"tracked": 0}, COMMANDS["monitor"]),
        ({"new_nodes": 0}, tell(CoreChannel.third.pid())),
    ],
    ids=str,
)
def test_a_limit_may_close(limits: dict[str, int], sent: Message) -> None:
    (name,) = limits
    refusing = CoreChannel("accept *", limits=limits, third_nodes=["*"]).inbound(sent)
    assert (refusing.reasons, refusing.closed) == ([f"limit:{name}"], None)
    channel = CoreChannel("accept *", limits=limits, third_nodes=["*"], close_on_limit=True)
    closing = channel.inbound(sent)
    assert (closing.reasons, closing.closed) == ([f"limit:{name}"], f"the limit {name} is exceeded")
    assert closing.forward == []
    assert channel.inbound(tell(1)).forwarded == b""


def test_other_refusals_do_not_close() -> None:
    for rules in (("drop *",), ("deny *",)):
        assert CoreChannel(*rules, close_on_limit=True).inbound(tell(1)).closed is None


def test_an_answer_over_a_limit_fails_its_asker_at_once() -> None:
    channel = CoreChannel("deny *", limits={"send_per_second": 0})
    asked = message(Op.MONITOR_P, G.pid(), Atom("server"), G.ref())
    channel.outbound(asked)
    call = (Atom("$gen_call"), (G.pid(), G.ref()), Atom("get"))
    channel.outbound(message(Op.REG_SEND, G.pid(), EMPTY, Atom("server"), payload=call))
    output = channel.inbound(message(Op.SEND_SENDER, P.pid(), G.pid(), payload=(G.ref(), 1)))
    assert output.reasons == ["limit:send_per_second"]
    assert [one.command for one in output.forward] == ["monitor_exit"]


# === atoms of all entries, nodes, atoms written out ===


def test_atoms_of_all_entries_are_limited_together() -> None:
    """Each entry is far from its own limit."""
    one = _core.Budget()
    budgets = [one, *(_core.Budget(one) for _ in range(9))]
    for number in range(100):
        channel = CoreChannel("accept *", budget=budgets[number % 10], limits={"guard_atoms": 50})
        output = channel.inbound(tell(Atom(f"atom_{number}")))
        assert output.reasons in ([], ["limit:guard_atoms"])
    assert one.guard_atoms() == 50
    assert max(budget.used()[0] for budget in budgets) < 15


def test_an_atom_counts_once_over_all_entries() -> None:
    one = _core.Budget()
    for budget in (one, _core.Budget(one), _core.Budget(one)):
        assert CoreChannel("accept *", budget=budget).inbound(tell(Atom("an_atom"))).forward
    assert one.guard_atoms() == one.used()[0]


def test_budgets_of_other_guarded_nodes_are_apart() -> None:
    one, other = _core.Budget(), _core.Budget()
    CoreChannel("accept *", budget=one).inbound(tell(Atom("an_atom")))
    assert other.guard_atoms() == 0


@pytest.mark.parametrize("flags", [OTP_25, OTP_25 & ~DistFlag.DIST_HDR_ATOM_CACHE], ids=["cached", "headers"])
def test_made_up_nodes_are_limited(flags: int) -> None:
    """Node names and incarnations: of others, of the peer, and of the guarded node."""
    channel = CoreChannel("accept *", flags=flags, limits={"new_nodes": 20}, third_nodes=["*"])
    terms = [
        term
        for creation in range(10, 20)
        for term in (
            End(CoreChannel.third.name, creation).pid(),
            End(P.name, creation).ref(),
            End(G.name, creation).port(),
        )
    ]
    reached = [term for term in terms if channel.inbound(tell(term)).forward]
    assert len(reached) == 20
    assert channel.budget.used()[2] == 20
    assert all(channel.inbound(tell(term)).forward for term in (*reached, P.pid(), G.pid(), P.ref(), G.alias()))


def test_made_up_nodes_in_control_messages_are_limited() -> None:
    channel = CoreChannel("accept *", limits={"new_nodes": 5})
    for creation in range(10, 30):
        reference = End(P.name, creation).ref(creation)
        channel.inbound(message(Op.MONITOR_P, P.pid(), Atom("server"), reference))
    assert channel.budget.used()[2] == 5


def test_atoms_written_out_are_limited() -> None:
    channel = CoreChannel("accept *", flags=OTP_25, limits={"inline_atoms": 300})
    fine, many = [Atom("a")] * 290, [Atom("a")] * 400
    assert channel.inbound(tell(fine), style="inline").forward == [tell(fine)]
    assert channel.inbound(tell(many), style="inline").reasons == ["limit:inline_atoms"]
    assert channel.inbound(tell(many), style="otp").forward == [tell(many)]


@pytest.mark.parametrize("tag", [P.ref(), alias(P.ref())], ids=["reference", "alias"])
def test_atoms_written_out_in_who_asks_are_limited(tag: Term) -> None:
    """The node's name in From, in Tag, and before both in the control message."""

    def styled(atom: Atom) -> Style:
        return "inline" if atom == P.name else "otp"

    asked = tell((Atom("$gen_call"), (P.pid(), tag), Atom("get")))
    for most, reasons in ((3, []), (2, ["limit:inline_atoms"])):
        channel = CoreChannel("accept *", flags=OTP_25, limits={"inline_atoms": most})
        assert channel.inbound(asked, style=styled).reasons == reasons
        assert channel.inbound(asked, style="otp").forward == [asked]
