"""The schema of events: every kind of event that distwall records, and the meaning of each field.

It is the one declaration of them. The code makes events of these classes, so mypy checks every field.
``docs/events.md`` and ``docs/events.schema.json`` are made from it (``make pages``), and the tests hold every recorded
event to it. Kinds and fields may be added within a version: readers of events have to ignore unknown fields.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Final, Literal, Self, TypeVar, dataclass_transform

from distwall.audit.event import OpenedBy
from distwall.policy import Rule

Direction = Literal["inbound", "outbound"]
RecoveryReason = Literal["torn", "unanchored", "cut", "altered", "no_anchor", "unreadable", "emptied"]

STRICT: Final = {"extra": "forbid", "strict": True, "use_attribute_docstrings": True}
"""The settings with which pydantic makes the JSON Schema. Nothing here needs pydantic: commands start without it."""


class Limits:
    """Limits of a field's values beside its type, by the names that pydantic has for them."""

    def __init__(self, description: str | None = None, **limits: object) -> None:
        """``description``: the meaning of a field that many kinds have."""
        self._limits = limits
        self._description = {} if description is None else {"description": description}

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        return {**handler(source), **self._limits}

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        return {**handler(schema), **self._description}


Digest = Annotated[str, Limits(pattern="^[0-9a-f]{64}$")]
Folded = Annotated[int, Limits("Number of similar events left out since the previous event of this kind.", ge=0)]


class EventBase:
    """An event before it has a time and a number."""

    __slots__ = ()
    __pydantic_config__ = STRICT

    kind: ClassVar[str]
    names: ClassVar[tuple[str, ...]]
    """The fields, in order."""

    def fields(self) -> dict[str, Any]:
        """Return the values of the fields by their names, as JSON has them."""
        return {name: getattr(self, name) for name in self.names}


_Class = TypeVar("_Class", bound=EventBase)

KINDS: dict[str, type[EventBase]] = {}
"""The class of each kind, in the order of the documentation."""


@dataclass_transform(kw_only_default=True)
def _kind(name: str) -> Callable[[type[_Class]], type[_Class]]:
    """Makes a class the declaration of the events with the name ``name``."""

    def declare(declared: type[_Class]) -> type[_Class]:
        made = dataclass(kw_only=True, slots=True, eq=False)(declared)
        made.kind = name
        made.names = tuple(field.name for field in fields(made))  # type: ignore[arg-type]
        KINDS[name] = made
        return made

    return declare


@dataclass(kw_only=True, slots=True)
class RuleRef:
    """A rule, and the place where it is written."""

    __pydantic_config__ = STRICT

    text: str
    """The rule as written."""
    where: str
    """``entry``, ``table NAME``, ``defaults``, or ``run time``."""
    file: str
    line: int
    column: int

    @classmethod
    def of(cls, rule: Rule) -> Self:
        """Return the reference to a rule."""
        at = rule.origin
        return cls(text=rule.text, where=rule.where, file=str(at.path), line=at.line, column=at.column)

    def to_json(self) -> dict[str, Any]:
        """Return the reference as JSON."""
        return {"text": self.text, "where": self.where, "file": self.file, "line": self.line, "column": self.column}


@_kind("start")
class Start(EventBase):
    """distwall has started."""

    policy: str
    """The policy file."""
    guards: list[str]
    """Globs of the guarded nodes."""


@_kind("stop")
class Stop(EventBase):
    """distwall has stopped in good order."""


@_kind("register")
class Register(EventBase):
    """A guarded node has registered, and peers can reach it now."""

    guard: str
    """The part of the node's name before ``@``."""
    port: int
    """The port of the node itself."""
    listening: int | None
    """The port where peers reach it; null: it is not guarded."""


@_kind("unregister")
class Unregister(EventBase):
    """A guarded node is gone."""

    guard: str
    port: int


@_kind("exposed")
class Exposed(EventBase):
    """A guarded node has registered, and peers could reach it past distwall.

    The scope `to exposed` of rules is another thing.
    """

    guard: str
    detail: str


@_kind("listen_failed")
class ListenFailed(EventBase):
    """No port is free for peers of a guarded node."""

    guard: str
    detail: str


@_kind("connect")
class Connect(EventBase):
    """A handshake succeeded: a channel is open."""

    peer: str
    """The name that the peer has proved."""
    guard: str
    source: str
    """The address that the peer came from, or was dialled at."""
    opened_by: OpenedBy
    """The side that dialled."""
    tls: bool
    certificate: str | None
    """The names in the certificate that the peer has shown."""
    entry: str
    """The ``node`` of the entry for this peer."""
    visible: bool
    flags: str
    """The capabilities of both sides, in hexadecimal."""
    folded: Folded


