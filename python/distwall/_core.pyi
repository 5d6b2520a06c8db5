"""The wire core: Erlang distribution frames in; verdicts, frames and events out.

Built from ``crates/distwall-wire`` (the logic, no I/O, no clock) and ``crates/distwall-py`` (these bindings).
"""

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Literal, NamedTuple, Self, TypeAlias, final

__all__ = [
    "CLERK",
    "COMMANDS",
    "DEFAULT_LIMITS",
    "KNOWN_FLAGS",
    "MANDATORY_25",
    "MAX_PATTERN_DEPTH",
    "MAX_PATTERN_KEYS",
    "MAX_PATTERN_SIZE",
    "MAX_PATTERN_VARIABLES",
    "OTP_NAMES",
    "OTP_NAME_PREFIXES",
    "OWN_NAME",
    "RESERVED_WORDS",
    "STAGES",
    "TYPE_GUARDS",
    "VERSION",
    "Ask",
    "Budget",
    "Channel",
    "Claims",
    "ConsideredRule",
    "CoreRule",
    "Counters",
    "DistFlag",
    "Event",
    "Explanation",
    "Exposures",
    "Held",
    "Hooks",
    "Op",
    "Pattern",
    "PeerRules",
    "StageReport",
    "print_atom",
    "toml_spans",
]

Verdict: TypeAlias = Literal["accept", "deny", "drop"]
Direction: TypeAlias = Literal["inbound", "outbound"]
KeyPart: TypeAlias = tuple[Literal["exact", "prefix", "any", "pid", "ref"], str]
"""One part of a rule's key: the literal text (empty for ``any``); a process or an alias is as Erlang prints it."""

Scope: TypeAlias = Literal["exposed", "spawned", "linked", "any"]
"""The way in which the sender of a command came to know its target."""

class CoreRule(NamedTuple):
    """A rule in the form that the core compiles."""

    command: str
    """One of ``COMMANDS``, ``"*"``, ``"otp_internal"`` or ``"call"``."""

    key: Sequence[KeyPart] | None
    """The targets that it matches; None: all.

    One part is a name (``reg_send``, ``monitor``, ``otp_internal``), or a ``pid`` or ``ref`` (commands for a process).
    Three parts are module, function, and arity in decimal (``spawn_request``, ``call``).
    """

    scope: str | None
    """A `Scope`, or `exposed of APPLICATION`."""

    pattern: bytes | None
    """A compiled pattern of the payload."""

    verdict: Verdict
    layer: int
    """0 for granted tables, 1 for attached rules, 2 for defaults."""

    audit: bool
    """True if commands that the rule refuses pass and are recorded."""

    rule_id: int
    """Any number. It comes back in events and judgements."""

class Event(NamedTuple):
    """A refusal, or a command about which the shadow policy would decide differently."""

    direction: Direction
    command: str
    target: str
    """The target as Erlang prints it; a process with a known registered name is ``NAME <0.1.0>``."""

    verdict: Verdict
    rule_id: int | None
    """The rule that decided, if a rule did; of a shadow policy, its rule."""

    reason: str
    """The reason: ``rule`` (the rule ``rule_id`` decided), ``default`` (no rule matched), or another cause.

    Other causes are ``options``, ``otp_internal``, ``third_node``, ``funs``, ``spoofed``, ``stale_target``,
    ``handler``, and ``limit:NAME``.
    After ``audit:``, the command passed all the same. ``shadow:VERDICT`` is not a refusal: the shadow policy would
    decide so.
    """

    folded: int
    """Refusals left out since the last event: there are at most 50 events a second for each channel."""

class Hooks(NamedTuple):
    """The questions to ask about accepted commands of the peer."""

    handlers: Mapping[str, str]
    """By command a module of the guarded node, or ``""`` for a question in `Channel.asks`."""

    filter: str | None
    """The same for all commands."""

    checked_funs: bool
    """True if funs of shells are evaluated by distwall's module on the guarded node."""

    restricted_shell: bool
    """True if distwall's module on the guarded node runs the shells of the peer."""

    own_name: bool
    """True if a message to the name ``distwall`` becomes a question with the ticket 0, and goes no further."""

class Ask(NamedTuple):
    """A question: a command waits for `Channel.answer`."""

    ticket: int
    kind: Literal["own", "filter", "handler", "guard", "who"]
    """``guard``: a module of the guarded node was asked; answer only if that takes too long.

    ``who``: the guarded node was asked who processes are; an answer ends the channel.
    """

    command: str
    target: str
    control: bytes
    """The control message, without 131, with atoms written out."""

    payload: bytes | None
    """The message, likewise."""

