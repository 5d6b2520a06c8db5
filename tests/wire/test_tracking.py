"""Answers to what the guarded node asked for pass under ``deny *``, once; forged ones do not; endings pass."""

from __future__ import annotations

import pytest

from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, OTP_25, OTP_28, Alt, Message, Op, message
from tests.support.etf import Atom, Improper, Map, Pid, Ref, Term, alias
from tests.wire.expect import TAGS, once, passes, refused

P, G, T = CoreChannel.peer, CoreChannel.guard, CoreChannel.third
SERVER = Atom("server")
DOWN = Atom("noproc")
MFA = (Atom("m"), Atom("f"), 1)


def asked(*sent: Message, flags: int = OTP_25) -> CoreChannel:
    channel = CoreChannel("deny *", flags=flags, release=28)
    assert channel.outbound(*sent).forward == list(sent)
    return channel


def out_call(tag: Term, to: Term = SERVER, request: Term = 1) -> Message:
    payload = (Atom("$gen_call"), (G.pid(), tag), request)
    if isinstance(to, Atom):
        return message(Op.REG_SEND, G.pid(), EMPTY, to, payload=payload)
    return message(Op.SEND_SENDER, G.pid(), to, payload=payload)


def reply(tag: Term, value: Term = 7, *, to: Pid | None = None, sender: Pid | None = None) -> Message:
    return message(Op.SEND_SENDER, sender or P.pid(), to or G.pid(), payload=(tag, value))


def down(ref: Ref, watched: Term, to: Pid | None = None) -> Message:
    return message(Op.PAYLOAD_MONITOR_P_EXIT, watched, to or G.pid(), ref, payload=DOWN)


@pytest.mark.parametrize("to", [SERVER, P.pid(3)], ids=["name", "pid"])
@pytest.mark.parametrize("tag", TAGS)
def test_a_reply_to_the_pid_passes_once(tag: str, to: Term) -> None:
    once(asked(out_call(TAGS[tag], to)), reply(TAGS[tag]))


@pytest.mark.parametrize("op", [Op.SEND, Op.SEND_TT, Op.SEND_SENDER_TT])
def test_a_reply_passes_in_every_form(op: Op) -> None:
    channel = asked(out_call(G.ref()))
    head: Term = EMPTY if op in (Op.SEND, Op.SEND_TT) else P.pid()
    token: tuple[Term, ...] = () if op is Op.SEND else ((1, 0, 0, P.pid(), 0),)
    once(channel, message(op, head, G.pid(), *token, payload=(G.ref(), 1)))


@pytest.mark.parametrize(
    ("tag", "key"), [(alias(G.alias()), G.alias()), (Improper((alias(G.alias(5)),), G.alias(6)), G.alias(5))]
)
def test_a_reply_to_the_alias_passes_once(tag: Term, key: Ref) -> None:
    once(asked(out_call(tag)), message(Op.ALIAS_SEND, P.pid(), key, payload=(tag, 7)))
    answer = message(Op.ALTACT_SIG_SEND, int(Alt.ALIAS), P.pid(), key, payload=(tag, 7))
    once(asked(out_call(tag), flags=OTP_28), answer)


def test_one_answer_passes_in_whatever_form() -> None:
    channel = asked(out_call(alias(G.alias())))
    passes(channel, message(Op.ALIAS_SEND, P.pid(), G.alias(), payload=(alias(G.alias()), 7)))
    refused(channel, reply(alias(G.alias())))


def test_answers_in_fragments_pass() -> None:
    channel = asked(out_call(alias(G.alias())))
    answer = message(Op.ALIAS_SEND, P.pid(), G.alias(), payload=(alias(G.alias()), b"x" * 3000))
    outputs = [channel.inbound(one) for one in channel.from_peer.frames(answer, fragment=300)]
    rehearsal, *got = [one for output in outputs for one in output.forward]
    assert got == [answer]
    # A VM dies of a control message in fragments that it can't decode: it hears this one first, as a term.
    assert rehearsal.args["to"] == "undefined"
    refused(channel, answer)


