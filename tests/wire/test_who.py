"""Who the process is that a command aims at: asked of the guarded node, and judged."""

from __future__ import annotations

import itertools

import pytest

from distwall import _core
from distwall._core import DistFlag
from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, OTP_25, Message, Op, message, plain
from tests.support.etf import Atom, Pid, Term, alias
from tests.support.office import Person
from tests.wire.expect import passes, refused

P, G = CoreChannel.peer, CoreChannel.guard
SERVER = Atom("server")
TARGET, OTHER = G.pid(52), G.pid(53)
USER = Person()
NAMED = Person(name="server")
AUTH = Person(name="auth", application="kernel")
IN_KERNEL = Person(application="kernel")
MASTER = Person(application="shop", module="application_master", started="application_master")
BY_LEADER = Person(leader=0)
SHELL = Person(module="shell")
SUPERVISED = Person(started="supervisor", application="kernel")
MFA = (Atom("m"), Atom("f"), 1)
CLERK = Pid(P.name, _core.CLERK, _core.CLERK, P.creation)


def send(to: Pid, payload: Term = 1, sender: int = 100) -> Message:
    return message(Op.SEND_SENDER, P.pid(sender), to, payload=payload)


def channel(*rules: str, **people: Person) -> CoreChannel:
    """A channel under these rules; ``p52`` is who has that pid. All of them were exposed."""
    made = CoreChannel(*rules)
    made.office.people = {G.pid(int(pid.removeprefix("p"))): person for pid, person in people.items()}
    made.outbound(message(Op.SEND_SENDER, G.pid(1), P.pid(), payload=[TARGET, OTHER, *made.office.people]))
    return made


def test_commands_that_have_waited_go_on_in_slices() -> None:
    """One answer lets 40,000 commands go on; the other direction is not held up for all of them."""
    made = channel("accept send", "deny *")
    made.office.silent = True
    made.inbound(send(TARGET))
    sent = b"".join(made.from_peer.bytes(send(TARGET, number)) for number in range(40_000))
    made.core.receive(True, sent, made.now)
    assert made.core.parks()
    assert not made.core.due(inbound=True)
    made.office.silent = False
    forwarded: list[bytes | memoryview] = []
    slices = 0
    for answer in made.office.answers(made.office.asked[:]):
        back = made.core.receive(False, plain(answer.control, answer.payload), made.now, 0)[1]
        forwarded.append(back or b"")
    assert made.core.due(inbound=True)
    assert made.core.unfinished
    last = made.from_peer.bytes(send(TARGET, 40_000))
    while made.core.due(inbound=True):
        forwarded += made.core.receive(True, last, made.now, 0)[0]
        last = last[made.core.taken :]
        slices += 1
    assert slices > 3
    assert not made.core.parks()
    assert made.core.pending() == 0
    assert made.counts()["inbound", "send", "accept"] == 40_002
    got = [one.payload for one in made.at_guard.feed(b"".join(forwarded)) if one.args.get("from") == P.pid()]
    assert got == [1, *range(40_001)], "in their order, and what came behind them is last"


@pytest.mark.parametrize("rule", ["accept send to exposed", "accept send", "accept send to any"])
@pytest.mark.parametrize("person", [AUTH, MASTER, BY_LEADER, SHELL, SUPERVISED, Person(name="rex")])
def test_a_process_of_otps_is_not_reached_by_its_pid(rule: str, person: Person) -> None:
    made = channel(rule, "deny *", p52=person)
    refused(made, send(TARGET))
    passes(made, send(OTHER))


def test_the_first_process_is_otps_without_a_question() -> None:
    made = channel("accept send", "deny *")
    assert made.inbound(send(G.pid(0))).events[0][2:] == ("init <0.0.0>", "deny", None, "default", 0)
    assert not made.office.asked
    made.set_rules("accept send", "accept reg_send init", "deny *")
    assert made.inbound(send(G.pid(0))).reasons == ["otp_internal"]
    made.set_rules("accept send", "accept reg_send init", "accept otp_internal init", "deny *")
    passes(made, send(G.pid(0)))