VERSION: str
"""The version of distwall, as in Cargo.toml."""

COMMANDS: tuple[str, ...]
"""The 14 commands, in the order of ``erlang:statistics(dist)``."""

DEFAULT_LIMITS: dict[str, int]
"""Every limit with its default."""

KNOWN_FLAGS: int
"""All of ``DistFlag``: the flags that the core understands. All others are masked in the handshake."""

MANDATORY_25: int
"""The flags that ``DistFlag.MANDATORY_25_DIGEST`` stands for: a receiver adds all of these."""

CLERK: int
"""Id and serial of the process in whose name distwall speaks to a node. No process of a real node has that number."""

OWN_NAME: str
"""The registered name of distwall itself at every guarded node."""

OTP_NAMES: tuple[str, ...]
"""The registered names of OTP's and Elixir's own processes, to which no message is ordinary."""
OTP_NAME_PREFIXES: tuple[str, ...]
"""The beginnings of such names that are made at run time."""
TYPE_GUARDS: tuple[str, ...]
"""The type guards of patterns, by the numbers that compiled patterns have for them."""

MAX_PATTERN_DEPTH: int
"""Most levels of a pattern."""

MAX_PATTERN_SIZE: int
"""Most bytes of a compiled pattern."""

MAX_PATTERN_VARIABLES: int
MAX_PATTERN_KEYS: int
"""Most keys that a pattern may name in one map."""

class DistFlag(IntEnum):
    """The distribution flags, by their names in OTP."""

    PUBLISHED = ...
    ATOM_CACHE = ...
    EXTENDED_REFERENCES = ...
    DIST_MONITOR = ...
    FUN_TAGS = ...
    DIST_MONITOR_NAME = ...
    HIDDEN_ATOM_CACHE = ...
    NEW_FUN_TAGS = ...
    EXTENDED_PIDS_PORTS = ...
    EXPORT_PTR_TAG = ...
    BIT_BINARIES = ...
    NEW_FLOATS = ...
    UNICODE_IO = ...
    DIST_HDR_ATOM_CACHE = ...
    SMALL_ATOM_TAGS = ...
    UTF8_ATOMS = ...
    MAP_TAG = ...
    BIG_CREATION = ...
    SEND_SENDER = ...
    BIG_SEQTRACE_LABELS = ...
    EXIT_PAYLOAD = ...
    FRAGMENTS = ...
    HANDSHAKE_23 = ...
    UNLINK_ID = ...
    MANDATORY_25_DIGEST = ...
    SPAWN = ...
    NAME_ME = ...
    V4_NC = ...
    ALIAS = ...
    ALTACT_SIG = ...
    NATIVE_RECORDS = ...

class Op(IntEnum):
    """The opcodes of control messages, by their names in the documentation of the protocol."""

    LINK = ...
    SEND = ...
    EXIT = ...
    UNLINK = ...
    REG_SEND = ...
    GROUP_LEADER = ...
    EXIT2 = ...
    SEND_TT = ...
    EXIT_TT = ...
    REG_SEND_TT = ...
    EXIT2_TT = ...
    MONITOR_P = ...
    DEMONITOR_P = ...
    MONITOR_P_EXIT = ...
    SEND_SENDER = ...
    SEND_SENDER_TT = ...
    PAYLOAD_EXIT = ...
    PAYLOAD_EXIT_TT = ...
    PAYLOAD_EXIT2 = ...
    PAYLOAD_EXIT2_TT = ...
    PAYLOAD_MONITOR_P_EXIT = ...
    SPAWN_REQUEST = ...
    SPAWN_REQUEST_TT = ...
    SPAWN_REPLY = ...
    SPAWN_REPLY_TT = ...
    ALIAS_SEND = ...
    ALIAS_SEND_TT = ...
    UNLINK_ID = ...
    UNLINK_ID_ACK = ...
    ALTACT_SIG_SEND = ...

RESERVED_WORDS: tuple[str, ...]
"""The reserved words of Erlang in OTP 25 to 29; as atoms they are quoted."""

STAGES: tuple[str, ...]
"""The stages that a command passes, in their order; docs/rules.md says what each of them asks."""