def test_calls_in_fragments_are_answered() -> None:
    channel = CoreChannel("deny *")
    call = out_call(alias(G.alias()), request=b"x" * 3000)
    frames = channel.from_guard.frames(call, fragment=300)
    assert [one for each in frames for one in channel.outbound(each).forward] == [call]
    once(channel, reply(alias(G.alias())))


FORGED: dict[str, Message] = {
    "another reference": reply(G.ref(8)),
    "another asker": reply(G.ref(), to=G.pid(101)),
    "the plain reference without tuple": message(Op.SEND_SENDER, P.pid(), G.pid(), payload=G.ref()),
    "three elements": message(Op.SEND_SENDER, P.pid(), G.pid(), payload=(G.ref(), 1, 2)),
    "to the name": message(Op.REG_SEND, P.pid(), EMPTY, SERVER, payload=(G.ref(), 1)),
    "another first element": message(Op.SEND_SENDER, P.pid(), G.pid(), payload=(Atom("system"), G.ref())),
    "another incarnation's reference": reply(Ref(G.name, G.creation - 1, G.ref().words)),
    "the peer's reference": reply(Ref(P.name, P.creation, G.ref().words)),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_replies_are_refused(name: str) -> None:
    channel = asked(out_call(G.ref()))
    refused(channel, FORGED[name])
    once(channel, reply(G.ref()))


def test_answers_nobody_asked_for_are_refused() -> None:
    for sent in (reply(G.ref()), message(Op.ALIAS_SEND, P.pid(), G.alias(), payload=(alias(G.alias()), 1))):
        refused(CoreChannel("deny *"), sent)


def test_a_call_to_an_alias_of_the_peer_is_answered() -> None:
    call = message(Op.ALIAS_SEND, G.pid(), P.alias(), payload=(Atom("$gen_call"), (G.pid(), alias(G.alias())), 1))
    once(asked(call), reply(alias(G.alias())))


def test_many_calls_at_once_are_each_answered_once() -> None:
    channel = asked(*(out_call(G.ref(number)) for number in range(50)))
    for number in (7, 3, 49, 0):
        once(channel, reply(G.ref(number)))


def test_tracking_is_bounded() -> None:
    channel = CoreChannel("deny *", limits={"tracked": 10})
    for number in range(1000):
        channel.outbound(out_call(G.ref(number)))
    once(channel, reply(G.ref(999)))
    refused(channel, reply(G.ref(5)))
    assert channel.core.pending() == 0


# === rex, io ===


def test_answers_of_rex_pass_once() -> None:
    channel = asked(message(Op.REG_SEND, G.pid(), EMPTY, Atom("rex"), payload=(G.pid(), Atom("features_request"))))
    answer = message(Op.SEND_SENDER, P.pid(), G.pid(), payload=(Atom("features_reply"), P.name, [Atom("erpc")]))
    once(channel, answer)
    call: Term = (Atom("call"), Atom("m"), Atom("f"), [], G.pid())
    channel = asked(message(Op.REG_SEND, G.pid(), EMPTY, Atom("rex"), payload=(G.pid(), call)))
    answer = message(Op.SEND_SENDER, P.pid(), G.pid(), payload=(Atom("rex"), 7))
    refused(channel, message(Op.SEND_SENDER, P.pid(), G.pid(4), payload=(Atom("rex"), 7)))
    once(channel, answer)


def test_answers_of_rex_are_for_questions_to_rex() -> None:
    channel = asked(message(Op.REG_SEND, G.pid(), EMPTY, Atom("other"), payload=(G.pid(), Atom("features_request"))))
    refused(channel, message(Op.SEND_SENDER, P.pid(), G.pid(), payload=(Atom("features_reply"), P.name, [])))


# === monitors ===


@pytest.mark.parametrize("watched", [P.pid(), SERVER], ids=["pid", "name"])
def test_a_down_passes_once(watched: Term) -> None:
    monitor = message(Op.MONITOR_P, G.pid(), watched, G.ref())
    once(asked(monitor), down(G.ref(), watched))
    old = message(Op.MONITOR_P_EXIT, watched, G.pid(), G.ref(), DOWN)
    once(asked(monitor), old)


def test_a_forged_down_is_refused() -> None:
    channel = asked(message(Op.MONITOR_P, G.pid(), P.pid(), G.ref()))
    refused(channel, down(G.ref(2), P.pid()))
    output = channel.inbound(down(G.ref(), T.pid()))
    assert not output.forward
    if output.closed is None:
        passes(channel, down(G.ref(), P.pid()))


def test_a_down_may_cross_the_end_of_its_monitor() -> None:
    """The guarded node may end a monitor while the DOWN is under way: no harm, and no false alarm."""
    monitor = message(Op.MONITOR_P, G.pid(), P.pid(), G.ref())
    ended = (monitor, message(Op.DEMONITOR_P, G.pid(), P.pid(), G.ref()))
    once(asked(*ended), down(G.ref(), P.pid()))
    late = asked(*ended)
    late.now += 61
    refused(late, down(G.ref(), P.pid()))


def test_the_end_of_a_monitor_may_cross_its_down() -> None:
    monitor = message(Op.MONITOR_P, P.pid(), SERVER, P.ref())
    demonitor = message(Op.DEMONITOR_P, P.pid(), SERVER, P.ref())
    for wait in (0, 61):
        channel = CoreChannel("accept monitor", "deny *")
        passes(channel, monitor)
        assert channel.outbound(message(Op.PAYLOAD_MONITOR_P_EXIT, SERVER, P.pid(), P.ref(), payload=DOWN)).forward
        channel.now += wait
        refused(channel, message(Op.DEMONITOR_P, P.pid(2), SERVER, P.ref()))
        if not wait:
            passes(channel, demonitor)
        refused(channel, demonitor)


def test_the_end_of_an_accepted_monitor_passes_once() -> None:
    channel = CoreChannel("accept monitor", "deny *")
    monitor = message(Op.MONITOR_P, P.pid(), SERVER, P.ref())
    demonitor = message(Op.DEMONITOR_P, P.pid(), SERVER, P.ref())
    refused(channel, demonitor)
    passes(channel, monitor)
    refused(channel, message(Op.DEMONITOR_P, P.pid(), SERVER, P.ref(2)))
    refused(channel, message(Op.DEMONITOR_P, P.pid(2), SERVER, P.ref()))
    once(channel, demonitor)


def test_a_rule_that_names_the_ending_decides() -> None:
    channel = CoreChannel("drop demonitor", "accept monitor", "deny *")
    passes(channel, message(Op.MONITOR_P, P.pid(), SERVER, P.ref()))
    refused(channel, message(Op.DEMONITOR_P, P.pid(), SERVER, P.ref()))


@pytest.mark.parametrize("command", ["monitor_exit", "spawn_reply", "send", "alias_send", "unlink_ack", "exit"])
def test_a_rule_that_names_the_answer_decides(command: str) -> None:
    channel = CoreChannel(f"drop {command}", "deny *")
    channel.outbound(
        message(Op.MONITOR_P, G.pid(), P.pid(), G.ref()),
        message(Op.SPAWN_REQUEST, G.ref(2), G.pid(), G.pid(), MFA, [], payload=[1]),
        out_call(alias(G.alias(3))),
        message(Op.LINK, G.pid(), P.pid()),
        message(Op.UNLINK_ID, 3, G.pid(), P.pid(9)),
    )
    answers = {
        "monitor_exit": down(G.ref(), P.pid()),
        "spawn_reply": message(Op.SPAWN_REPLY, G.ref(2), G.pid(), 0, P.pid(7)),
        "send": reply(alias(G.alias(3))),
        "alias_send": message(Op.ALIAS_SEND, P.pid(), G.alias(3), payload=(alias(G.alias(3)), 1)),
        "unlink_ack": message(Op.UNLINK_ID_ACK, 3, P.pid(9), G.pid()),
        "exit": message(Op.PAYLOAD_EXIT, P.pid(), G.pid(), payload=DOWN),
    }
    refused(channel, answers[command])


UNASKED = {
    "down": down(G.ref(9), P.pid()),
    "down of another process": down(G.ref(), P.pid(2)),
    "down of a name": down(G.ref(), SERVER),
    "down for another process": down(G.ref(), P.pid(), G.pid(2)),
    "spawn reply": message(Op.SPAWN_REPLY, G.ref(9), G.pid(), 0, P.pid(7)),
    "spawn reply for another process": message(Op.SPAWN_REPLY, G.ref(2), G.pid(2), 0, P.pid(7)),
    "unlink ack": message(Op.UNLINK_ID_ACK, 9, P.pid(), G.pid()),
    "exit": message(Op.PAYLOAD_EXIT, P.pid(2), G.pid(), payload=DOWN),
}


@pytest.mark.parametrize("name", UNASKED)
def test_what_nobody_asked_for_passes_under_no_rule_for_all(name: str) -> None:
    """With ``accept *`` a peer could end monitors that the guarded node has on a third node."""
    sent = UNASKED[name]
    channel = CoreChannel("accept *")
    channel.outbound(
        message(Op.MONITOR_P, G.pid(), P.pid(), G.ref()),
        message(Op.SPAWN_REQUEST, G.ref(2), G.pid(), G.pid(), MFA, [], payload=[1]),
        message(Op.LINK, G.pid(), P.pid()),
        message(Op.UNLINK_ID, 3, G.pid(), P.pid()),
    )
    refused(channel, sent)
    assert CoreChannel("accept *", audit=True).inbound(sent).forward == [sent]
    passes(CoreChannel(f"accept {sent.command}", "deny *"), sent)
    assert CoreChannel("accept *", out=["accept *"]).outbound(message(Op.LINK, G.pid(), P.pid())).forward


def test_what_nobody_asked_for_is_refused_in_fragments() -> None:
    channel = CoreChannel("accept *")
    sent = message(Op.PAYLOAD_MONITOR_P_EXIT, P.pid(), G.pid(), G.ref(9), payload=b"x" * 3000)
    outputs = [channel.inbound(one) for one in channel.from_peer.frames(sent, fragment=300)]
    assert not any(output.forward for output in outputs)
    assert [reason for output in outputs for reason in output.reasons] == ["default"]


def test_what_was_asked_for_passes_under_rules_for_all() -> None:
    channel = CoreChannel("accept *")
    channel.outbound(message(Op.MONITOR_P, G.pid(), SERVER, G.ref()), message(Op.LINK, G.pid(), P.pid()))
    once(channel, down(G.ref(), SERVER))
    once(channel, message(Op.PAYLOAD_EXIT, P.pid(), G.pid(), payload=DOWN))


def test_what_there_was_no_room_to_note_passes_under_rules_for_all() -> None:
    channel = CoreChannel("accept *", limits={"tracked": 2})
    for number in range(1, 4):
        refused(channel, down(G.ref(9), P.pid()))
        channel.outbound(message(Op.MONITOR_P, G.pid(), P.pid(), G.ref(number)))
        channel.outbound(message(Op.LINK, G.pid(), P.pid(number)))
    passes(channel, down(G.ref(1), P.pid()))
    refused(channel, down(G.ref(3), P.pid(2)))
    passes(channel, message(Op.PAYLOAD_EXIT, P.pid(3), G.pid(), payload=DOWN))
    refused(channel, message(Op.UNLINK_ID_ACK, 9, P.pid(), G.pid()))


# === spawns ===


def spawn(*options: Term, ref: Ref | None = None) -> Message:
    return message(Op.SPAWN_REQUEST, ref or G.ref(), G.pid(), G.pid(), MFA, list(options), payload=[1])


def test_a_spawn_reply_passes_once() -> None:
    once(asked(spawn()), message(Op.SPAWN_REPLY, G.ref(), G.pid(), 0, P.pid(7)))
    once(asked(spawn()), message(Op.SPAWN_REPLY, G.ref(), G.pid(), 0, Atom("notsup")))
    refused(asked(spawn()), message(Op.SPAWN_REPLY, G.ref(2), G.pid(), 0, P.pid(7)))
    refused(asked(spawn()), message(Op.SPAWN_REPLY, G.ref(), G.pid(4), 0, P.pid(7)))
    refused(CoreChannel("deny *"), message(Op.SPAWN_REPLY, G.ref(), G.pid(), 0, P.pid(7)))


def test_a_spawn_with_monitor_ends_with_a_down() -> None:
    """As in an erpc call: the result comes as the DOWN's reason, after the reply."""
    channel = asked(spawn(Atom("monitor")))
    passes(channel, message(Op.SPAWN_REPLY, G.ref(), G.pid(), 2, P.pid(7)))
    once(channel, down(G.ref(), P.pid(7)))


def test_no_down_before_the_spawn_reply() -> None:
    """A VM closes the connection for it."""
    output = asked(spawn(Atom("monitor"))).inbound(down(G.ref(), P.pid(7)))
    assert output.closed
    assert not output.forwarded


def test_a_spawn_without_monitor_ends_unheard() -> None:
    channel = asked(spawn())
    passes(channel, message(Op.SPAWN_REPLY, G.ref(), G.pid(), 0, P.pid(7)))
    refused(channel, down(G.ref(), P.pid(7)))


def test_a_spawn_with_link_ends_with_an_exit_after_its_reply() -> None:
    channel = asked(spawn(Atom("link")))
    exit_signal = message(Op.PAYLOAD_EXIT, P.pid(7), G.pid(), payload=DOWN)
    refused(channel, exit_signal)
    passes(channel, message(Op.SPAWN_REPLY, G.ref(), G.pid(), 1, P.pid(7)))
    once(channel, exit_signal)


def test_a_spawn_that_failed_links_nothing() -> None:
    channel = asked(spawn(Atom("link"), Atom("monitor")))
    passes(channel, message(Op.SPAWN_REPLY, G.ref(), G.pid(), 0, Atom("badopt")))
    refused(channel, down(G.ref(), P.pid(7)))
    refused(channel, message(Op.PAYLOAD_EXIT, P.pid(7), G.pid(), payload=DOWN))


def test_what_an_accepted_spawn_made_ends_without_a_rule() -> None:
    """Links and monitors made by the options of a spawn that was accepted end without a rule, too."""
    channel = CoreChannel("accept spawn_request m:f/1", "deny *")
    passes(
        channel,
        message(*(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(), MFA), [Atom("link"), Atom("monitor")], payload=[1]),
    )
    answer = message(Op.SPAWN_REPLY, P.ref(), P.pid(), 3, G.pid(50))
    assert channel.outbound(answer).forward == [answer]
    refused(channel, message(Op.DEMONITOR_P, P.pid(), G.pid(50), P.ref(9)))
    once(channel, message(Op.DEMONITOR_P, P.pid(), G.pid(50), P.ref()))
    passes(channel, message(Op.UNLINK_ID, 6, P.pid(), G.pid(50)))
    assert channel.outbound(message(Op.UNLINK_ID_ACK, 6, G.pid(50), P.pid())).forward


def test_an_exit_passes_through_the_link_of_an_accepted_spawn() -> None:
    channel = CoreChannel("accept spawn_request m:f/1", "deny *")
    passes(channel, message(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(), MFA, [Atom("link")], payload=[1]))
    channel.outbound(message(Op.SPAWN_REPLY, P.ref(), P.pid(), 1, G.pid(50)))
    refused(channel, message(Op.PAYLOAD_EXIT, P.pid(), G.pid(51), payload=DOWN))
    once(channel, message(Op.PAYLOAD_EXIT, P.pid(), G.pid(50), payload=DOWN))


# === links ===


def test_an_exit_passes_through_a_link_of_the_guarded_node() -> None:
    channel = asked(message(Op.LINK, G.pid(), P.pid()))
    refused(channel, message(Op.PAYLOAD_EXIT, P.pid(2), G.pid(), payload=DOWN))
    refused(channel, message(Op.PAYLOAD_EXIT, P.pid(), G.pid(2), payload=DOWN))
    refused(channel, message(Op.PAYLOAD_EXIT2, P.pid(), G.pid(), payload=DOWN))
    once(channel, message(Op.PAYLOAD_EXIT, P.pid(), G.pid(), payload=DOWN))


@pytest.mark.parametrize(
    "exit_signal",
    [
        message(Op.EXIT, P.pid(), G.pid(), DOWN),
        message(Op.EXIT_TT, P.pid(), G.pid(), (1, 0, 0, P.pid(), 0), DOWN),
        message(Op.PAYLOAD_EXIT, P.pid(), G.pid(), payload=DOWN),
        message(Op.PAYLOAD_EXIT_TT, P.pid(), G.pid(), (1, 0, 0, P.pid(), 0), payload=DOWN),
    ],
)
def test_an_exit_passes_through_an_accepted_link(exit_signal: Message) -> None:
    channel = CoreChannel("accept link", "deny *")
    refused(channel, exit_signal)
    passes(channel, message(Op.LINK, P.pid(), G.pid()))
    once(channel, exit_signal)


def test_no_exit_passes_through_a_refused_link() -> None:
    channel = CoreChannel("deny *")
    refused(channel, message(Op.LINK, P.pid(), G.pid()))
    refused(channel, message(Op.PAYLOAD_EXIT, P.pid(), G.pid(), payload=DOWN))


def test_after_an_unlink_by_the_peer_no_exit_passes() -> None:
    channel = CoreChannel("accept link", "deny *")
    passes(channel, message(Op.LINK, P.pid(), G.pid()))
    passes(channel, message(Op.UNLINK_ID, 3, P.pid(), G.pid()))
    assert channel.outbound(message(Op.UNLINK_ID_ACK, 3, G.pid(), P.pid())).forward
    refused(channel, message(Op.PAYLOAD_EXIT, P.pid(), G.pid(), payload=DOWN))


def test_an_unlink_by_the_guarded_node_is_acknowledged_once() -> None:
    channel = asked(message(Op.LINK, G.pid(), P.pid()), message(Op.UNLINK_ID, 3, G.pid(), P.pid()))
    refused(channel, message(Op.UNLINK_ID_ACK, 4, P.pid(), G.pid()))
    once(channel, message(Op.UNLINK_ID_ACK, 3, P.pid(), G.pid()))
    refused(channel, message(Op.PAYLOAD_EXIT, P.pid(), G.pid(), payload=DOWN))


def test_an_exit_may_cross_the_unlink() -> None:
    """Until the unlink is acknowledged the link may still break; the guarded node ignores what comes too late."""
    channel = asked(message(Op.LINK, G.pid(), P.pid()), message(Op.UNLINK_ID, 3, G.pid(), P.pid()))
    passes(channel, message(Op.PAYLOAD_EXIT, P.pid(), G.pid(), payload=DOWN))
    passes(channel, message(Op.UNLINK_ID_ACK, 3, P.pid(), G.pid()))


@pytest.mark.parametrize(
    "ending",
    [message(Op.PAYLOAD_EXIT, P.pid(), G.pid(), payload=DOWN), message(Op.UNLINK_ID, 3, P.pid(), G.pid())],
    ids=["exit", "unlink"],
)
def test_an_ending_may_cross_an_exit(ending: Message) -> None:
    """Both processes may end, or one of them unlink, before it hears of the other."""
    for wait in (0, 61):
        channel = asked(message(Op.LINK, G.pid(), P.pid()), message(Op.PAYLOAD_EXIT, G.pid(), P.pid(), payload=DOWN))
        channel.now += wait
        if not wait:
            passes(channel, ending)
        else:
            refused(channel, ending)


def test_a_link_may_be_made_again_before_the_unlink_is_acknowledged() -> None:
    link = message(Op.LINK, G.pid(), P.pid())
    channel = asked(link, message(Op.UNLINK_ID, 3, G.pid(), P.pid()), link)
    passes(channel, message(Op.UNLINK_ID_ACK, 3, P.pid(), G.pid()))
    once(channel, message(Op.PAYLOAD_EXIT, P.pid(), G.pid(), payload=DOWN))


def test_the_peer_may_unlink_what_the_guarded_node_linked() -> None:
    channel = asked(message(Op.LINK, G.pid(), P.pid()))
    passes(channel, message(Op.UNLINK_ID, 12, P.pid(), G.pid()))


# === ping ===


def test_a_ping_by_the_guarded_node_is_answered_once() -> None:
    net_kernel = Atom("net_kernel")
    channel = asked(
        message(Op.MONITOR_P, G.pid(), net_kernel, G.alias()),
        out_call(alias(G.alias()), net_kernel, (Atom("is_auth"), G.name)),
    )
    once(channel, reply(alias(G.alias()), Atom("yes")))


def ping(name: Atom) -> list[Message]:
    call = (Atom("$gen_call"), (P.pid(), alias(P.alias())), (Atom("is_auth"), name))
    return [
        message(Op.MONITOR_P, P.pid(), Atom("net_kernel"), P.alias()),
        message(Op.REG_SEND, P.pid(), EMPTY, Atom("net_kernel"), payload=call),
    ]


def test_a_ping_by_the_peer_passes() -> None:
    channel = CoreChannel("accept ping", "deny *")
    sent = ping(P.name)
    assert channel.inbound(*sent).forward == sent
    passes(channel, message(Op.DEMONITOR_P, P.pid(), Atom("net_kernel"), P.alias()))


@pytest.mark.parametrize(
    "request_",
    [
        (Atom("is_auth"), T.name),
        (Atom("is_auth"), G.name),
        (Atom("is_auth"), P.name, 1),
        (Atom("is_auth"),),
        (Atom("spawn"), Atom("m"), Atom("f"), [], P.pid()),
        Atom("is_auth"),
        Map(),
    ],
)
def test_what_is_not_a_ping_is_refused(request_: Term) -> None:
    channel = CoreChannel("accept ping", "deny *")
    passes(channel, ping(P.name)[0])
    call = (Atom("$gen_call"), (P.pid(), alias(P.alias())), request_)
    output = channel.inbound(message(Op.REG_SEND, P.pid(), EMPTY, Atom("net_kernel"), payload=call))
    assert output.forward == [message(Op.DEMONITOR_P, P.pid(), Atom("net_kernel"), P.alias())]
    assert output.back == [
        message(Op.PAYLOAD_MONITOR_P_EXIT, Atom("net_kernel"), P.pid(), P.alias(), payload=Atom("not_allowed"))
    ]


def test_a_ping_to_another_name_is_refused() -> None:
    channel = CoreChannel("accept ping", "deny *")
    call = (Atom("$gen_call"), (P.pid(), alias(P.alias())), (Atom("is_auth"), P.name))
    refused(channel, message(Op.REG_SEND, P.pid(), EMPTY, Atom("auth"), payload=call))