@_kind("disconnect")
class Disconnect(EventBase):
    """A channel has ended."""

    peer: str
    guard: str
    source: str
    reason: str
    """The side that closed it, the decision of an operator, or the fault in its bytes."""
    seconds: float
    """Time that the channel was open."""
    folded: Folded
    """Number of refused commands of this channel, and of the ``others``, that no event has told of."""
    others: Annotated[int, Limits(ge=0)]
    """Number of other channels of the entry that ended, and whose events were left out."""


@_kind("refused")
class Refused(EventBase):
    """A command was refused, or would have been (reasons ``audit:...`` and ``shadow:...``)."""

    peer: str
    guard: str
    direction: Direction
    """``inbound``: from the peer to the guarded node."""
    command: str | None
    """One of the 14 commands; null if it can't be read, and for a call in a restricted shell or a checked fun."""
    target: str | None
    """The registered name or ``M:F/A`` that the command is for."""
    verdict: Literal["accept", "deny", "drop"]
    """``accept`` only from a shadow policy."""
    rule: RuleRef | None
    """The rule that decided; null if no rule did."""
    reason: str
    """``rule``, ``default`` (no rule matched), ``options``, ``otp_internal``, ``third_node``, ``funs``,
    ``spoofed``, ``stale_target``, ``handler``, or ``limit:NAME``. ``evaluator``: a call in a restricted shell or a
    checked fun that can't be followed. ``audit:REASON``: the command passed, in audit mode.
    ``shadow:VERDICT``: the shadow policy would decide differently; ``verdict`` and ``rule`` are its own."""
    folded: Folded

    def fields(self) -> dict[str, Any]:
        """Return the values of the fields by their names, as JSON has them."""
        made = EventBase.fields(self)
        if self.rule is not None:
            made["rule"] = self.rule.to_json()
        return made


@_kind("handshake_refused")
class HandshakeRefused(EventBase):
    """A handshake was refused; [the reasons](running.md#when-a-peer-cant-connect)."""

    source: str
    peer: str | None
    """The name that the peer claimed, if any."""
    guard: str | None
    opened_by: OpenedBy
    reason: str
    detail: str
    folded: Folded


@_kind("epmd_refused")
class EpmdRefused(EventBase):
    """A request to EPMD was refused."""

    source: str
    reason: str
    detail: str = ""
    folded: Folded


@_kind("certificate_loaded")
class CertificateLoaded(EventBase):
    """Certificates were loaded again, and are in force from now on."""

    files: list[str]


@_kind("certificate_refused")
class CertificateRefused(EventBase):
    """Certificates have changed and can't be used; the old certificates stay in force."""

    files: list[str]
    detail: str
    folded: Folded


@_kind("setting")
class Setting(EventBase):
    """A setting was made, or removed, at run time."""

    actor: str
    """The caller: ``unix:USER``, ``token:NAME``, a node, or empty."""
    set: str | None = None
    unset: str | None = None
    persist: bool
    """True if the setting survives a restart."""

    def fields(self) -> dict[str, Any]:
        """Return the values of the fields by their names, without ``set`` or ``unset`` where it is None."""
        return {name: value for name, value in EventBase.fields(self).items() if value is not None}


@_kind("policy_changed")
class PolicyChanged(EventBase):
    """Another policy is in force."""

    actor: str
    policy: str
    """The file."""
    changes: list[str]
    """Changed lines, with ``+`` and ``-``. A changed cookie is mentioned, never shown."""


@_kind("policy_refused")
class PolicyRefused(EventBase):
    """A policy has errors; the previous policy stays in force."""

    actor: str
    policy: str
    """The file."""
    problems: list[str]
    """Errors of the policy, at most 20."""


@_kind("policy_on_trial")
class PolicyOnTrial(EventBase):
    """Another policy is in force on trial, and ends by itself unless somebody confirms it."""

    actor: str
    revision: str
    """A short name for the text of the policy."""
    confirm_within: float
    """Seconds until the trial ends."""


@_kind("policy_confirmed")
class PolicyConfirmed(EventBase):
    """The policy on trial stays in force."""

    actor: str
    revision: str


@_kind("policy_rolled_back")
class PolicyRolledBack(EventBase):
    """The policy before the trial is in force again."""

    actor: str
    revision: str
    """The revision that is in force again."""
    reason: str


@_kind("handler_failed")
class HandlerFailed(EventBase):
    """A handler or a module filter gave no answer, so the command was denied."""

    peer: str
    guard: str
    command: str
    target: str
    detail: str
    """The error."""
    folded: Folded


@_kind("token_issued")
class TokenIssued(EventBase):
    """A token was made, with which a peer can raise its own access once."""

    node: str
    table: str
    seconds: float
    reason: str
    actor: str
    """The caller that made it."""