@final
class ConsideredRule:
    """A rule about a command and its target, and its outcome."""

    @property
    def rank(self) -> int:
        """The place of the rule in the list that the policy was made of."""

    @property
    def id(self) -> int: ...
    @property
    def outcome(self) -> Literal["decides", "weaker", "pattern", "scope", "unknown", "not_meant"]:
        """``weaker``: another rule comes before it. ``pattern``, ``scope``: it does not fit.

        ``unknown``: it has a pattern, and the payload is not known. ``not_meant``: rules like it do not hold here, as
        ``accept *`` does not for an ending that belongs to nothing.
        """

@final
class StageReport:
    """The answer of one stage to a command."""

    @property
    def stage(self) -> str:
        """One of ``STAGES``."""

    @property
    def verdict(self) -> Literal["deny", "drop"] | None:
        """The refusal that the stage asks for; None: it has nothing against the command."""

    @property
    def rule(self) -> int | None:
        """The id of the rule behind the refusal, if a rule is."""

    @property
    def reason(self) -> str | None:
        """The reason of the refusal, as in events."""

    @property
    def waived(self) -> bool:
        """True if the command goes on all the same, and the refusal is recorded."""

    @property
    def called(self) -> tuple[Literal["function", "fun", "opaque"], str] | None:
        """The function that the command calls, or the module of a fun: found by the stage ``call``.

        ``opaque``: the command is a call, but its function can't be told. None: it calls nothing.
        """

    @property
    def considered(self) -> list[ConsideredRule]:
        """The rules about the command and its target, in the order in which they come."""

@final
class Explanation:
    """The verdict on a command that somebody could send, with the answers of the stages."""

    @property
    def verdict(self) -> Verdict:
        """The verdict of the rules, carried out or not."""

    @property
    def rule(self) -> int | None:
        """The id of the rule that decided, if one did."""

    @property
    def reason(self) -> str:
        """The reason of the refusal, as in events; ``rule`` if the command is accepted."""

    @property
    def audited(self) -> bool:
        """True if the command passes in spite of the verdict, and is recorded."""

    @property
    def stages(self) -> list[StageReport]:
        """The stages that were asked, in their order: up to the first whose objection stands."""

@final
class PeerRules:
    """Compiled rules of one peer. Immutable; shared by any number of channels."""

    def __new__(
        cls,
        rules: Sequence[CoreRule],
        *,
        third_nodes: Sequence[str] = ...,
        funs: bool | None = None,
    ) -> Self:
        """``rules`` go from the strongest to the weakest: the first that matches decides; without a match: deny.

        ``third_nodes`` are globs of nodes whose pids payloads may contain. ``funs``: true if messages may carry funs;
        None: only where ``accept *`` decides. Raises ValueError for an unknown command, key kind, pattern or verdict.
        """

    def explain(
        self,
        command: str,
        key: Sequence[str] | None = None,
        *,
        peer: str,
        guard: str,
        outbound: bool = False,
        known_by: Scope | None = None,
        payload: bytes | None = None,
        obeyed: bool = False,
        audit: bool = False,
        checked_funs: bool = False,
    ) -> Explanation:
        """Judge a command that ``peer`` could send to ``guard`` (``outbound``: ``guard`` to ``peer``).

        ``command`` and ``key`` are as in ``CoreRule``; a process or an alias stands in ``key`` as it is printed.
        Without ``key``, no rule names the target. ``known_by``: how the target became known to the sender.
        ``payload`` is the message, the reason or the list of arguments, without 131; processes in it have creation 1.
        Without it, no pattern fits. ``obeyed``: the message is unknown, but processes of OTP obey it, as with
        ``otp_internal``. ``audit``: refusals by rules are only recorded. ``checked_funs``: funs of a shell are read
        behind the rules.

        Raises ValueError for what nobody can send.
        """

    def judge(
        self, command: str, key: tuple[str, ...] | None = None
    ) -> list[tuple[Verdict, int, Scope | None, bytes | None]]:
        """The rules that could decide, strongest first, ending with the first without scope and pattern.

        Each is ``(verdict, rule_id, scope, pattern)``; empty means that no rule matches (deny).
        """

@final
class Counters:
    """Commands counted per direction, command and verdict; shared by the channels of one peer."""

    def __new__(cls) -> Self: ...
    def add(self, other: Counters) -> None:
        """Adds the counts of another peer, as they are now."""

    def inbound(self) -> tuple[int, int, int]:
        """The commands of the peer that were accepted, denied and dropped."""

    def snapshot(self) -> dict[Direction, dict[str, dict[Verdict, int]]]:
        """All counts now, all 14 commands in both directions."""

