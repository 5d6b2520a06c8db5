"""Digests, against vectors seen between real nodes."""

import pytest

from distwall.handshake import messages


@pytest.mark.parametrize(
    ("challenge", "digest"),
    [
        (12345, "d4047d3e56e6d6d63f7d16b85cd2fa88"),
        (0x2A07F45F, "0db3032c6dc8371a3687c969a727bf2b"),
        (0x07D1A801, "ff33d99bb8483a8f8dbf4742016b0dba"),
    ],
)
def test_digests_are_those_of_real_nodes(challenge: int, digest: str) -> None:
    assert messages.proof_of(b"secret", challenge).hex() == digest


def test_what_is_encoded_is_parsed_again() -> None:
    name = messages.SendName(0x6D07DF7FBD, 5, "foo@größe")
    assert messages.parse_send_name(name.encode()) == name
    challenge = messages.Challenge(0x6D07DF7FBD, 2**32 - 1, 5, "bar@h")
    assert messages.parse_challenge(challenge.encode()) == challenge
    named = messages.Named("foo@größe", 5)
    assert messages.parse_status(named.encode()) == named, "in UTF-8, unlike the others"
