"""Processes that are known by a registered name are judged by that name too."""

from __future__ import annotations

import pytest

from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, Message, Op, message
from tests.support.etf import Atom, Pid, Ref, Term, alias
from tests.wire.expect import passes, refused

P, G = CoreChannel.peer, CoreChannel.guard
SERVER, REX = Atom("server"), Atom("rex")
KNOWN, OTHER = G.pid(52), G.pid(53)
CALL = "$gen_call"


def send(to: Pid, payload: Term = 1) -> Message:
    return message(Op.SEND_SENDER, P.pid(), to, payload=payload)


def call(tag: Term, to: Atom | Pid = SERVER) -> Message:
    payload = (Atom(CALL), (P.pid(), tag), 1)
    if isinstance(to, Atom):
        return message(Op.REG_SEND, P.pid(), EMPTY, to, payload=payload)
    return send(to, payload)


def answers(channel: CoreChannel, tag: Term, by: Pid = KNOWN, alias_: Ref | None = None) -> None:
    sent = message(Op.SEND_SENDER, by, P.pid(), payload=(tag, 7))
    if alias_:
        sent = message(Op.ALIAS_SEND, by, alias_, payload=(tag, 7))
    assert channel.outbound(sent).forward == [sent]


def learned(*texts: str) -> CoreChannel:
    """A wall under these rules that knows ``KNOWN`` as ``server``."""
    channel = CoreChannel("accept reg_send server", "deny *")
    passes(channel, call(P.ref()))
    answers(channel, P.ref())
    channel.set_rules(*texts)
    return channel


def expose(channel: CoreChannel, *pids: Pid) -> None:
    channel.outbound(message(Op.SEND_SENDER, G.pid(1), P.pid(), payload=list(pids)))


@pytest.mark.parametrize("in_alias", [True, False])
def test_a_name_is_learned_from_an_answer(in_alias: bool) -> None:
    channel = CoreChannel("accept reg_send server", "accept send", "deny *")
    tag = alias(P.alias())
    passes(channel, call(tag))
    passes(channel, send(KNOWN))
    answers(channel, tag, alias_=P.alias() if in_alias else None)
    passes(channel, send(KNOWN))
    channel.set_rules("accept send", "deny *")
    output = channel.inbound(send(KNOWN))
    assert output.events == [("inbound", "send", "server <0.52.0>", "deny", 1, "rule", 0)]
    passes(channel, send(OTHER))


def test_the_name_of_rex_is_learned_from_its_answers() -> None:
    for request, answer in (
        (Atom("features_request"), (Atom("features_reply"), G.name, [])),
        ((Atom("call"), Atom("m"), Atom("f"), [], P.pid()), (REX, 1)),
    ):
        channel = CoreChannel(
            "accept reg_send rex", "accept call m:f/0", "accept otp_internal", "accept send", "deny *"
        )
        passes(channel, message(Op.REG_SEND, P.pid(), EMPTY, REX, payload=(P.pid(), request)))
        sent = message(Op.SEND_SENDER, KNOWN, P.pid(), payload=answer)
        assert channel.outbound(sent).forward == [sent]
        channel.set_rules("drop reg_send rex", "accept send", "deny *")
        assert channel.inbound(send(KNOWN)).events[0][2:5] == ("rex <0.52.0>", "drop", 0)


def test_the_name_of_rex_is_learned_from_what_it_asks() -> None:
    channel = CoreChannel("accept send", "deny *")
    channel.outbound(message(Op.REG_SEND, KNOWN, EMPTY, REX, payload=(KNOWN, Atom("features_request"))))
    channel.outbound(message(Op.REG_SEND, OTHER, EMPTY, REX, payload=(G.pid(3), Atom("features_request"))))
    refused(channel, send(KNOWN))
    passes(channel, send(OTHER))
    passes(channel, send(G.pid(3)))


def test_init_is_known_by_its_pid() -> None:
    stop = (Atom("stop"), Atom("stop"))
    channel = CoreChannel("accept send", "deny *")
    assert channel.inbound(send(G.pid(0), 1)).events[0][2] == "init <0.0.0>"
    channel.set_rules("accept send", "accept reg_send init", "deny *")
    assert channel.inbound(send(G.pid(0), stop)).reasons == ["otp_internal"]
    passes(channel, send(OTHER, stop))
    channel.set_rules("accept send", "accept reg_send init", "accept otp_internal init", "deny *")
    passes(channel, send(G.pid(0), stop))


