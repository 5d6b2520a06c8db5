"""Rules ``to exposed``, ``spawned``, ``linked``: what the other node disclosed, and for how long that is known."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, OTP_28, Alt, Message, Op, message
from tests.support.etf import Atom, Export, Improper, Map, Pid, Term, alias
from tests.wire.expect import once, passes, refused

P, G = CoreChannel.peer, CoreChannel.guard
SHOWN, HIDDEN = G.pid(7), G.pid(8)
TOKEN = (1, 0, 0, G.pid(8), 0)
SERVER = Atom("server")
EXPOSED = ("accept send to exposed", "accept alias_send to exposed", "deny *")


def send(to: Pid, payload: Term = 1) -> Message:
    return message(Op.SEND_SENDER, P.pid(), to, payload=payload)


def shows(payload: Term) -> Message:
    return message(Op.SEND_SENDER, HIDDEN, P.pid(), payload=payload)


def tells(channel: CoreChannel, *sent: Message) -> None:
    assert channel.outbound(*sent).forward == list(sent)


CARRIERS: dict[str, Message] = {
    "a send": shows((Atom("ok"), SHOWN)),
    "a list's tail": shows(Improper((1,), SHOWN)),
    "a map's key": shows(Map(((SHOWN, 1),))),
    "a map's value": shows(Map(((1, [SHOWN]),))),
    "a name": message(Op.REG_SEND, HIDDEN, EMPTY, SERVER, payload=SHOWN),
    "an alias": message(Op.ALIAS_SEND, HIDDEN, P.alias(), payload=SHOWN),
    "arguments": message(Op.SPAWN_REQUEST, G.ref(), HIDDEN, G.pid(9), (SERVER, SERVER, 1), [], payload=[SHOWN]),
    "a group leader": message(Op.SPAWN_REQUEST, G.ref(), HIDDEN, SHOWN, (SERVER, SERVER, 1), [], payload=[1]),
    "a message with a trace": message(Op.SEND_SENDER_TT, HIDDEN, P.pid(), TOKEN, payload=SHOWN),
}


@pytest.mark.parametrize("name", CARRIERS)
def test_a_process_that_was_shown_is_exposed(name: str) -> None:
    channel = CoreChannel(*EXPOSED)
    refused(channel, send(SHOWN))
    tells(channel, CARRIERS[name])
    passes(channel, send(SHOWN))
    passes(channel, send(SHOWN))
    refused(channel, send(HIDDEN))
    refused(channel, send(G.pid(7, 1)))


NOT_DISCLOSED: dict[str, Message] = {
    "From": shows(1),
    "From of a link": message(Op.LINK, HIDDEN, P.pid()),
    "From of a monitor": message(Op.MONITOR_P, HIDDEN, SERVER, G.ref()),
    "asker of a spawn": message(Op.SPAWN_REQUEST, G.ref(), HIDDEN, G.pid(9), (SERVER, SERVER, 1), [], payload=[1]),
    "group leader": message(Op.GROUP_LEADER, HIDDEN, P.pid()),
    "a reason as payload": message(Op.PAYLOAD_EXIT2, G.pid(9), P.pid(), payload=HIDDEN),
    "a reason": message(Op.EXIT2, G.pid(9), P.pid(), HIDDEN),
    "the reason of an exit": message(Op.EXIT_TT, G.pid(9), P.pid(), TOKEN, HIDDEN),
    "the reason of a DOWN": message(Op.PAYLOAD_MONITOR_P_EXIT, G.pid(9), P.pid(), P.ref(), payload=(HIDDEN,)),
    "trace token": message(Op.SEND_SENDER_TT, G.pid(9), P.pid(), TOKEN, payload=1),
    "a reply to no spawn request": message(Op.SPAWN_REPLY, P.ref(9), P.pid(), 0, HIDDEN),
}


@pytest.mark.parametrize("name", NOT_DISCLOSED)
def test_what_only_looks_like_showing_exposes_nothing(name: str) -> None:
    channel = CoreChannel(*EXPOSED)
    tells(channel, NOT_DISCLOSED[name])
    refused(channel, send(HIDDEN))


def test_what_the_peer_says_itself_exposes_nothing() -> None:
    channel = CoreChannel("accept reg_send", *EXPOSED)
    passes(channel, message(Op.REG_SEND, P.pid(), EMPTY, SERVER, payload=(SHOWN, G.alias())))
    refused(channel, send(SHOWN))
    refused(channel, message(Op.ALIAS_SEND, P.pid(), G.alias(), payload=1))


def test_aliases_are_exposed_too() -> None:
    channel = CoreChannel(*EXPOSED, flags=OTP_28, release=28)
    to_alias = message(Op.ALIAS_SEND, P.pid(), G.alias(), payload=1)
    refused(channel, to_alias)
    tells(channel, shows([G.alias()]))
    passes(channel, to_alias)
    passes(channel, message(Op.ALTACT_SIG_SEND, int(Alt.ALIAS), P.pid(), G.alias(), payload=1))
    refused(channel, message(Op.ALIAS_SEND, P.pid(), G.alias(2), payload=1))
    refused(channel, message(Op.ALIAS_SEND, P.pid(), G.ref(1), payload=1))


@pytest.mark.parametrize("size", range(60, 90))
def test_a_pid_in_fragments_is_exposed_as_soon_as_it_has_passed(size: int) -> None:
    """Cut anywhere, also within the pid: known as soon as its last byte has passed."""
    channel = CoreChannel(*EXPOSED)
    sent = shows([b"x" * 5, SHOWN, b"x" * 50])
    frames = channel.from_guard.frames(sent, fragment=size)
    got = [one for frame in frames for one in channel.outbound(frame).forward]
    assert got == [sent]
    passes(channel, send(SHOWN))


def test_exposed_as_the_parts_pass() -> None:
    channel = CoreChannel(*EXPOSED)
    sent = shows([G.pid(n) for n in range(30, 60)])
    first, *rest = channel.from_guard.frames(sent, fragment=200)
    channel.outbound(first)
    known = [not channel.inbound(send(G.pid(n))).events for n in range(30, 60)]
    assert known == sorted(known, reverse=True)
    assert True in known
    assert False in known
    for frame in rest:
        channel.outbound(frame)
    for n in range(30, 60):
        passes(channel, send(G.pid(n)))


def test_what_is_held_and_refused_exposes_nothing() -> None:
    channel = CoreChannel(*EXPOSED, out=["deny send", "accept *"])
    frames = channel.from_guard.frames(shows([SHOWN, b"x" * 3000]), fragment=300)
    assert not [one for frame in frames for one in channel.outbound(frame).forward]
    refused(channel, send(SHOWN))


def spawned(channel: CoreChannel, *options: Atom) -> None:
    flags = (1 if Atom("link") in options else 0) + (2 if Atom("monitor") in options else 0)
    request = (Atom("m"), Atom("f"), 1)
    passes(channel, message(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(), request, list(options), payload=[1]))
    tells(channel, message(Op.SPAWN_REPLY, P.ref(), P.pid(), flags, SHOWN))


@pytest.mark.parametrize("scope", ["spawned", "exposed"])
def test_what_the_peer_spawned_is_in_scope(scope: str) -> None:
    channel = CoreChannel("accept spawn_request", f"accept exit2 to {scope}", "deny *")
    kill = message(Op.PAYLOAD_EXIT2, P.pid(), SHOWN, payload=Atom("kill"))
    refused(channel, kill)
    spawned(channel, Atom("monitor"))
    passes(channel, kill)
    # A process that has ended is nobody's any more, once that is known.
    tells(channel, message(Op.PAYLOAD_MONITOR_P_EXIT, SHOWN, P.pid(), P.ref(), payload=Atom("killed")))
    passes(channel, kill)
    channel.now += 61
    refused(channel, kill)


def test_exposed_is_not_spawned() -> None:
    channel = CoreChannel("accept exit2 to spawned", "deny *")
    tells(channel, shows(SHOWN))
    refused(channel, message(Op.PAYLOAD_EXIT2, P.pid(), SHOWN, payload=Atom("kill")))


def test_what_is_linked_is_in_scope_until_it_is_not() -> None:
    channel = CoreChannel("accept spawn_request", "accept send to linked", "deny *")
    spawned(channel, Atom("link"))
    passes(channel, send(SHOWN))
    passes(channel, message(Op.UNLINK_ID, 3, P.pid(), SHOWN))
    refused(channel, send(SHOWN))


@pytest.mark.parametrize("by_peer", [True, False])
def test_either_side_may_have_linked(by_peer: bool) -> None:
    channel = CoreChannel("accept link", "accept send to linked", "deny *")
    if by_peer:
        passes(channel, message(Op.LINK, P.pid(), SHOWN))
    else:
        tells(channel, message(Op.LINK, SHOWN, P.pid()))
    passes(channel, send(SHOWN))
    refused(channel, send(HIDDEN))
    tells(channel, message(Op.PAYLOAD_EXIT, SHOWN, P.pid(), payload=Atom("done")))
    refused(channel, send(SHOWN))


def test_to_any_speaks_of_processes() -> None:
    channel = CoreChannel("accept monitor to any", "deny *")
    passes(channel, message(Op.MONITOR_P, P.pid(), SHOWN, P.ref()))
    refused(channel, message(Op.MONITOR_P, P.pid(), SERVER, P.ref(2)))


def test_processes_can_be_keys() -> None:
    channel = CoreChannel(
        "drop send <0.7.0>", "accept send", "accept alias_send #Ref<0.10.9.8.7.1>", "accept monitor _", "deny *"
    )
    refused(channel, send(SHOWN))
    passes(channel, send(HIDDEN))
    passes(channel, message(Op.ALIAS_SEND, P.pid(), G.alias(), payload=1))
    refused(channel, message(Op.ALIAS_SEND, P.pid(), G.alias(2), payload=1))
    # The name, not the process.
    passes(channel, message(Op.MONITOR_P, P.pid(), Atom("<0.7.0>"), P.ref()))
    refused(channel, message(Op.MONITOR_P, P.pid(), SHOWN, P.ref(2)))
    channel.set_rules("deny monitor <0.7.0>", "accept monitor", "deny *")
    refused(channel, message(Op.MONITOR_P, P.pid(), SHOWN, P.ref(3)))
    passes(channel, message(Op.MONITOR_P, P.pid(), Atom("<0.7.0>"), P.ref(4)))


# === how much, for how long ===


def test_the_oldest_is_forgotten() -> None:
    channel = CoreChannel(*EXPOSED, limits={"tracked": 10})
    tells(channel, shows([G.pid(n) for n in range(100, 110)]))
    channel.now += 1
    tells(channel, shows(G.pid(100)))
    tells(channel, shows([G.pid(n) for n in range(200, 205)]))
    for n in (100, 107, 109, 200, 204):
        passes(channel, send(G.pid(n)))
    for n in (101, 104):
        refused(channel, send(G.pid(n)))


def test_calls_push_no_alias_out() -> None:
    channel = CoreChannel(*EXPOSED, limits={"tracked": 10})
    tells(channel, shows(G.alias(1)))
    for n in range(2, 100):
        channel.now += 1
        tag = alias(G.alias(n))
        tells(channel, message(Op.REG_SEND, HIDDEN, EMPTY, SERVER, payload=(Atom("$gen_call"), (HIDDEN, tag), 1)))
        passes(channel, message(Op.ALIAS_SEND, P.pid(), G.alias(n), payload=(tag, 1)))
        refused(channel, message(Op.ALIAS_SEND, P.pid(), G.alias(n), payload=(tag, 1)))
    passes(channel, message(Op.ALIAS_SEND, P.pid(), G.alias(1), payload=1))


def test_the_peer_pushes_nothing_out() -> None:
    channel = CoreChannel("accept reg_send", "accept spawn_request", "accept link", *EXPOSED, limits={"tracked": 10})
    tells(channel, shows(SHOWN))
    for n in range(100):
        payload = (Atom("$gen_call"), (P.pid(n), P.ref(n)), [P.pid(n), G.pid(n)])
        channel.inbound(message(Op.REG_SEND, P.pid(), EMPTY, SERVER, payload=payload))
        channel.inbound(message(Op.LINK, P.pid(n), G.pid(n)))
        channel.inbound(
            message(Op.SPAWN_REQUEST, P.ref(n), P.pid(), P.pid(), (SERVER, SERVER, 1), [], payload=[P.pid(n)])
        )
    passes(channel, send(SHOWN))


def test_what_was_shown_grows_old() -> None:
    channel = CoreChannel(*EXPOSED, limits={"tracked_age": 100})
    call = message(Op.REG_SEND, HIDDEN, EMPTY, SERVER, payload=(Atom("$gen_call"), (HIDDEN, G.ref()), 1))
    monitor = message(Op.MONITOR_P, HIDDEN, SERVER, G.ref(3))
    tells(channel, shows(SHOWN), call, monitor)
    channel.now += 60
    tells(channel, shows(G.pid(20)))
    channel.now += 50
    refused(channel, send(SHOWN))
    passes(channel, send(G.pid(20)))
    refused(channel, message(Op.SEND_SENDER, P.pid(), HIDDEN, payload=(G.ref(), 1)))
    # Monitors and links stay.
    once(channel, message(Op.PAYLOAD_MONITOR_P_EXIT, SERVER, HIDDEN, G.ref(3), payload=1))


def test_what_is_used_does_not_age() -> None:
    channel = CoreChannel(*EXPOSED, "accept spawn_request", limits={"tracked_age": 100})
    alias_send = message(Op.ALIAS_SEND, P.pid(), G.alias(), payload=1)
    tells(channel, shows(SHOWN), shows(G.alias()), shows(G.pid(20)))
    for _ in range(10):
        channel.now += 90
        tells(channel, shows(G.pid(30)))
        passes(channel, send(SHOWN))
        passes(channel, alias_send)
    refused(channel, send(G.pid(20)))
    channel.now += 110
    refused(channel, send(SHOWN))
    refused(channel, alias_send)


def test_without_an_age_it_stays_for_ever() -> None:
    channel = CoreChannel(*EXPOSED, limits={"tracked_age": 0})
    tells(channel, shows(SHOWN))
    channel.now += 10**9
    passes(channel, send(SHOWN))


# === layers, shadow policies ===


def test_a_rule_for_a_scope_beats_one_for_the_command() -> None:
    channel = CoreChannel("drop send to spawned", "accept send to exposed", "accept spawn_request", "deny *")
    tells(channel, shows(G.pid(20)))
    spawned(channel)
    refused(channel, send(SHOWN))
    passes(channel, send(G.pid(20)))


def test_scopes_hold_for_what_goes_out() -> None:
    """The same from the other side: what the peer disclosed to the guarded node."""
    channel = CoreChannel("accept *", out=["accept send to exposed", "deny *"])
    to_peer = message(Op.SEND_SENDER, HIDDEN, P.pid(50), payload=1)
    assert channel.outbound(to_peer).reasons == ["rule"]
    passes(channel, message(Op.REG_SEND, P.pid(), EMPTY, SERVER, payload=[P.pid(50), Export(SERVER, SERVER, 1)]))
    assert channel.outbound(to_peer).forward == [to_peer]


@pytest.mark.parametrize("rules", [("deny *",), ("accept link", "deny *")])
def test_scopes_are_known_whatever_the_rules_were(rules: Sequence[str]) -> None:
    channel = CoreChannel(*rules)
    tells(channel, shows(SHOWN))
    channel.set_rules(*EXPOSED)
    passes(channel, send(SHOWN))
