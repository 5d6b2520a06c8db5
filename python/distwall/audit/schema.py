"""The schema of events: every kind that distwall records, and what each field means.

This is the one source: ``docs/events.md`` and ``docs/events.schema.json`` are made from it (``make pages``), and the
tests hold every event that any part of distwall records against it. Kinds and fields may be added within a version;
whatever reads events has to pass over what it doesn't know.
"""

from functools import reduce
from operator import or_
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from distwall.audit.event import VERSION, Event, Side

RefusalVerdict = Literal["deny", "drop"]
Direction = Literal["inbound", "outbound"]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
Folded = Annotated[
    int, Field(ge=0, description="So many more like it, since the event of this kind before, were left out.")
]


class Base(BaseModel):
    """What every event has."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    v: Literal[1]
    """The version of this schema."""
    seq: Annotated[int, Field(ge=1)] | None
    """Its number in the log, without gaps; null on the live stream where the log could not take it."""
    time: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
    """RFC 3339, UTC, milliseconds."""
    prev: Digest | None = None
    """In the log: the ``hash`` of the line before."""
    hash: Digest | None = None
    """In the log: SHA-256, or HMAC with a key, of the line up to here."""


class RuleRef(BaseModel):
    """A rule, and where it is written."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    text: str
    """As written."""
    where: str
    """``entry``, ``table NAME``, ``defaults``, or at run time."""
    file: str
    line: int
    column: int


class Start(Base):
    """distwall serves."""

    event: Literal["start"]
    policy: str
    """The policy file."""
    guards: list[str]
    """Globs of the guarded nodes."""


class Stop(Base):
    """distwall ends in order."""

    event: Literal["stop"]


class Register(Base):
    """A guarded node has registered, and peers can reach it now."""

    event: Literal["register"]
    guard: str
    """The part of its name before ``@``."""
    port: int
    """The node's own."""
    listening: int | None
    """Where peers reach it."""


class Unregister(Base):
    """A guarded node is gone."""

    event: Literal["unregister"]
    guard: str
    port: int


class Exposed(Base):
    """A guarded node has registered that peers could reach past distwall."""

    event: Literal["exposed"]
    guard: str
    detail: str


class ListenFailed(Base):
    """No port could be had for peers of a guarded node."""

    event: Literal["listen_failed"]
    guard: str
    detail: str


class Connect(Base):
    """A handshake succeeded: a channel is open."""

    event: Literal["connect"]
    peer: str
    """The name that it proved."""
    guard: str
    source: str
    """The address that it came from, or was dialled at."""
    opened_by: Side
    """Who dialled."""
    tls: bool
    certificate: str | None
    """The names in the certificate that it has shown."""
    entry: str
    """The ``node`` of the entry that applies."""
    visible: bool
    flags: str
    """The capabilities that both sides have, in hexadecimal."""


class Disconnect(Base):
    """A channel has ended."""

    event: Literal["disconnect"]
    peer: str
    guard: str
    source: str
    reason: str
    seconds: float
    """How long it was open."""
    folded: Folded


class Refused(Base):
    """A command was refused; or would have been, or wouldn't (reasons ``audit:...`` and ``shadow:...``)."""

    event: Literal["refused"]
    peer: str
    guard: str
    direction: Direction
    """``inbound``: from the peer to the guarded node."""
    command: str | None
    """One of the 14 commands; null if it could not even be read."""
    target: str | None
    """The registered name or ``M:F/A`` that it was about."""
    verdict: Literal["accept", "deny", "drop"]
    """``accept`` only from a shadow policy."""
    rule: RuleRef | None
    """The rule that decided; null where none did."""
    reason: str
    """``rule``, ``default`` (nothing spoke), ``otp_internal``, ``third_node``, ``funs``, ``spoofed``,
    ``stale_target``, ``handler``, or ``limit:NAME``. ``audit:REASON``: it passed, on trial. ``shadow:VERDICT``: the
    shadow policy would have decided otherwise; verdict and rule are its own."""
    folded: Folded


