"""The inbound handshake, step by step, in pieces, out of order and with garbage."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distwall.handshake import Denied, Established, NameReceived, Proved, Refused, State, messages
from distwall.handshake.inbound import MAX_EARLY
from distwall.handshake.states import EXPECTED, NEXT, TURNS, Turn
from tests.handshake.play import (
    CHALLENGE_OF_GUARD,
    CHALLENGE_OF_PEER,
    CHALLENGE_TO_GUARD,
    CHALLENGE_TO_PEER,
    GUARD,
    KNOWN,
    PEER,
    VISIBLE_29,
    Cookie,
    Entry,
    Play,
    ack,
    challenge,
    proof,
    send_name,
)

HIDDEN = KNOWN & ~messages.PUBLISHED
NAMED = b"snamed:" + struct.pack(">H", 15) + b"1-AB2@127.0.0.9" + struct.pack(">I", 77)


def parsed_name(data: bytes) -> messages.SendName:
    assert int.from_bytes(data[:2]) == len(data) - 2
    return messages.parse_send_name(data[2:])


def parsed_challenge(data: bytes) -> messages.Challenge:
    assert int.from_bytes(data[:2]) == len(data) - 2
    return messages.parse_challenge(data[2:])


# === what real nodes do ===


def test_a_whole_handshake() -> None:
    play = Play()
    play.peer(send_name())
    assert parsed_name(play.sent_to_guard()) == messages.SendName(VISIBLE_29 & HIDDEN, 0x01020304, PEER)
    assert play.sent_to_peer() == b""

    play.guarded(messages.status("ok"))
    assert play.sent_to_peer() == messages.status("ok")

    play.guarded(challenge())
    shown = messages.Challenge(VISIBLE_29 & HIDDEN, CHALLENGE_TO_PEER, 0x0A0B0C0D, GUARD)
    assert parsed_challenge(play.sent_to_peer()) == shown
    assert play.sent_to_guard() == b"", "the guarded node's challenge is not answered before the peer's proof"

    play.peer(proof())
    assert play.proved
    own = messages.digest(b"cluster-secret", CHALLENGE_OF_GUARD)
    assert play.sent_to_guard() == messages.challenge_reply(CHALLENGE_TO_GUARD, own)
    assert play.sent_to_peer() == b"", "no acknowledgement before the guarded node's"

    play.guarded(ack())
    assert play.sent_to_peer() == messages.challenge_ack(messages.digest(b"peer-secret", CHALLENGE_OF_PEER))
    assert play.sent_to_guard() == b""
    done = play.established
    assert (done.peer.name, done.peer.creation) == (PEER, 0x01020304)
    assert (done.guard.name, done.guard.creation) == (GUARD, 0x0A0B0C0D)
    assert done.flags == VISIBLE_29 & HIDDEN
    assert (done.peer_data, done.guard_data) == (b"", b"")


def test_bytes_behind_the_last_messages_belong_to_the_channel() -> None:
    play = Play().to_challenge()
    play.peer(proof() + b"early").peer(b" bird")
    play.guarded(ack() + b"at once")
    assert (play.established.peer_data, play.established.guard_data) == (b"early bird", b"at once")
    assert play.machine.peer_received(b"more") == [], "what comes later is for the channel, not for the handshake"


@pytest.mark.parametrize("status", ["ok", "ok_simultaneous"])
def test_statuses_that_go_on(status: str) -> None:
    play = Play().peer(send_name())
    play.guarded(messages.status(status))
    assert play.sent_to_peer() == messages.status(status)
    assert play.machine.state is State.CHALLENGE


@pytest.mark.parametrize("status", ["nok", "not_allowed"])
def test_statuses_that_end_it(status: str) -> None:
    play = Play().peer(send_name())
    play.guarded(messages.status(status))
    assert play.sent_to_peer() == messages.status(status)
    assert (play.refused.reason, play.refused.peer_fault) == ("guard_refused", False)


def test_alive_and_the_peer_insists() -> None:
    play = Play().peer(send_name()).guarded(messages.status("alive"))
    assert play.sent_to_peer() == messages.status("alive")
    assert play.machine.turn is Turn.PEER
    play.sent_to_guard()
    play.peer(messages.status("true"))
    assert play.sent_to_guard() == messages.status("true")
    play.guarded(challenge()).peer(proof()).guarded(ack())
    assert play.machine.state is State.ESTABLISHED


def test_alive_and_the_peer_gives_in() -> None:
    play = Play().peer(send_name()).guarded(messages.status("alive"))
    play.sent_to_guard()
    play.peer(messages.status("false"))
    assert play.sent_to_guard() == messages.status("false")
    assert (play.refused.reason, play.refused.peer_fault) == ("peer_declined", False)


def test_a_peer_that_asks_for_a_name() -> None:
    flags = (VISIBLE_29 | messages.NAME_ME) & ~messages.PUBLISHED
    play = Play().peer(send_name("127.0.0.9", flags=flags, creation=0))
    asked = play.events[0]
    assert isinstance(asked, NameReceived)
    assert (asked.name, asked.dynamic) == ("undefined@127.0.0.9", True)
    assert parsed_name(play.sent_to_guard()) == messages.SendName(flags & (HIDDEN | messages.NAME_ME), 0, "127.0.0.9")
    play.guarded(messages.framed(NAMED))
    assert play.sent_to_peer() == messages.framed(NAMED)
    play.guarded(challenge(flags=flags)).peer(proof()).guarded(ack())
    done = play.established
    assert (done.peer.name, done.peer.creation) == ("1-AB2@127.0.0.9", 77)
    assert done.flags == flags & HIDDEN & ~messages.NAME_ME, "a request, not a capability"
    assert play.machine.name == "undefined@127.0.0.9"


def test_what_comes_behind_the_fields_is_stripped() -> None:
    body = send_name()[2:] + b"more fields"
    play = Play().peer(messages.framed(body))
    assert play.sent_to_guard() == send_name(flags=VISIBLE_29 & HIDDEN)
    play.guarded(messages.status("ok")).guarded(messages.framed(challenge()[2:] + b"more"))
    assert parsed_challenge(play.sent_to_peer()[5:]).name == GUARD


# === flags ===


@pytest.mark.parametrize("visible", [True, False])
@given(peer=st.integers(0, 2**64 - 1), guard=st.integers(0, 2**64 - 1))
def test_both_sides_negotiate_what_they_would_without_distwall(visible: bool, peer: int, guard: int) -> None:
    peer &= ~messages.NAME_ME
    guard &= ~messages.NAME_ME
    play = Play(Entry(visible=visible))
    play.peer(send_name(flags=peer))
    seen_by_guard = expanded(parsed_name(play.sent_to_guard()).flags)
    play.guarded(messages.status("ok")).guarded(challenge(flags=guard))
    seen_by_peer = expanded(parsed_challenge(play.sent_to_peer()[5:]).flags)
    play.peer(proof()).guarded(ack())
    mask = KNOWN if visible else HIDDEN
    without = expanded(peer) & expanded(guard) & mask
    assert peer_negotiates(peer, seen_by_peer) & mask == without
    assert peer_negotiates(guard, seen_by_guard) & mask == without
    assert play.established.flags == without


def peer_negotiates(own: int, seen: int) -> int:
    return expanded(own) & seen


def expanded(flags: int) -> int:
    return flags | messages.MANDATORY_25 if flags & messages.MANDATORY_25_DIGEST else flags


def test_a_missing_flag_is_for_the_guarded_node_to_judge() -> None:
    play = Play().peer(send_name(flags=0))
    assert parsed_name(play.sent_to_guard()).flags == 0
    play.guarded(messages.status("not_allowed"))
    assert play.sent_to_peer() == messages.status("not_allowed")


# === names ===


def test_a_name_without_an_entry_is_told_so_and_never_relayed() -> None:
    play = Play(Denied("unknown_node", "nobody")).peer(send_name())
    assert play.sent_to_peer() == messages.status("not_allowed")
    assert play.sent_to_guard() == b""
    assert play.events == [Refused("unknown_node", "nobody", peer_fault=True)]


@pytest.mark.parametrize(
    "name",
    [
        b"",
        b"foo",
        b"@h",
        b"foo@",
        b"a@b@c",
        b"foo@h\n",
        b"fo\0o@h",
        b"foo@h ",
        b"f\x7f@h",
        b"f\x85@h",
        b"f@" + b"h" * 254,
    ],
)
def test_bad_names(name: bytes) -> None:
    play = Play().peer(messages.framed(b"N" + struct.pack(">QIH", VISIBLE_29, 1, len(name)) + name))
    assert (play.refused.reason, play.refused.peer_fault) == ("bad_name", True)
    assert (play.asked, play.to_guard, play.to_peer) == ([], b"", b"")


@pytest.mark.parametrize("host", [b"", b"foo@h", b"a@b@c", b"h\n"])
def test_bad_hosts_of_peers_that_ask_for_a_name(host: bytes) -> None:
    flags = VISIBLE_29 | messages.NAME_ME
    play = Play().peer(messages.framed(b"N" + struct.pack(">QIH", flags, 0, len(host)) + host))
    assert play.refused.reason == "bad_name"


def test_latin_1_names_pass_as_they_are() -> None:
    play = Play().peer(send_name("foo@größe"))
    assert play.asked == [("foo@größe", None)]
    assert parsed_name(play.sent_to_guard()).name == "foo@größe"


def test_the_guarded_nodes_own_name() -> None:
    play = Play(guard=GUARD).peer(send_name(GUARD))
    assert (play.refused.reason, play.to_guard) == ("own_name", b"")
    late = Play().peer(send_name(GUARD)).guarded(messages.status("ok")).guarded(challenge())
    assert late.refused.reason == "own_name"


def test_the_entry_is_the_one_for_the_guarded_node_that_answers() -> None:
    one, other = Entry(), Entry(Cookie(b"other-secret"))
    assert Play(one).to_end().established.entry is one
    play = Play(one, per_guard={GUARD: other}).to_challenge()
    assert play.asked == [(PEER, None), (PEER, GUARD)]
    assert play.peer(proof(b"other-secret")).guarded(ack()).established.entry is other
    assert Play(one, per_guard={GUARD: other}).to_challenge().peer(proof()).refused.reason == "bad_cookie"
    denied = Play(one, per_guard={GUARD: Denied("unknown_node")}).to_challenge()
    assert denied.refused.reason == "unknown_node"


def test_an_entry_of_another_visibility_needs_a_new_handshake() -> None:
    entries: dict[str | None, Entry | Denied] = {GUARD: Entry(visible=True)}
    first = Play(Entry(), per_guard=entries).to_challenge()
    assert (first.refused.reason, first.machine.guard) == ("guard_unknown", GUARD)
    assert Play(Entry(), guard=GUARD, per_guard=entries).to_end().established.flags & messages.PUBLISHED


def test_a_node_that_is_not_guarded_answers() -> None:
    play = Play().peer(send_name()).guarded(messages.status("ok")).guarded(challenge("evil@127.0.0.2"))
    assert (play.refused.reason, play.refused.peer_fault) == ("bad_guard", False)


def test_an_old_handshake_is_refused_clearly() -> None:
    play = Play().peer(messages.framed(b"n" + struct.pack(">HI", 5, 0x3DF7FBD) + PEER.encode()))
    assert play.sent_to_peer() == messages.status("not_allowed")
    assert play.refused.reason == "old_handshake"


# === proofs ===


@pytest.mark.parametrize("wrong", [proof(b"cluster-secret"), proof(b""), proof(of=1)])
def test_a_wrong_cookie_never_reaches_the_guarded_node(wrong: bytes) -> None:
    play = Play().to_challenge("ok")
    play.sent_to_guard()
    play.sent_to_peer()
    play.peer(wrong)
    assert (play.refused.reason, play.refused.peer_fault) == ("bad_cookie", True)
    assert (play.to_guard, play.to_peer) == (b"", b"")


def test_a_wrong_cookie_at_the_guarded_node() -> None:
    play = Play().to_challenge()
    play.sent_to_peer()
    play.peer(proof()).guarded(ack(b"peer-secret"))
    assert (play.refused.reason, play.refused.peer_fault) == ("bad_guard_cookie", False)
    assert play.to_peer == b""


def test_a_guarded_node_that_hangs_up_on_the_proof() -> None:
    play = Play().to_challenge().peer(proof())
    (refused,) = play.machine.guard_closed()
    assert isinstance(refused, Refused)
    assert "cookie" in refused.detail


def test_every_handshake_has_challenges_of_its_own() -> None:
    seen = set()
    for _ in range(8):
        play = Play(random=True).to_challenge()
        seen.add(parsed_challenge(play.sent_to_peer()[5:]).challenge)
    assert len(seen) == 8


# === order, ends, garbage ===


def run(sizes: int, split_at: tuple[int, int] | None = None) -> Play:
    """A whole handshake with every message in pieces of ``sizes``, or message ``split_at[0]`` cut at one byte."""
    play = Play()
    steps = [
        (play.peer, send_name()),
        (play.guarded, messages.status("alive")),
        (play.peer, messages.status("true")),
        (play.guarded, challenge()),
        (play.peer, proof()),
        (play.guarded, ack()),
    ]
    for number, (send, data) in enumerate(steps):
        if split_at is not None and split_at[0] == number:
            send(data[: split_at[1]])
            send(data[split_at[1] :])
        else:
            send(data, size=sizes)
    return play


def test_the_same_in_pieces() -> None:
    whole = run(0)
    assert whole.machine.state is State.ESTABLISHED
    lengths = [len(send_name()), 8, 7, len(challenge()), len(proof()), len(ack())]
    variants = [run(1), run(3)]
    variants += [run(0, (number, cut)) for number, length in enumerate(lengths) for cut in range(1, length)]
    for play in variants:
        assert (play.events, play.to_peer, play.to_guard) == (whole.events, whole.to_peer, whole.to_guard)


@pytest.mark.parametrize("behind", [b"\0", send_name(), proof()])
def test_a_peer_that_does_not_wait_for_its_turn(behind: bytes) -> None:
    play = Play().peer(send_name() + behind)
    assert (play.refused.reason, play.refused.peer_fault) == ("out_of_order", True)


def test_a_guarded_node_that_does_not_wait_for_its_turn() -> None:
    play = Play().peer(send_name()).guarded(messages.status("ok")).guarded(challenge() + b"x")
    assert (play.refused.reason, play.refused.peer_fault) == ("out_of_order", False)


def test_status_and_challenge_come_in_one_piece() -> None:
    play = Play().peer(send_name()).guarded(messages.status("ok") + challenge()).peer(proof()).guarded(ack())
    assert play.machine.state is State.ESTABLISHED


def test_early_bytes_are_bounded() -> None:
    play = Play().to_challenge().peer(proof())
    play.peer(b"x" * MAX_EARLY)
    assert not isinstance(play.events[-1], Refused)
    play.peer(b"x")
    assert play.refused.reason == "out_of_order"


@pytest.mark.parametrize("length", [0, messages.MAX_MESSAGE + 1, 0xFFFF])
def test_lengths_out_of_bounds(length: int) -> None:
    assert Play().peer(struct.pack(">H", length)).refused.reason == "malformed"
    assert Play().peer(send_name()).guarded(struct.pack(">H", length)).refused.reason == "malformed"


@pytest.mark.parametrize("state", [state for state, turn in TURNS.items() if turn in (Turn.PEER, Turn.GUARD)])
def test_each_state_takes_one_message_only(state: State) -> None:
    for tag in set(range(256)) - {EXPECTED[state], messages.SEND_NAME_OLD}:
        play = reach(state)
        send = play.peer if TURNS[state] is Turn.PEER else play.guarded
        send(messages.framed(bytes([tag]) + b"x" * 30))
        assert play.refused.reason == "out_of_order"
        assert play.machine.state is State.CLOSED


def reach(state: State) -> Play:
    play = Play()
    steps: list[tuple[State, Callable[[], Play]]] = [
        (State.NAME, lambda: play.peer(send_name())),
        (State.STATUS, lambda: play.guarded(messages.status("alive"))),
        (State.ALIVE, lambda: play.peer(messages.status("true"))),
        (State.CHALLENGE, lambda: play.guarded(challenge())),
        (State.PROOF, lambda: play.peer(proof())),
        (State.ACK, lambda: play.guarded(ack())),
    ]
    for at, step in steps:
        if at is state:
            break
        step()
    assert play.machine.state is state
    return play


@pytest.mark.parametrize("reply", [b"", b"maybe", b"true ", b"TRUE"])
def test_alive_replies(reply: bytes) -> None:
    assert reach(State.ALIVE).peer(messages.framed(b"s" + reply)).refused.reason == "malformed"


@pytest.mark.parametrize("status", [b"", b"OK", b"ok\n", b"alive?", b"named", b"named:", NAMED[1:], b"\xff"])
def test_statuses_that_no_node_sends(status: bytes) -> None:
    play = Play().peer(send_name()).guarded(messages.framed(b"s" + status))
    assert play.refused.reason in ("bad_guard", "malformed")
    assert play.to_peer == b""


@pytest.mark.parametrize("named", [NAMED.replace(b".9", b".8"), NAMED.replace(b"@", b"_"), NAMED[:-1], b"sok"])
def test_names_given_that_can_not_be(named: bytes) -> None:
    flags = VISIBLE_29 | messages.NAME_ME
    play = Play().peer(send_name("127.0.0.9", flags=flags)).guarded(messages.framed(named))
    assert play.refused.reason in ("bad_guard", "bad_name", "malformed")
    assert play.to_peer == b""


@pytest.mark.parametrize("state", [State.NAME, State.STATUS, State.ALIVE, State.CHALLENGE, State.PROOF, State.ACK])
def test_ends(state: State) -> None:
    for end, reason in (("peer_closed", "peer_closed"), ("guard_closed", "guard_closed")):
        play = reach(state)
        (event,) = getattr(play.machine, end)()
        assert isinstance(event, Refused)
        assert event.reason == reason
        assert event.peer_fault is (end == "peer_closed" and state not in (State.NAME, State.ACK))
        assert play.machine.peer_closed() == play.machine.guard_closed() == play.machine.refuse("x") == []
        assert play.machine.peer_received(b"xyz") == play.machine.guard_received(b"xyz") == []


def test_refused_from_outside() -> None:
    entry = Entry()
    play = Play(entry)
    play.machine.peer_received(send_name())
    (refused,) = play.machine.refuse("name_budget", tell=True)
    assert refused == Refused("name_budget", "in state admission", peer_fault=False)
    assert play.machine.data_to_peer() == messages.status("not_allowed")
    play.machine.dialled()
    assert play.machine.data_to_guard() == b"", "too late"


def test_the_tables_agree() -> None:
    assert set(TURNS) == set(NEXT) == set(State)
    assert {state for state, turn in TURNS.items() if turn in (Turn.PEER, Turn.GUARD)} == set(EXPECTED)
    reached = {State.NAME}
    for _ in State:
        reached |= {target for state in reached for target in NEXT[state]}
    assert reached == set(State) - {State.CLOSED}


MESSAGE = st.sampled_from(
    [
        send_name(),
        send_name("bar@127.0.0.2"),
        challenge(),
        proof(),
        ack(),
        proof(b"x"),
        ack(b"x"),
        messages.framed(NAMED),
    ]
    + [messages.status(text) for text in ("ok", "alive", "true", "false", "nok")]
)
PIECE = st.one_of(
    MESSAGE,
    st.binary(max_size=40),
    st.builds(messages.framed, st.binary(min_size=1, max_size=40)),
    st.builds(
        lambda data, at, byte: data[:at] + bytes([byte]) + data[at + 1 :],
        MESSAGE,
        st.integers(0, 40),
        st.integers(0, 255),
    ),
)


@given(st.lists(st.tuples(st.booleans(), PIECE), max_size=12))
def test_garbage_is_refused_or_no_more(steps: list[tuple[bool, bytes]]) -> None:
    """Whatever comes: no exception, at most one end, and nothing is established without the right proofs."""
    play = Play()
    for from_peer, data in steps:
        (play.peer if from_peer else play.guarded)(data)
    ends = [event for event in play.events if isinstance(event, (Refused, Established))]
    assert len(ends) <= 1
    sent = [data for from_peer, data in steps if from_peer]
    if any(isinstance(event, Proved) for event in play.events):
        assert proof() in b"".join(sent)
    if ends and isinstance(ends[0], Established):
        assert play.proved