@pytest.mark.parametrize("fragment", [60, 65536])
def test_rules_on_the_first_process_hold_under_accept_all(fragment: int) -> None:
    made = CoreChannel("deny reg_send init", "accept *")
    outputs = [made.inbound(one) for one in made.from_peer.frames(send(G.pid(0), b"x" * 200), fragment=fragment)]
    assert not [one for output in outputs for one in output.forward if one.payload != []]
    passes(made, send(TARGET))


@pytest.mark.parametrize(
    ("rules", "accepted"),
    [
        (("accept send",), True),
        (("deny reg_send server", "accept send"), False),
        (("deny reg_send serv*", "accept send to exposed"), False),
        (("deny reg_send", "accept send"), True),
        (("accept reg_send server", "accept send"), True),
        (("accept reg_send server",), False),
        # Any integer.
        (("accept reg_send server when 0203", "accept send"), True),
        (("deny reg_send server when 0200", "accept send"), False),
        (("deny reg_send server when 0203", "accept send"), True),
        # Only what accepts all is asked nothing.
        (("deny reg_send server", "accept *"), True),
        (("deny reg_send server", "accept send <0.52.0>"), True),
    ],
)
def test_a_process_of_users_is_refused_by_rules_on_its_name(rules: tuple[str, ...], accepted: bool) -> None:
    (passes if accepted else refused)(channel(*rules, "deny *", p52=NAMED), send(TARGET))


@pytest.mark.parametrize(
    ("rules", "accepted"),
    [
        (("accept reg_send auth", "accept otp_internal auth", "accept send"), True),
        (("accept reg_send auth", "accept send"), False),
        (("accept reg_send auth when 00", "accept otp_internal auth", "accept send"), True),
        (("accept reg_send auth when 0203", "accept otp_internal auth", "accept send"), False),
        (("accept reg_send auth", "accept otp_internal auth"), False),
        (("accept reg_send", "accept otp_internal auth", "accept send"), False),
        (("accept send <0.52.0>", "accept otp_internal auth"), True),
    ],
)
def test_a_process_of_otps_is_reached_where_a_rule_names_it(rules: tuple[str, ...], accepted: bool) -> None:
    (passes if accepted else refused)(channel(*rules, "deny *", p52=AUTH), send(TARGET))


OTHERS: dict[str, Message] = {
    "exit2": message(Op.PAYLOAD_EXIT2, P.pid(), TARGET, payload=Atom("kill")),
    "link": message(Op.LINK, P.pid(), TARGET),
    "group_leader": message(Op.GROUP_LEADER, P.pid(), TARGET),
    "monitor": message(Op.MONITOR_P, P.pid(), TARGET, P.ref()),
}


@pytest.mark.parametrize("command", OTHERS)
def test_other_commands_are_judged_in_the_same_way(command: str) -> None:
    by_name = "monitor" if command == "monitor" else "reg_send"
    passes(channel(f"accept {command}", "deny *"), OTHERS[command])
    refused(channel(f"accept {command}", "deny *", p52=AUTH), OTHERS[command])
    passes(channel(f"accept {by_name} auth", f"accept {command}", "deny *", p52=AUTH), OTHERS[command])
    refused(channel(f"deny {by_name} server", f"accept {command}", "deny *", p52=NAMED), OTHERS[command])
    passes(channel(f"accept {command}", "deny *", p52=NAMED), OTHERS[command])


def of(rule: str, application: str, pattern: str | None = None) -> _core.CoreRule:
    code = None if pattern is None else bytes.fromhex(pattern)
    return _core.CoreRule(rule, None, f"exposed of {application}", code, "accept", 1, False, 0)