class HandshakeRefused(Base):
    """A handshake was refused; [what the reasons mean](running.md#when-a-peer-cant-connect)."""

    event: Literal["handshake_refused"]
    source: str
    peer: str | None
    """The name that it claimed, if it came so far."""
    guard: str | None
    opened_by: Side
    reason: str
    detail: str
    folded: Folded


class EpmdRefused(Base):
    """A request to EPMD was refused."""

    event: Literal["epmd_refused"]
    source: str
    reason: str
    detail: str = ""
    folded: Folded


class CertificateLoaded(Base):
    """Certificates were read anew, and hold from now on."""

    event: Literal["certificate_loaded"]
    files: list[str]


class CertificateRefused(Base):
    """Certificates have changed and can't be used; the old ones stay in force."""

    event: Literal["certificate_refused"]
    files: list[str]
    detail: str
    folded: Folded


class Setting(Base):
    """Something was set, or unset, at run time."""

    event: Literal["setting"]
    actor: str
    """Who: ``unix:USER``, ``token:NAME``, a node, or empty."""
    set: str | None = None
    unset: str | None = None
    persist: bool
    """Whether it outlives this process."""


class PolicyChanged(Base):
    """Another policy is in force."""

    event: Literal["policy_changed"]
    actor: str
    policy: str
    """The file."""
    changes: list[str]
    """What changes, in lines with ``+`` and ``-``. Of cookies, only that they have changed."""


class PolicyRefused(Base):
    """A policy can't be put in force; the one before stays."""

    event: Literal["policy_refused"]
    actor: str
    policy: str
    """The file."""
    problems: list[str]
    """What is wrong with it; at most 20."""


class PolicyOnTrial(Base):
    """Another policy is in force, and goes away by itself unless somebody confirms it."""

    event: Literal["policy_on_trial"]
    actor: str
    revision: str
    """A short name for the text of the policy."""
    confirm_within: float
    """Seconds."""


class PolicyConfirmed(Base):
    """The policy that was on trial stays."""

    event: Literal["policy_confirmed"]
    actor: str
    revision: str


class PolicyRolledBack(Base):
    """The policy before the trial is in force again."""

    event: Literal["policy_rolled_back"]
    actor: str
    revision: str
    """The one that is in force now."""
    reason: str


class _Grant(Base):
    node: str
    """The peer."""
    table: str
    guard: str | None
    """The one guarded node that it is for; null: all."""
    seconds: float
    reason: str
    """As given by who granted it."""
    actor: str
    """Who granted it."""
    given: str
    until: str


class GrantGiven(_Grant):
    """Temporary access was granted."""

    event: Literal["grant"]
    renewed: bool


class GrantRevoked(_Grant):
    """Temporary access was ended before its time."""

    event: Literal["grant_revoked"]
    by: str
    """Who ended it."""


class GrantExpired(_Grant):
    """Temporary access is over."""

    event: Literal["grant_expired"]


class HandlerFailed(Base):
    """A handler or a module filter gave no answer, so the command was denied."""

    event: Literal["handler_failed"]
    peer: str
    guard: str
    command: str
    target: str
    detail: str
    """What went wrong."""


class FunRefused(Base):
    """A message carried a fun that the policy does not let run, so it was denied."""

    event: Literal["fun_refused"]
    peer: str
    guard: str
    command: str
    target: str
    detail: str
    """What in the fun is not accepted: a call, or what can't be read."""


class TokenIssued(Base):
    """A token was made with which a peer can raise its own access, once."""

    event: Literal["token_issued"]
    node: str
    table: str
    seconds: float
    reason: str
    actor: str
    """Who asked for it."""


class TokenRefused(Base):
    """A peer has shown a token that does not hold."""

    event: Literal["token_refused"]
    peer: str
    guard: str
    source: str
    reason: str


class ShadowChanged(Base):
    """A candidate for the policy is judged by beside it from now on, or no longer."""

    event: Literal["shadow_changed"]
    actor: str
    revision: str | None
    """Null: there is none any more."""


class StateTrouble(Base):
    """What was set at run time can't be saved."""

    event: Literal["state_trouble"]
    detail: str


class ApiCall(Base):
    """Somebody has called a function of the HTTP API that changes something."""

    event: Literal["api_call"]
    actor: str
    """Who: ``unix:USER``, ``token:NAME``."""
    function: str
    arguments: dict[str, Any]
    error: str | None
    """Why it was refused; null: it was done."""


