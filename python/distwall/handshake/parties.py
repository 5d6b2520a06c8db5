"""Names for the two parties of a handshake. Either may be the initiator."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Party:
    """The words for one party: the reasons of `Rejected`, and their details."""

    noun: str
    closed: str
    """Reason: the party hung up."""
    refused: str
    """Reason: its status was a refusal."""
    declined: str
    """Reason: it keeps its earlier connection."""
    misbehaved: str
    """Reason: as the acceptor, it sent a message that does not answer the last one."""
    wrong_cookie: str
    wrong_cookie_detail: str
    hung_up_on_proof: str
    """Reason: it hung up instead of proving its cookie as well."""


PEER = Party(
    noun="the peer",
    closed="peer_closed",
    refused="peer_refused",
    declined="peer_declined",
    misbehaved="bad_peer",
    wrong_cookie="bad_cookie",
    wrong_cookie_detail="the peer's cookie is wrong",
    hung_up_on_proof="the peer hung up on distwall's proof: does its cookie differ from its [[peers]] entry?",
)

GUARD = Party(
    noun="the guarded node",
    closed="guard_closed",
    refused="guard_refused",
    declined="guard_declined",
    misbehaved="bad_guard",
    wrong_cookie="bad_guard_cookie",
    wrong_cookie_detail="the guarded node's cookie differs from [guard]; it needs no erlang:set_cookie/2 for this peer",
    hung_up_on_proof="the guarded node hung up on distwall's proof: is the cookie in [guard] the cluster's cookie?",
)
