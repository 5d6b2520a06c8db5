"""``mode=audit``, and shadow policies: what would be refused is told; what passes is another matter."""

from __future__ import annotations

import pytest

from distwall import _core
from tests.support.core_channel import CoreChannel, core_rules
from tests.support.dist import EMPTY, Message, Op, message
from tests.support.etf import Atom, Export, Pid, Term

P, G, T = CoreChannel.peer, CoreChannel.guard, CoreChannel.third
SERVER = Atom("server")
SUSPEND = (Atom("system"), (P.pid(), P.ref()), Atom("suspend"))


def tell(payload: Term = 1, to: Atom = SERVER, by: Pid | None = None) -> Message:
    return message(Op.REG_SEND, by or P.pid(), EMPTY, to, payload=payload)


WAIVED: dict[str, tuple[tuple[str, ...], Message, tuple[str, int | None, str]]] = {
    "rule": (("drop reg_send",), tell(), ("drop", 0, "audit:rule")),
    "default": (("accept send",), tell(), ("deny", None, "audit:default")),
    "otp_internal": (("accept reg_send",), tell(SUSPEND), ("deny", None, "audit:otp_internal")),
    "a rule on otp_internal": (
        ("drop otp_internal", "accept reg_send"),
        tell(SUSPEND),
        ("drop", 0, "audit:otp_internal"),
    ),
    "third node": (("accept *",), tell(T.pid()), ("deny", None, "audit:third_node")),
    "leader": (("accept *",), message(Op.GROUP_LEADER, T.pid(), G.pid()), ("deny", None, "audit:third_node")),
    "funs": (("accept reg_send",), tell(Export(SERVER, SERVER, 1)), ("deny", None, "audit:funs")),
    "the first reason": (("deny reg_send",), tell([SUSPEND, T.pid()]), ("deny", 0, "audit:rule")),
}


@pytest.mark.parametrize("name", WAIVED)
@pytest.mark.parametrize("fragment", [65536, 80])
def test_what_rules_would_refuse_passes_and_is_recorded(name: str, fragment: int) -> None:
    rules, sent, (verdict, rule, reason) = WAIVED[name]
    channel = CoreChannel(*rules, audit=True)
    frames = channel.from_peer.frames(sent, fragment=fragment)
    outputs = [channel.inbound(one) for one in frames]
    assert [one for output in outputs for one in output.forward if one.args.get("to") != Atom("undefined")] == [sent]
    assert not any(output.back or output.closed for output in outputs)
    events = [event for output in outputs for event in output.events]
    assert [(event[3], event[4], event[5]) for event in events] == [(verdict, rule, reason)]
    assert {verdict for _, _, verdict in channel.counts()} == {"accept"}