@final
class Budget:
    """Atoms, funs and nodes that a peer has added to one incarnation of the guarded node. Its channels share it.

    ``beside`` is a budget of another peer: both count for the limit ``guard_atoms``.
    """

    def __new__(cls, beside: Budget | None = None) -> Self: ...
    def used(self) -> tuple[int, int, int]:
        """``(atoms, funs, nodes)`` so far, distinct."""

    def guard_atoms(self) -> int:
        """Distinct atoms of all peers to that incarnation of the guarded node."""

    def name(self, name: str, limits: Mapping[str, int] | None = None) -> bool:
        """Spends an atom on a peer's name. False if that would exceed ``limits``.

        Raises ValueError for an unknown limit.
        """

@final
class Claims:
    """The processes and aliases of one incarnation of a guarded node that the peers of an entry have claimed."""

    def __new__(cls) -> Self: ...

@final
class Exposures:
    """The processes and aliases of one incarnation of a guarded node that a peer was shown.

    The peer's channels share it, one after the other. Their clock has to be the same.
    """

    def __new__(cls, claims: Claims | None = None) -> Self:
        """``claims`` are shared with the other peers of its entry; None: it is alone."""

    def claims(self) -> int:
        """Processes and aliases that the peers wrote without having been shown them."""

    def shown(self) -> int:
        """Processes and aliases that the peer was shown, as far as they are kept."""

@final
class Held:
    """The sum of the bytes that the channels of an entry hold; or of all entries together."""

    def __new__(
        cls,
        most: int,
        crowded: Callable[[], object],
        within: Held | None = None,
        *,
        most_tables: int = ...,
        most_lasting: int = ...,
    ) -> Self:
        """``crowded`` is called when a channel holds more, and a sum is above its limit: this one, or ``within``.

        It is called in the middle of a call of the channel, and must not touch it. Tables of tracking that peers fill
        get no more memory while they take more than ``most_tables`` bytes together. ``crowded`` is also called when the
        other tables take more than ``most_lasting`` bytes together.
        """

    def used(self) -> int:
        """The sum now."""

    def tables(self) -> int:
        """Bytes of the tables of tracking that peers fill, which are not in the sum."""

    def lasting(self) -> int:
        """Bytes of the other tables of tracking, which are not in the sum either."""

    def set_most(self, most: int, *, most_tables: int = ..., most_lasting: int = ...) -> None:
        """Changes the limits."""

    def is_overfull(self) -> bool:
        """True if these other tables take more than their limit."""

    def is_crowded(self) -> bool:
        """True if the sum is above the limit."""