def test_a_rule_for_an_application_opens_its_processes_and_no_others() -> None:
    made = channel(p52=IN_KERNEL, p54=Person(application="mnesia"), p55=NAMED)
    rules = [of("send", "kernel", "0200"), of("monitor", "kernel")]
    made.core.set_policy(_core.PeerRules(rules))
    passes(made, send(TARGET))
    refused(made, send(TARGET, Atom("x")))
    for pid in (G.pid(54), G.pid(55), OTHER):
        refused(made, send(pid))
    passes(made, message(Op.MONITOR_P, P.pid(), TARGET, P.ref()))
    refused(made, message(Op.MONITOR_P, P.pid(), OTHER, P.ref(2)))
    made.office.people[G.pid(56)] = Person(dead=True)
    made.outbound(message(Op.SEND_SENDER, G.pid(1), P.pid(), payload=G.pid(56)))
    assert not made.inbound(send(G.pid(56))).events
    # Beside rules for processes of users, whichever comes first.
    users = _core.CoreRule("send", None, "exposed", bytes.fromhex("00"), "accept", 1, False, 1)
    for both in ([users, *rules], [*rules, users]):
        made.core.set_policy(_core.PeerRules(both))
        passes(made, send(TARGET))
        passes(made, send(OTHER))
        refused(made, send(G.pid(54)))


def test_a_message_to_a_named_process_of_an_application_needs_a_rule_on_the_name() -> None:
    """An application has processes of many kinds: its logger ends at what its terminal prints."""
    made = channel(p52=AUTH)
    rules = [of("send", "kernel", "0200"), of("monitor", "kernel"), of("link", "kernel")]
    made.core.set_policy(_core.PeerRules(rules))
    refused(made, send(TARGET))
    passes(made, message(Op.MONITOR_P, P.pid(), TARGET, P.ref()))
    passes(made, OTHERS["link"])
    for pattern, accepted in (("0200", True), ("0203", False)):
        named = _core.CoreRule("reg_send", (("exact", "auth"),), None, bytes.fromhex(pattern), "accept", 1, False, 3)
        made.core.set_policy(_core.PeerRules([*rules, named]))
        (passes if accepted else refused)(made, send(TARGET))


def test_what_no_rule_could_accept_is_not_asked_about() -> None:
    made = CoreChannel("accept send to exposed", "accept link to spawned", "deny *")
    refused(made, send(TARGET))
    refused(made, OTHERS["link"])
    refused(made, OTHERS["exit2"])
    assert not made.office.asked


def test_what_accept_all_decides_and_answers_are_not_asked_about() -> None:
    made = CoreChannel("accept *")
    passes(made, send(TARGET))
    made.set_rules("deny *")
    made.outbound(message(Op.REG_SEND, TARGET, EMPTY, SERVER, payload=(Atom("$gen_call"), (TARGET, G.ref()), 1)))
    passes(made, send(TARGET, (G.ref(), 1)))
    assert not made.office.asked


def test_the_answer_holds_for_a_second() -> None:
    made = channel("accept send", "deny *")
    passes(made, send(TARGET))
    asked = len(made.office.asked)
    for _ in range(3):
        made.now += 0.3
        passes(made, send(TARGET))
    assert len(made.office.asked) == asked
    made.office.people[TARGET] = AUTH
    made.now += 0.3
    refused(made, send(TARGET))
    # The monitor stays, and so does the first call: name and application are asked for again.
    assert [one.op for one in made.office.asked[asked:]] == [Op.SPAWN_REQUEST] * 2


@pytest.mark.parametrize("spawns", [True, False])
def test_without_a_spawn_rex_is_asked(spawns: bool) -> None:
    flags = OTP_25 if spawns else OTP_25 & ~DistFlag.SPAWN
    made = CoreChannel("accept send", "deny *", flags=flags)
    made.office.can_spawn = False
    made.office.people[TARGET] = AUTH
    passes(made, send(OTHER))
    refused(made, send(TARGET))
    assert {one.op for one in made.office.asked} >= {Op.MONITOR_P, Op.REG_SEND}
    assert (Op.SPAWN_REQUEST in {one.op for one in made.office.asked}) == spawns


def test_an_ended_process_is_answered_for_as_otp_does() -> None:
    dead = Person(dead=True)
    made = channel("accept send", "accept monitor", "accept link", "deny *", p52=dead)
    output = made.inbound(send(TARGET), OTHERS["monitor"], OTHERS["link"])
    assert not output.forward
    assert not output.events
    assert [(one.command, one.args.get("reason", one.payload)) for one in output.back] == [
        ("monitor_exit", "noproc"),
        ("exit", "noproc"),
    ]
    # A process that has come to its number meanwhile is another one.
    made.office.people[TARGET] = AUTH
    made.now += 1.5
    refused(made, send(TARGET))


