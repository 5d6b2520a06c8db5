"""The schema of events: every kind that distwall records, and the meaning of each field.

``docs/events.md`` and ``docs/events.schema.json`` are made from it (``make pages``). The tests hold every recorded
event against it. Kinds and fields may be added within a version: readers of events have to ignore unknown fields.
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
    int, Field(ge=0, description="Number of similar events left out since the previous event of this kind.")
]


class Base(BaseModel):
    """Fields of every event."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    v: Literal[1]
    """The version of this schema."""
    seq: Annotated[int, Field(ge=1)] | None
    """Number of the event in the log, without gaps; null on the live stream if the log could not take it."""
    time: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
    """RFC 3339, UTC, milliseconds."""
    prev: Digest | None = None
    """In the log: the ``hash`` of the previous line."""
    hash: Digest | None = None
    """In the log: SHA-256, or HMAC with a key, of the line up to here."""


class RuleRef(BaseModel):
    """A rule, and the place where it is written."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    text: str
    """The rule as written."""
    where: str
    """``entry``, ``table NAME``, ``defaults``, or ``run time``."""
    file: str
    line: int
    column: int


class Start(Base):
    """distwall has started."""

    event: Literal["start"]
    policy: str
    """The policy file."""
    guards: list[str]
    """Globs of the guarded nodes."""


class Stop(Base):
    """distwall has stopped in good order."""

    event: Literal["stop"]


class Register(Base):
    """A guarded node has registered, and peers can reach it now."""

    event: Literal["register"]
    guard: str
    """The part of the node's name before ``@``."""
    port: int
    """The port of the node itself."""
    listening: int | None
    """The addresses where peers reach it."""


class Unregister(Base):
    """A guarded node is gone."""

    event: Literal["unregister"]
    guard: str
    port: int


class Exposed(Base):
    """A guarded node has registered, and peers could reach it past distwall."""

    event: Literal["exposed"]
    guard: str
    detail: str


class ListenFailed(Base):
    """No port is free for peers of a guarded node."""

    event: Literal["listen_failed"]
    guard: str
    detail: str


class Connect(Base):
    """A handshake succeeded: a channel is open."""

    event: Literal["connect"]
    peer: str
    """The name that the peer has proved."""
    guard: str
    source: str
    """The address that the peer came from, or was dialled at."""
    opened_by: Side
    """The side that dialled."""
    tls: bool
    certificate: str | None
    """The names in the certificate that the peer has shown."""
    entry: str
    """The ``node`` of the entry for this peer."""
    visible: bool
    flags: str
    """The capabilities of both sides, in hexadecimal."""


class Disconnect(Base):
    """A channel has ended."""

    event: Literal["disconnect"]
    peer: str
    guard: str
    source: str
    reason: str
    seconds: float
    """Time that the channel was open."""
    folded: Folded


class Refused(Base):
    """A command was refused, or is reported on trial (reasons ``audit:...`` and ``shadow:...``)."""

    event: Literal["refused"]
    peer: str
    guard: str
    direction: Direction
    """``inbound``: from the peer to the guarded node."""
    command: str | None
    """One of the 14 commands; null if it can't be read."""
    target: str | None
    """The registered name or ``M:F/A`` that the command is for."""
    verdict: Literal["accept", "deny", "drop"]
    """``accept`` only from a shadow policy."""
    rule: RuleRef | None
    """The rule that decided; null if no rule did."""
    reason: str
    """``rule``, ``default`` (no rule matched), ``otp_internal``, ``third_node``, ``funs``, ``spoofed``,
    ``stale_target``, ``handler``, or ``limit:NAME``. ``audit:REASON``: the command passed, on trial.
    ``shadow:VERDICT``: the shadow policy would decide differently; ``verdict`` and ``rule`` are its own."""
    folded: Folded


class HandshakeRefused(Base):
    """A handshake was refused; [the reasons](running.md#when-a-peer-cant-connect)."""

    event: Literal["handshake_refused"]
    source: str
    peer: str | None
    """The name that the peer claimed, if any."""
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
    """Certificates were loaded again, and are in force from now on."""

    event: Literal["certificate_loaded"]
    files: list[str]


class CertificateRefused(Base):
    """Certificates have changed and can't be used; the old certificates stay in force."""

    event: Literal["certificate_refused"]
    files: list[str]
    detail: str
    folded: Folded


class Setting(Base):
    """A setting was made, or removed, at run time."""

    event: Literal["setting"]
    actor: str
    """The caller: ``unix:USER``, ``token:NAME``, a node, or empty."""
    set: str | None = None
    unset: str | None = None
    persist: bool
    """True if the setting survives a restart."""


class PolicyChanged(Base):
    """Another policy is in force."""

    event: Literal["policy_changed"]
    actor: str
    policy: str
    """The file."""
    changes: list[str]
    """Changed lines, with ``+`` and ``-``. A changed cookie is mentioned, never shown."""


class PolicyRefused(Base):
    """A policy has errors; the previous policy stays in force."""

    event: Literal["policy_refused"]
    actor: str
    policy: str
    """The file."""
    problems: list[str]
    """Errors of the policy, at most 20."""