@_kind("token_refused")
class TokenRefused(EventBase):
    """A peer has shown a token that is not valid."""

    peer: str
    guard: str
    source: str
    reason: str
    folded: Folded


@_kind("question_refused")
class QuestionRefused(EventBase):
    """A question of a peer to the name ``distwall`` got no answer."""

    peer: str
    guard: str
    source: str
    reason: Literal["rate", "size"]
    """``rate``: too many questions of the peer, or of its entry; ``size``: a question that is too long."""
    folded: Folded


@_kind("shadow_changed")
class ShadowChanged(EventBase):
    """A shadow policy judges beside the policy from now on, or no longer."""

    actor: str
    revision: str | None
    """The revision of the shadow policy; null: it was removed."""


@dataclass(kw_only=True, slots=True, eq=False)
class _Grant(EventBase):
    """Fields of all events about temporary access."""

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
    entries: list[str]
    """The entries that it is for, by their ``node``."""


@_kind("grant")
class GrantGiven(_Grant):
    """Temporary access was granted."""

    renewed: bool


@_kind("grant_revoked")
class GrantRevoked(_Grant):
    """Temporary access was ended before its time."""

    by: str
    """The caller that ended it."""


@_kind("grant_expired")
class GrantExpired(_Grant):
    """Temporary access is over."""


@_kind("state_trouble")
class StateTrouble(EventBase):
    """Settings made at run time can't be saved."""

    detail: str


@_kind("api_call")
class ApiCall(EventBase):
    """A function of the HTTP API was called that can change something."""

    actor: str
    """The caller: ``unix:USER``, ``token:NAME``."""
    function: str
    arguments: dict[str, Any]
    error: str | None
    """The reason for a refusal; null: done."""


@_kind("api_refused")
class ApiRefused(EventBase):
    """A request to the HTTP API was refused before it was read."""

    source: str
    actor: str | None
    """The caller; null: unknown."""
    method: str
    path: str
    reason: Literal["token", "role", "host", "origin"]
    """``token``: missing or not valid; ``role``: not sufficient; ``host``, ``origin``: sent by a browser for another
    site."""
    folded: Folded


@_kind("caller_connect")
class CallerConnect(EventBase):
    """A node has connected to distwall's own node, to call the runtime API from Erlang."""

    node: str
    """The name that the node has proved."""
    role: Literal["guard", "operator"]
    """A guarded node may touch its own channels, an operator's node all channels."""


@_kind("caller_disconnect")
class CallerDisconnect(EventBase):
    """A node with access to the runtime API has disconnected."""

    node: str
    reason: str
    """``closed``, or the reason why distwall hung up."""


@_kind("caller_refused")
class CallerRefused(EventBase):
    """A node could not connect to distwall's own node, or was cut off for an invalid message."""

    source: str
    node: str | None
    """The name that the node claimed, if any."""
    reason: str
    """``bad_cookie``, ``not_guarded`` (and [control] has no cookie), ``malformed``, ``timeout``, ``flood``, ..."""
    detail: str
    folded: Folded


@_kind("call_failed")
class CallFailed(EventBase):
    """A call of the runtime API from Erlang met an error in distwall; the channels are not affected."""

    node: str
    """The caller."""
    function: str
    detail: str


@_kind("tokens_changed")
class TokensChanged(EventBase):
    """The file of tokens has changed."""

    added: list[str]
    """Names of the new tokens."""
    removed: list[str]


@_kind("audit_resumed")
class AuditResumed(EventBase):
    """The log can be written again."""

    reason: str
    """The reason why it could not be written."""
    lost: Annotated[int, Limits(ge=0)]
    """Number of events that are not in the log."""


@_kind("audit_recovered")
class AuditRecovered(EventBase):
    """The end of the log was not in order when distwall started; [the reasons](audit.md#after-a-crash)."""

    reason: RecoveryReason
    detail: str
    torn_bytes: Annotated[int, Limits(ge=0)]
    """Bytes of an incomplete line, left by a crash, in front of this event."""
    torn_sha256: Digest | None


@_kind("events_dropped")
class EventsDropped(EventBase):
    """On the live stream only: the reader was too slow."""

    dropped: Annotated[int, Limits(ge=1)]
    """Number of events left out here."""


Flooding = HandshakeRefused | EpmdRefused | CertificateRefused | ApiRefused | CallerRefused
"""Refusals that strangers can cause at any rate: a flood of these is kept short."""

PeerCaused = Connect | Disconnect | Refused | HandlerFailed | TokenRefused | QuestionRefused
"""Events that a peer can cause at any rate: a flood of these is kept short for each entry."""