def test_a_process_that_ends_is_asked_about_no_more_than_it_lives() -> None:
    made = channel("accept send", "deny *")
    passes(made, send(TARGET))
    (monitor,) = (one for one in made.office.asked if one.op is Op.MONITOR_P)
    made.outbound(message(Op.PAYLOAD_MONITOR_P_EXIT, TARGET, CLERK, monitor.args["ref"], payload=Atom("normal")))
    output = made.inbound(send(TARGET))
    assert not output.forward
    assert not output.events


# === waiting ===


def silent(*rules: str) -> CoreChannel:
    made = channel(*rules, "deny *")
    made.office.silent = True
    return made


def asks(made: CoreChannel) -> list[tuple[int, str]]:
    return [(ask.ticket, ask.kind) for ask in made.core.asks()]


def answered(made: CoreChannel) -> list[Message]:
    """What passes when the guarded node answers all open questions."""
    made.office.silent = False
    asked, made.office.asked = made.office.asked, []
    got: list[Message] = []
    for answer in made.office.answers(asked):
        got += made.outbound(answer).back
    return [one for one in got if not made.office.is_asked(one)]


def test_all_commands_of_the_peer_stay_in_order() -> None:
    """Programs such as mnesia count on it, though Erlang promises an order between two processes only."""
    made = silent("accept send", "accept reg_send")
    sent = [
        send(TARGET, 1),
        message(Op.REG_SEND, P.pid(), EMPTY, SERVER, payload=2),
        send(TARGET, 3),
        message(Op.REG_SEND, P.pid(101), EMPTY, SERVER, payload=4),
    ]
    assert not made.inbound(*sent).forward
    assert not made.inbound(send(G.pid(8), 5)).forward
    # The other direction goes on.
    told = message(Op.SEND_SENDER, G.pid(9), P.pid(), payload=6)
    assert made.outbound(told).forward == [told]
    assert answered(made) == [*sent, send(G.pid(8), 5)]


def test_the_guarded_node_is_asked_about_many_at_once() -> None:
    made = silent("accept send")
    sent = [send(G.pid(number), number) for number in range(200, 265)]
    assert not made.inbound(*sent).forward
    assert answered(made) == sent
    questions = [one for one in made.office.asked if one.op == Op.SPAWN_REQUEST]
    # Three about the first process, and three about all others.
    assert len(questions) == 6


def test_what_is_wrong_before_its_turn_may_be_right_then() -> None:
    """A process that the guarded node spawned at the peer: how it ends comes in line behind that it began."""
    made = silent("accept send", "accept spawn_reply")
    request = message(Op.SPAWN_REQUEST, G.ref(50), G.pid(9), G.pid(9), MFA, [Atom("monitor")], payload=[1])
    assert made.outbound(request).forward == [request]
    began = message(Op.SPAWN_REPLY, G.ref(50), G.pid(9), 2, P.pid(70))
    ended = message(Op.PAYLOAD_MONITOR_P_EXIT, P.pid(70), G.pid(9), G.ref(50), payload=Atom("normal"))
    assert not made.inbound(send(TARGET, 1), began, ended).forward
    assert answered(made) == [send(TARGET, 1), began, ended]


def test_what_others_send_to_the_process_keeps_its_place() -> None:
    """A process that was told of a monitor ends what is monitored: the monitor comes first."""
    made = silent("accept monitor", "accept link")
    link = message(Op.LINK, P.pid(101), TARGET)
    passed = made.inbound(link)
    assert not passed.forward
    answered(made)
    made.now += 2
    made.office.silent = True
    monitor, ends = (
        message(Op.MONITOR_P, P.pid(), TARGET, P.ref()),
        message(Op.PAYLOAD_EXIT, P.pid(101), TARGET, payload=1),
    )
    assert not made.inbound(monitor, ends).forward
    assert answered(made) == [monitor, ends]