class PolicyOnTrial(Base):
    """Another policy is in force on trial, and ends by itself unless somebody confirms it."""

    event: Literal["policy_on_trial"]
    actor: str
    revision: str
    """A short name for the text of the policy."""
    confirm_within: float
    """Seconds until the trial ends."""


class PolicyConfirmed(Base):
    """The policy on trial stays in force."""

    event: Literal["policy_confirmed"]
    actor: str
    revision: str


class PolicyRolledBack(Base):
    """The policy before the trial is in force again."""

    event: Literal["policy_rolled_back"]
    actor: str
    revision: str
    """The revision that is in force again."""
    reason: str


class _Grant(Base):
    node: str
    """The peer."""
    table: str
    guard: str | None
    """The guarded node that the grant is for; null: all."""
    seconds: float
    reason: str
    """The reason given with the grant."""
    actor: str
    """The caller that gave the grant."""
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
    """The caller that ended it."""


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
    """The error."""


class FunRefused(Base):
    """A message carried a fun that the policy does not accept, so it was denied."""

    event: Literal["fun_refused"]
    peer: str
    guard: str
    command: str
    target: str
    detail: str
    """The part of the fun that is not accepted: a call, or code that can't be read."""


class TokenIssued(Base):
    """A token was made, with which a peer can raise its own access once."""

    event: Literal["token_issued"]
    node: str
    table: str
    seconds: float
    reason: str
    actor: str
    """The caller that made it."""


class TokenRefused(Base):
    """A peer has shown a token that is not valid."""

    event: Literal["token_refused"]
    peer: str
    guard: str
    source: str
    reason: str


class ShadowChanged(Base):
    """A shadow policy judges beside the policy from now on, or no longer."""

    event: Literal["shadow_changed"]
    actor: str
    revision: str | None
    """The revision of the shadow policy; null: it was removed."""


class StateTrouble(Base):
    """Settings made at run time can't be saved."""

    event: Literal["state_trouble"]
    detail: str


class ApiCall(Base):
    """A function of the HTTP API was called that can change something."""

    event: Literal["api_call"]
    actor: str
    """The caller: ``unix:USER``, ``token:NAME``."""
    function: str
    arguments: dict[str, Any]
    error: str | None
    """The reason for a refusal; null: done."""


class ApiRefused(Base):
    """A request to the HTTP API was refused before it was read."""

    event: Literal["api_refused"]
    source: str
    actor: str | None
    """The caller; null: unknown."""
    method: str
    path: str
    reason: Literal["token", "role", "host", "origin"]
    """``token``: missing or not valid; ``role``: not sufficient; ``host``, ``origin``: sent by a browser for another
    site."""
    folded: Folded


class CallerConnect(Base):
    """A node has connected to distwall's own node, to call the runtime API from Erlang."""

    event: Literal["caller_connect"]
    node: str
    """The name that the node has proved."""
    role: Literal["guard", "operator"]
    """A guarded node may touch its own channels, an operator's node all channels."""


class CallerDisconnect(Base):
    """A node with access to the runtime API has disconnected."""

    event: Literal["caller_disconnect"]
    node: str
    reason: str
    """``closed``, or the reason why distwall hung up."""


class CallerRefused(Base):
    """A node could not connect to distwall's own node, or was cut off for an invalid message."""

    event: Literal["caller_refused"]
    source: str
    node: str | None
    """The name that the node claimed, if any."""
    reason: str
    """``bad_cookie``, ``not_guarded`` (and [control] has no cookie), ``malformed``, ``timeout``, ``flood``, ..."""
    detail: str
    folded: Folded


class CallFailed(Base):
    """A call of the runtime API from Erlang met an error in distwall; the channels are not affected."""

    event: Literal["call_failed"]
    node: str
    """The caller."""
    function: str
    detail: str


class TokensChanged(Base):
    """The file of tokens has changed."""

    event: Literal["tokens_changed"]
    added: list[str]
    """Names of the new tokens."""
    removed: list[str]


class AuditResumed(Base):
    """The log can be written again."""

    event: Literal["audit_resumed"]
    reason: str
    """The reason why it could not be written."""
    lost: Annotated[int, Field(ge=0)]
    """Number of events that are not in the log."""


class AuditRecovered(Base):
    """The end of the log was not in order when distwall started; [the reasons](audit.md#after-a-crash)."""

    event: Literal["audit_recovered"]
    reason: Literal["torn", "unanchored", "cut", "altered", "no_anchor", "unreadable"]
    detail: str
    torn_bytes: Annotated[int, Field(ge=0)]
    """Number of bytes before this line that are not a line."""
    torn_sha256: Digest | None


class EventsDropped(Base):
    """On the live stream only: the reader was too slow."""

    event: Literal["events_dropped"]
    dropped: Annotated[int, Field(ge=1)]
    """Number of events left out here."""


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
    """Raises ValueError, with the reason, for an event that is not in the schema."""
    _ADAPTER.validate_python(event)


def json_schema() -> dict[str, Any]:
    """The schema of one line, as JSON Schema."""
    schema = _ADAPTER.json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"distwall event, version {VERSION}",
        **schema,
    }
