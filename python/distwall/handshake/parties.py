"""The two parties of a handshake, as they are spoken of. Either may be the initiator."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Party:
    """The words for one of them: the reasons of `Refused`, and their details."""

    noun: str
    closed: str
    """It hung up."""
    refused: str
    """Its status was a refusal."""
    declined: str
    """It keeps the connection that it has."""
    misbehaved: str
    """It sent, as the acceptor, what does not answer what it was asked."""
    wrong_cookie: str
    wrong_cookie_detail: str
    hung_up_on_proof: str
    """It hung up instead of proving its cookie as well."""


PEER = Party(
    noun="the peer",
    closed="peer_closed",
    refused="peer_refused",
    declined="peer_declined",
    misbehaved="bad_peer",
    wrong_cookie="bad_cookie",
    wrong_cookie_detail="the peer's cookie is wrong",
    hung_up_on_proof="the peer hung up on distwall's proof: is its cookie the one in its [[peers]] entry?",
)

GUARD = Party(
    noun="the guarded node",
    closed="guard_closed",
    refused="guard_refused",
    declined="guard_declined",
    misbehaved="bad_guard",
    wrong_cookie="bad_guard_cookie",
    wrong_cookie_detail="the guarded node's cookie is not that of [guard]: it needs none of its own for this peer",
    hung_up_on_proof="the guarded node hung up on distwall's proof: is the cookie of [guard] the cluster's?",
)
