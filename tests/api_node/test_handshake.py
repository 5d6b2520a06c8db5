"""The handshake of distwall's own node: whole, byte by byte, and everything that goes wrong."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distwall._core import MANDATORY_25, DistFlag
from distwall.api_node import Accepted, CallerHandshake, CallerRejected, CallerState
from distwall.api_node.handshake import FLAGS
from distwall.handshake import AwaitedProofs, Identity, messages
from distwall.policy import Cookie
from tests.support.dist import OTP_25

OWN = Identity("distwall@127.0.0.1", 77)
GUARD, OPS = "bar@127.0.0.2", "ops@127.0.0.1"
COOKIES = {GUARD: b"cluster", OPS: b"operators"}
CHALLENGE = 4711


def acceptor(proofs: AwaitedProofs | None = None, framing: int = 2) -> CallerHandshake:
    def cookie_for(name: str) -> Cookie | None:
        return Cookie(COOKIES[name]) if name in COOKIES else None

    return CallerHandshake(
        OWN,
        cookie_for=cookie_for,
        proofs=AwaitedProofs() if proofs is None else proofs,
        framing=framing,
        challenge=lambda: CHALLENGE,
    )


def framed(message: bytes, framing: int = 2) -> bytes:
    return len(message).to_bytes(framing) + message


def name(text: str, flags: int = OTP_25) -> bytes:
    return framed(messages.SendName(flags, 5, text).encode())


def proof(cookie: bytes, challenge: int = CHALLENGE, own: int = 99) -> bytes:
    return framed(messages.challenge_reply(own, messages.proof_of(cookie, challenge)))


GREETING = framed(b"sok") + framed(messages.Challenge(FLAGS, CHALLENGE, 77, OWN.name).encode())


@pytest.mark.parametrize("who", [GUARD, OPS])
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_caller_that_knows_its_cookie_is_accepted(who: str, size: int) -> None:
    proofs = AwaitedProofs()
    machine = acceptor(proofs)
    sent, outcomes = b"", []
    for data in (name(who), proof(COOKIES[who]) + b"frames"):
        for start in range(0, len(data), size):
            outcome = machine.receive(data[start : start + size])
            sent += machine.due()
            outcomes += [outcome] if outcome else []
    assert sent == GREETING + framed(messages.challenge_ack(messages.proof_of(COOKIES[who], 99)))
    (accepted,) = outcomes
    assert isinstance(accepted, Accepted)
    assert accepted.caller == Identity(who, 5)
    assert accepted.flags == FLAGS & OTP_25 == FLAGS
    assert b"frames".startswith(accepted.data)
    assert len(proofs) == 0


def test_inside_tls_lengths_have_four_bytes() -> None:
    machine = acceptor(framing=4)
    message = messages.SendName(OTP_25, 5, GUARD).encode()
    assert machine.receive(framed(message, 4)) is None
    assert machine.due().startswith(framed(b"sok", 4))


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (name("stranger@127.0.0.1"), "not_guarded"),
        (name(OWN.name), "own_name"),
        (name("h", OTP_25 | DistFlag.NAME_ME), "no_name"),
        (name(GUARD, 0), "flags"),
        (name(GUARD, FLAGS & ~MANDATORY_25), "flags"),
    ],
)
def test_who_may_not_connect_is_told_so(sent: bytes, reason: str) -> None:
    machine = acceptor()
    outcome = machine.receive(sent)
    assert isinstance(outcome, CallerRejected)
    assert outcome.reason == reason
    assert machine.due() == framed(b"snot_allowed")
    assert machine.receive(proof(b"cluster")) is None


def test_a_digest_of_flags_stands_for_all_of_them() -> None:
    machine = acceptor()
    assert machine.receive(name(GUARD, DistFlag.MANDATORY_25_DIGEST | 1 << 34)) is None
    assert machine.state is CallerState.PROOF


@pytest.mark.parametrize(
    ("who", "cookie"), [(GUARD, b"operators"), (OPS, b"cluster"), (GUARD, b""), (OPS, b"operators2")]
)
def test_each_has_to_prove_its_own_cookie(who: str, cookie: bytes) -> None:
    proofs = AwaitedProofs()
    machine = acceptor(proofs)
    machine.receive(name(who))
    machine.due()
    outcome = machine.receive(proof(cookie))
    assert isinstance(outcome, CallerRejected)
    assert (outcome.reason, machine.due()) == ("bad_cookie", b"")
    assert len(proofs) == 0


def test_it_gives_no_proof_that_distwall_waits_for() -> None:
    proofs = AwaitedProofs()
    proofs.expect(messages.proof_of(b"cluster", 1))
    machine = acceptor(proofs)
    machine.receive(name(GUARD))
    machine.due()
    outcome = machine.receive(proof(b"cluster", own=1))
    assert isinstance(outcome, CallerRejected)
    assert (outcome.reason, machine.due()) == ("reflected", b"")


def test_its_own_challenges_are_among_those() -> None:
    proofs = AwaitedProofs()
    machine = acceptor(proofs)
    machine.receive(name(OPS))
    assert proofs.is_awaited(messages.proof_of(b"operators", CHALLENGE))
    refused = machine.refuse("timeout", "no proof in time")
    assert refused is not None
    assert machine.refuse("timeout", "again") is None
    assert len(proofs) == 0


@pytest.mark.parametrize(
    "sent",
    [
        framed(b"n" + struct.pack(">HI", 5, 7) + b"a@b"),
        framed(b"sok"),
        b"\0\0",
        b"\xff\xff",
        framed(b"N"),
        framed(b"N" + bytes(12) + b"\xff\xff"),
        name(GUARD) + framed(b"sok"),
        name(GUARD) + framed(b"r" + bytes(3)),
        name("a b@c"),
    ],
)
def test_what_is_no_handshake_is_refused(sent: bytes) -> None:
    outcome = acceptor().receive(sent)
    assert isinstance(outcome, CallerRejected)
    assert outcome.reason == "malformed"


@settings(deadline=None)
@given(st.binary(max_size=3000))
def test_no_bytes_are_accepted_without_a_proof(data: bytes) -> None:
    assert not isinstance(acceptor().receive(data), Accepted)
    machine = acceptor()
    machine.receive(name(GUARD))
    assert not isinstance(machine.receive(data), Accepted)