class ApiRefused(Base):
    """A request to the HTTP API was refused before it was looked at."""

    event: Literal["api_refused"]
    source: str
    actor: str | None
    """Null: nobody that is known."""
    method: str
    path: str
    reason: Literal["token", "role", "host", "origin"]
    """``token``: none, or none that holds; ``role``: not enough; ``host``, ``origin``: a browser was led here."""
    folded: Folded


class CallerConnect(Base):
    """A node has connected to distwall's own, to call the runtime API from Erlang."""

    event: Literal["caller_connect"]
    node: str
    """The name that it proved."""
    role: Literal["guard", "operator"]
    """Whether it is a guarded node, which may touch its own channels, or an operator's, which may touch all."""


class CallerDisconnect(Base):
    """A node that could call the runtime API is gone."""

    event: Literal["caller_disconnect"]
    node: str
    reason: str
    """``closed``, or why distwall hung up."""


class CallerRefused(Base):
    """A node could not connect to distwall's own, or was cut off for what it sent."""

    event: Literal["caller_refused"]
    source: str
    node: str | None
    """The name that it claimed, if it came so far."""
    reason: str
    """``bad_cookie``, ``not_guarded`` (and [control] has no cookie), ``malformed``, ``timeout``, ``flood``, ..."""
    detail: str
    folded: Folded


class CallFailed(Base):
    """distwall itself has failed at a call of the runtime API from Erlang; nothing else is affected."""

    event: Literal["call_failed"]
    node: str
    """The caller."""
    function: str
    detail: str


class TokensChanged(Base):
    """The file of tokens has changed."""

    event: Literal["tokens_changed"]
    added: list[str]
    """Their names."""
    removed: list[str]


class AuditResumed(Base):
    """The log is written again."""

    event: Literal["audit_resumed"]
    reason: str
    """Why it could not be written."""
    lost: Annotated[int, Field(ge=0)]
    """Events that are not in it."""


class AuditRecovered(Base):
    """What was wrong with the end of the log when distwall started; [what that means](audit.md#after-a-crash)."""

    event: Literal["audit_recovered"]
    reason: Literal["torn", "unanchored", "cut", "altered", "no_anchor", "unreadable"]
    detail: str
    torn_bytes: Annotated[int, Field(ge=0)]
    """So many bytes before this line are no line."""
    torn_sha256: Digest | None


class EventsDropped(Base):
    """On the live stream only: who reads it was too slow."""

    event: Literal["events_dropped"]
    dropped: Annotated[int, Field(ge=1)]
    """So many events were left out here."""


KINDS: tuple[type[Base], ...] = (
    Start,
    Stop,
    Register,
    Unregister,
    Exposed,
    ListenFailed,
    Connect,
    Disconnect,
    Refused,
    HandshakeRefused,
    EpmdRefused,
    CertificateLoaded,
    CertificateRefused,
    Setting,
    PolicyChanged,
    PolicyRefused,
    PolicyOnTrial,
    PolicyConfirmed,
    PolicyRolledBack,
    HandlerFailed,
    FunRefused,
    TokenIssued,
    TokenRefused,
    ShadowChanged,
    GrantGiven,
    GrantRevoked,
    GrantExpired,
    StateTrouble,
    ApiCall,
    ApiRefused,
    CallerConnect,
    CallerDisconnect,
    CallerRefused,
    CallFailed,
    TokensChanged,
    AuditResumed,
    AuditRecovered,
    EventsDropped,
)
"""All kinds, in the order of the documentation."""

_ANY: Any = reduce(or_, KINDS)
_ADAPTER: TypeAdapter[Any] = TypeAdapter(Annotated[_ANY, Field(discriminator="event")])


def validate(event: Event) -> None:
    """Raises ValueError, saying what is wrong, for an event that is not of the schema."""
    _ADAPTER.validate_python(event)


def json_schema() -> dict[str, Any]:
    """The schema of one line, as JSON Schema."""
    schema = _ADAPTER.json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"distwall event, version {VERSION}",
        **schema,
    }