def spawning(made: CoreChannel, by: Pid, number: int) -> Message:
    """The guarded node spawns there for one of its processes; returns the request."""
    options = [Atom("link"), Atom("monitor")]
    request = message(Op.SPAWN_REQUEST, G.ref(number), by, by, (Atom("m"), Atom("f"), 0), options, payload=[])
    assert made.outbound(request).forward == [request]
    return request


@pytest.mark.parametrize("fragment", [100, 65536])
@pytest.mark.parametrize("spawner", [TARGET, OTHER], ids=["at the same process", "at another process"])
def test_the_end_of_a_spawned_process_waits_behind_its_spawn_reply(spawner: Pid, fragment: int) -> None:
    """The reply waits, for its target or behind another reply: what the spawned process sends next waits, too."""
    made = silent("accept send")
    spawning(made, TARGET, 1)
    spawning(made, spawner, 2)
    asked = send(TARGET)
    first, second = (message(Op.SPAWN_REPLY, G.ref(n), to, 3, P.pid(200 + n)) for n, to in ((1, TARGET), (2, spawner)))
    down = message(Op.PAYLOAD_MONITOR_P_EXIT, P.pid(202), spawner, G.ref(2), payload=b"x" * 300)
    exits = message(Op.PAYLOAD_EXIT, P.pid(202), spawner, payload=Atom("done"))
    passed = list(made.inbound(asked, first, second).forward)
    for frame in made.from_peer.frames(down, fragment=fragment):
        output = made.inbound(frame)
        assert not output.closed
        passed += output.forward
    passed += made.inbound(exits).forward
    passed += answered(made)
    assert [one for one in passed if one in (second, down, exits)] == [second, down, exits]
    assert asked in passed
    assert first in passed


def test_a_held_message_in_fragments_passes_whole() -> None:
    made = silent("accept send")
    sent = send(TARGET, b"x" * 500)
    assert not [one for frame in made.from_peer.frames(sent, fragment=100) for one in made.inbound(frame).forward]
    assert answered(made) == [sent]


def test_questions_come_in_batches() -> None:
    made = silent("accept send")
    for n in range(200, 400):
        made.inbound(send(G.pid(n), sender=n))
    monitors = [one for one in made.office.asked if one.op is Op.MONITOR_P]
    spawns = [one for one in made.office.asked if one.op is Op.SPAWN_REQUEST]
    assert (len(monitors), len(spawns)) == (1, 3)
    assert len(answered(made)) == 200
    assert len([one for one in made.office.asked if one.op is Op.SPAWN_REQUEST]) == 3 * 5


def test_without_room_to_wait_it_is_refused() -> None:
    made = CoreChannel("accept send", "deny *", limits={"held_bytes": 2000})
    made.office.silent = True
    assert not made.inbound(send(TARGET, b"x" * 900)).events
    assert made.inbound(send(TARGET, b"x" * 900)).reasons == ["limit:held_bytes"]


def test_without_an_answer_the_channel_ends() -> None:
    made = silent("accept send")
    made.inbound(send(TARGET))
    ((ticket, kind),) = asks(made)
    assert kind == "who"
    assert made.core.waits(ticket)
    output = made.answer(ticket, "deny")
    assert output.closed
    assert "ask_timeout" in output.closed


def test_in_time_nothing_ends() -> None:
    made = silent("accept send")
    made.inbound(send(TARGET))
    ((ticket, _),) = asks(made)
    answered(made)
    assert not made.core.waits(ticket)
    assert not made.answer(ticket, "deny").closed


def test_rules_that_change_meanwhile_decide() -> None:
    made = silent("accept send")
    made.inbound(send(TARGET))
    made.set_rules("deny *")
    assert not answered(made)


def test_in_audit_mode_it_is_asked_as_well() -> None:
    made = CoreChannel("accept send", "deny *", audit=True)
    made.office.people[TARGET] = AUTH
    output = made.inbound(send(TARGET))
    assert (output.forward, output.reasons) == ([send(TARGET)], ["audit:default"])
    asked = len(made.office.asked)
    made.core.set_policy(_core.PeerRules([]), audit=True)
    made.now += 2
    assert made.inbound(send(TARGET)).reasons == ["audit:default"]
    assert len(made.office.asked) == asked, "it was refused whoever that is"