@pytest.mark.parametrize(
    ("rules", "accepted"),
    [
        # A keyed rule on the name refuses whatever the pid's own rule is.
        (("deny reg_send server", "accept send", "deny *"), False),
        (("deny reg_send server", "accept send to exposed", "deny *"), False),
        (("deny reg_send serv*", "accept *"), False),
        (("accept reg_send server", "accept send", "deny *"), True),
        # One without a key does where the pid's rule is about any process.
        (("deny reg_send", "accept send", "deny *"), False),
        (("accept send", "deny *"), False),
        (("accept send",), False),
        (("accept send to any",), False),
        (("accept send <0.52.0>",), False),
        (("deny reg_send", "accept send to exposed", "deny *"), True),
        (("accept send to exposed",), True),
        (("deny reg_send", "accept *"), True),
        (("accept *",), True),
        # With a pattern (any integer) it is matched on the payload.
        (("accept reg_send server when 0200", "accept send", "deny *"), True),
        (("accept reg_send server when 0203", "accept send", "deny *"), False),
        (("deny reg_send server when 0200", "accept *"), False),
        (("deny reg_send server when 0203", "accept *"), True),
    ],
)
def test_a_send_by_pid_is_judged_by_the_name_too(rules: tuple[str, ...], accepted: bool) -> None:
    channel = learned(*rules)
    expose(channel, KNOWN)
    (passes if accepted else refused)(channel, send(KNOWN))
    # The same in fragments, which are held where the name's rule wants to see the message.
    channel = learned(*rules)
    expose(channel, KNOWN)
    long = send(KNOWN, 1) if "when" in " ".join(rules) else send(KNOWN, b"x" * 500)
    outputs = [channel.inbound(one) for one in channel.from_peer.frames(long, fragment=80)]
    got = [one for output in outputs for one in output.forward]
    assert (long in got) == accepted
    assert not any(output.closed for output in outputs)


COMMANDS: dict[str, Message] = {
    "exit2": message(Op.PAYLOAD_EXIT2, P.pid(), KNOWN, payload=Atom("kill")),
    "link": message(Op.LINK, P.pid(), KNOWN),
    "group_leader": message(Op.GROUP_LEADER, P.pid(), KNOWN),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_other_commands_by_pid_are_judged_by_the_name_too(command: str) -> None:
    refused(learned(f"accept {command}", "deny *"), COMMANDS[command])
    passes(learned(f"accept {command}", "accept reg_send server", "deny *"), COMMANDS[command])
    # A pattern is about messages.
    refused(learned(f"accept {command}", "accept reg_send server when 00", "deny *"), COMMANDS[command])
    refused(learned("deny reg_send server", "accept *"), COMMANDS[command])
    passes(learned("accept *"), COMMANDS[command])


def test_a_monitor_by_pid_is_judged_by_the_rule_for_monitors() -> None:
    monitor = message(Op.MONITOR_P, P.pid(), KNOWN, P.ref(5))
    refused(learned("accept monitor to any", "accept reg_send server", "deny *"), monitor)
    refused(learned("deny monitor server", "accept monitor", "deny *"), monitor)
    passes(learned("accept monitor", "deny *"), monitor)


def test_answers_are_not_judged_by_the_name() -> None:
    channel = learned("deny reg_send server", "deny *")
    channel.outbound(message(Op.SEND_SENDER, KNOWN, P.pid(), payload=(Atom(CALL), (KNOWN, G.ref()), 1)))
    passes(channel, send(KNOWN, (G.ref(), 1)))


def test_a_name_is_forgotten_when_its_process_ends() -> None:
    ends = {
        "its name": message(Op.PAYLOAD_MONITOR_P_EXIT, SERVER, P.pid(), P.ref(8), payload=1),
        "the process": message(Op.PAYLOAD_MONITOR_P_EXIT, KNOWN, P.pid(), P.ref(8), payload=1),
        "by exit": message(Op.PAYLOAD_EXIT, KNOWN, P.pid(), payload=1),
    }
    for sent in ends.values():
        channel = learned("accept send", "deny *")
        refused(channel, send(KNOWN))
        channel.outbound(sent)
        passes(channel, send(KNOWN))


def test_the_peer_cannot_mislead() -> None:
    # One tag for two questions: an answer says nothing about who the answerer is.
    channel = CoreChannel("accept reg_send", "accept send", "deny *")
    passes(channel, call(P.ref(), OTHER))
    passes(channel, call(P.ref(), SERVER))
    answers(channel, P.ref(), OTHER)
    channel.set_rules("deny reg_send server", "accept send", "deny *")
    passes(channel, send(OTHER))
    # What is known stays known, also where the process answers for another name.
    channel = learned("accept reg_send public", "accept send to exposed", "deny *")
    passes(channel, call(P.ref(2), Atom("public")))
    answers(channel, P.ref(2))
    expose(channel, KNOWN)
    channel.set_rules("deny reg_send server", "accept reg_send public", "accept send to exposed", "deny *")
    refused(channel, send(KNOWN))
    # Nor does the peer's own answer, or a refused question, teach anything.
    channel = CoreChannel("accept send", "deny *")
    refused(channel, call(P.ref(), SERVER))
    answers(channel, P.ref(), OTHER)
    passes(channel, send(OTHER))


def test_many_names_push_the_oldest_out() -> None:
    channel = CoreChannel("accept reg_send", "deny *", limits={"tracked": 20})
    for n in range(1000):
        passes(channel, call(P.ref(n), Atom(f"server_{n % 30}")))
        answers(channel, P.ref(n), G.pid(100 + n))
    channel.set_rules("accept send", "deny *")
    refused(channel, send(G.pid(1090)))