@final
class Channel:
    """One distribution connection after its handshake, both directions."""

    def __new__(
        cls,
        *,
        peer: str,
        peer_creation: int,
        guard: str,
        guard_creation: int,
        flags: int,
        policy: PeerRules,
        counters: Counters,
        budget: Budget,
        exposures: Exposures | None = None,
        limits: Mapping[str, int] | None = None,
        deny_reason: str = "not_allowed",
        policy_out: PeerRules | None = None,
        shadow: PeerRules | None = None,
        audit: bool = False,
        close_on_limit: bool = False,
        hooks: Hooks | None = None,
        held: Held | None = None,
        follows_peer: bool = True,
    ) -> Self:
        """``flags`` are the negotiated flags (both sides ANDed). ``limits`` override ``DEFAULT_LIMITS`` by name.

        ``exposures`` of earlier channels hold on this one, too; None: this is the first one. ``policy_out``,
        ``shadow``, ``audit``: see :meth:`set_policy`. ``close_on_limit``: a limit that would refuse a command closes
        the channel as well. ``held`` sums the bytes that channels hold. ``follows_peer``: what the peer asks and shows
        is noted; False is for a channel that will have no ``policy_out``, which alone looks at that.

        Raises ValueError for a name that is not a node name or an unknown limit.
        """

    def receive(
        self, inbound: bool, data: bytes, now: float, start: int | None = None
    ) -> tuple[list[bytes | memoryview], bytes | None, list[Event] | None, str | None]:
        """Takes bytes of the peer (``inbound``) or of the guarded node; never raises, for any bytes.

        Returns ``(forward, back, events, closed)``. ``forward`` are buffers to write to the other side, in order.
        ``back`` are bytes to write back to the sender of ``data``. ``events`` are refusals. ``closed`` is the reason
        why the channel must end: first write ``forward`` and ``back``. A closed channel ignores further input. ``now``
        is a monotonic clock in seconds.

        With ``start``, the work is bounded: a slice of ``data`` from there on, up to ``taken``. The rest has to be
        given before any more bytes of that side. If more was accepted than can be handed out at once, the next slices
        take nothing, and hand it out.
        """

    @property
    def unfinished(self) -> bool:
        """True if the last slice did not end at the end of its data, if there are `asks`, or if a side is `due`."""

    def due(self, inbound: bool) -> bool:
        """True if something of that side goes on in the next slice of its bytes, even of none.

        These are commands of the peer that have waited, or accepted bytes that are not all handed out.
        """

    def outgoing(self, inbound: bool) -> int:
        """Accepted bytes of that side, as far as they are not handed out."""

    @property
    def taken(self) -> int:
        """The position in its data where the last slice ended; the length of the data if all was taken."""

    def set_policy(
        self,
        policy: PeerRules,
        *,
        policy_out: PeerRules | None = None,
        shadow: PeerRules | None = None,
        audit: bool = False,
        hooks: Hooks | None = None,
    ) -> None:
        """Judges by ``policy`` from the next command on.

        ``policy_out`` judges commands of the guarded node (None: they pass). ``shadow`` is a shadow policy: events tell
        where it would decide differently. ``audit``: commands that rules refuse pass, with events.
        """

    def set_limits(self, limits: Mapping[str, int] | None, *, close_on_limit: bool = False) -> None:
        """Applies other limits from the next command on; both as when the channel was made. Counts stay.

        Raises ValueError for an unknown limit.
        """

    def set_account(self, budget: Budget, held: Held) -> None:
        """Moves the channel to another entry's account: its held bytes now, and what it adds from now on.

        What it has added before stays counted in the old budget.
        """

    def answer(
        self, ticket: int, verdict: Verdict, payload: bytes | None, now: float
    ) -> tuple[list[bytes | memoryview], bytes | None, list[Event] | None, str | None]:
        """Answers a question of `asks`, or gives up on it (``deny``); ``payload`` replaces the message.

        Returns the same as `receive` for bytes of the peer. An unknown ticket is ignored. A payload that is not a term,
        or that the policy refuses, is denied.
        """

    def waits(self, ticket: int) -> bool:
        """True if a command waits for the answer to that question."""

    def parks(self) -> bool:
        """True if commands of the peer wait until the guarded node has said who they are for."""

    def asks(self) -> list[Ask]:
        """The questions of the last `receive` or `answer`; take them after each of these."""

    def made_up(self, control: bytes, payload: bytes | None = None) -> bytes | None:
        """A frame for the peer, around a control message and a payload (without 131, atoms written out).

        None: it goes out behind the bytes that are being handed out.
        """

    def pending(self) -> int:
        """Bytes held in the core now, both directions: incomplete frames, sequences, what is not handed out so far."""

    def held(self) -> int:
        """Bytes of memory that the channel holds now, unwritten bytes included."""

    def lasting(self) -> int:
        """Bytes of the tables of tracking that are not forgotten for want of memory."""

    def set_unwritten(self, size: int) -> None:
        """Notes the number of bytes that wait to be written to the channel's connections."""

    def shut(self) -> None:
        """Ends the channel, and gives back what it holds."""

    def shadow_differences(self) -> int:
        """Number of commands so far on which ``shadow`` would have decided differently."""

    def folded(self) -> int:
        """Refusals not yet reported in any event; resets the count."""

@final
class Pattern:
    """A compiled pattern (as in ``CoreRule``), to be matched against single terms."""

    def __new__(cls, code: bytes) -> Self:
        """Raises ValueError for bytes that are not a compiled pattern, or beyond its limits.

        The limits are 64 KiB, 64 levels, 64 variables, and 64 keys in one map.
        """

    def matches(self, etf: bytes, *, peer: str, guard: str, outbound: bool = False) -> bool:
        """True if a term from ``peer`` to ``guard`` matches (``outbound``: from ``guard`` to ``peer``).

        ``etf`` is the external format of the term without 131. Raises ValueError for bytes that would end a channel.
        """

def print_atom(text: str) -> str:
    """Prints an atom as events do, quoted where needed. The result may be used in a rule."""

def toml_spans(text: str) -> dict[tuple[str | int, ...], tuple[int, int]]:
    """The start of each key and of its value in a TOML text, as two offsets in characters.

    The offsets are listed by path: tables by key, arrays by index. An element of an array has no key: both offsets are
    its own. Raises ValueError with ``(message, offset)`` as its args if the text is not TOML.
    """