# === nobody else answers ===


def test_the_peer_cannot_answer() -> None:
    made = silent("accept *", "accept send")
    made.set_rules("accept send", "accept reg_send", "accept monitor_exit", "accept spawn_reply", "deny *")
    made.inbound(send(TARGET))
    ref = next(one.args["ref"] for one in made.office.asked if one.op is Op.SPAWN_REQUEST)
    reason = (ref, Atom("return"), [Atom("undefined")])
    for forged in (
        message(Op.PAYLOAD_MONITOR_P_EXIT, G.pid(7777), CLERK, ref, payload=reason),
        message(Op.SEND_SENDER, P.pid(), CLERK, payload=(ref, [])),
        message(Op.REG_SEND, CLERK, EMPTY, SERVER, payload=1),
    ):
        output = made.inbound(forged)
        assert not [one for one in output.forward if one.args.get("to") == TARGET]
        if output.closed:
            return
    assert answered(made) == [send(TARGET)]


def test_a_guess_of_the_reference_is_no_answer() -> None:
    made = silent("accept send")
    made.inbound(send(TARGET))
    for one, words in itertools.product(range(5), range(3)):
        ref = P.ref(one, 3 if words else 5)
        made.outbound(message(Op.SEND_SENDER, G.pid(9), CLERK, payload=(ref, [(Atom("ok"), Atom("shop"))])))
        made.outbound(message(Op.PAYLOAD_MONITOR_P_EXIT, G.pid(9), CLERK, ref, payload=(ref, Atom("return"), [])))
    assert answered(made) == [send(TARGET)]


def test_references_differ_between_channels_and_questions() -> None:
    seen: list[Term] = []
    for _ in range(3):
        made = silent("accept send")
        made.inbound(send(TARGET))
        seen += [one.args["ref"] for one in made.office.asked]
    assert len(set(seen)) == len(seen) == 12


def test_nothing_of_it_reaches_the_peer() -> None:
    made = channel("accept send", "deny *")
    output = made.inbound(send(TARGET))
    assert output.back == []


@pytest.mark.parametrize("answer", [[], [Atom("x")], Atom("x"), [(Atom("ok"), 1)], [[(Atom("registered_name"), 7)]]])
def test_a_strange_answer_ends_the_channel(answer: Term) -> None:
    made = silent("accept send")
    made.inbound(send(TARGET))
    asked = [one for one in made.office.asked if one.op is Op.SPAWN_REQUEST][1]
    ref = asked.args["ref"]
    output = made.outbound(
        message(Op.PAYLOAD_MONITOR_P_EXIT, G.pid(9), CLERK, ref, payload=(ref, Atom("return"), answer))
    )
    assert output.closed


# === aliases ===


def to_alias(number: int = 1) -> Message:
    return message(Op.ALIAS_SEND, P.pid(), G.alias(number), payload=1)


def test_an_alias_beside_a_process_is_judged_as_that_process() -> None:
    for owner, accepted in ((USER, True), (AUTH, False)):
        made = channel("accept alias_send", "deny *", p52=owner)
        call = (Atom("$gen_call"), (TARGET, alias(G.alias())), 1)
        made.outbound(message(Op.REG_SEND, TARGET, EMPTY, SERVER, payload=call))
        # The answer is for the question; what comes after it is judged.
        passes(made, to_alias()) if accepted else refused(made, to_alias())


def test_an_alias_alone_is_judged_as_who_sent_it() -> None:
    made = channel("accept alias_send", "accept reg_send auth", "accept otp_internal", "deny *", p52=AUTH)
    refused(made, to_alias())
    made.outbound(message(Op.SEND_SENDER, OTHER, P.pid(), payload=G.alias()))
    passes(made, to_alias())
    made.outbound(message(Op.SEND_SENDER, TARGET, P.pid(), payload=G.alias(2)))
    refused(made, to_alias(2))