REFUSED: dict[str, tuple[Message, str]] = {
    "spoofed": (tell(by=T.pid()), "spoofed"),
    "stale": (message(Op.SEND_SENDER, P.pid(), Pid(G.name, 7, 0, 1), payload=1), "stale_target"),
    "limit": (tell([Atom(f"atom_{n}") for n in range(20)]), "limit:new_atoms"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_matter_of_rules_is_refused_all_the_same(name: str) -> None:
    sent, reason = REFUSED[name]
    channel = CoreChannel("deny *", audit=True, limits={"new_atoms": 10})
    output = channel.inbound(sent)
    assert not output.forward
    assert output.reasons == [reason]


def test_one_rule_may_be_on_trial() -> None:
    channel = CoreChannel("deny reg_send server audit", "accept reg_send ok audit", "accept reg_send", "deny *")
    assert channel.inbound(tell()).reasons == ["audit:rule"]
    # It passes as if the rule had accepted it: what it carries is judged.
    assert channel.inbound(tell(SUSPEND)).forward
    assert channel.inbound(tell(T.pid())).forward
    # What an accepting rule leads to is recorded too.
    output = channel.inbound(tell(SUSPEND, Atom("ok")))
    assert (output.reasons, len(output.forward)) == (["audit:otp_internal"], 1)
    output = channel.inbound(tell(SUSPEND, Atom("other")))
    assert (output.reasons, output.forward) == (["otp_internal"], [])


def test_what_passes_is_tracked() -> None:
    channel = CoreChannel("deny *", audit=True)
    assert channel.inbound(message(Op.MONITOR_P, P.pid(), SERVER, P.ref())).reasons == ["audit:rule"]
    assert not channel.inbound(message(Op.DEMONITOR_P, P.pid(), SERVER, P.ref())).events


def test_what_goes_out_may_be_on_trial() -> None:
    channel = CoreChannel("deny *", out=["deny *"], audit=True)
    output = channel.outbound(message(Op.REG_SEND, G.pid(), EMPTY, SERVER, payload=1))
    assert output.reasons == ["audit:rule"]
    assert output.forward


def test_audit_may_begin_in_the_middle_of_a_message() -> None:
    channel = CoreChannel("accept *")
    first, *rest = channel.from_peer.frames(tell([b"x" * 300, T.pid()]), fragment=100)
    channel.inbound(first)
    channel.core.set_policy(_core.PeerRules(core_rules("accept *")), audit=True)
    outputs = [channel.inbound(one) for one in rest]
    assert not any(output.closed for output in outputs)


# === shadow policies ===


def test_a_candidate_decides_nothing_and_is_told() -> None:
    channel = CoreChannel("accept reg_send", "deny *", shadow=["drop reg_send server", "accept *"])
    output = channel.inbound(tell())
    assert output.forward == [tell()]
    assert output.events == [("inbound", "reg_send", "server", "drop", 0, "shadow:drop", 0)]
    assert not channel.inbound(tell(to=Atom("other"))).events
    output = channel.inbound(message(Op.LINK, P.pid(), G.pid()))
    assert [event[3:6] for event in output.events] == [("deny", 1, "rule"), ("accept", 1, "shadow:accept")]
    assert output.back
    assert not output.forward
    assert channel.core.shadow_differences() == 2
    assert channel.counts() == {("inbound", "reg_send", "accept"): 2, ("inbound", "link", "deny"): 1}


def test_a_candidate_of_the_same_mind_is_silent() -> None:
    channel = CoreChannel("accept reg_send server", "deny *", shadow=["deny link", "accept reg_send server"])
    for sent in (tell(), message(Op.LINK, P.pid(), G.pid())):
        channel.inbound(sent)
    assert channel.core.shadow_differences() == 0


@pytest.mark.parametrize("payload", [SUSPEND, T.pid(), Export(SERVER, SERVER, 1)])
@pytest.mark.parametrize("fragment", [65536, 100])
def test_a_candidate_sees_what_a_message_carries(payload: Term, fragment: int) -> None:
    channel = CoreChannel("accept *", third_nodes=["*"], shadow=["accept reg_send", "accept *"])
    frames = channel.from_peer.frames(tell(payload), fragment=fragment)
    outputs = [channel.inbound(one) for one in frames]
    assert [reason for output in outputs for reason in output.reasons] == ["shadow:deny"]
    assert not any(output.closed for output in outputs)


def test_with_audit_the_rules_are_compared() -> None:
    channel = CoreChannel("deny *", shadow=["deny *"], audit=True)
    assert channel.inbound(tell()).reasons == ["audit:rule"]
    assert channel.core.shadow_differences() == 0


def test_nothing_is_held_for_a_candidate() -> None:
    channel = CoreChannel("accept *", shadow=["deny reg_send when 0200", "accept *"])
    first, *_rest = channel.from_peer.frames(tell(b"x" * 300), fragment=100)
    assert channel.inbound(first).forwarded


def test_events_are_folded_and_counts_are_not() -> None:
    channel = CoreChannel("accept *", shadow=["deny *"])
    events = channel.inbound(*[tell(n) for n in range(200)]).events
    assert len(events) == 50
    assert channel.core.folded() == 150
    assert channel.core.shadow_differences() == 200
