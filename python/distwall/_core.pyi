"""The wire core: Erlang distribution frames in; verdicts, frames and events out.

Built from ``crates/distwall-wire`` (the logic, no I/O, no clock) and ``crates/distwall-py`` (these bindings).
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Self, TypeAlias, final

__all__ = [
    "COMMANDS",
    "DEFAULT_LIMITS",
    "KNOWN_FLAGS",
    "VERSION",
    "Budget",
    "Channel",
    "Counters",
    "Pattern",
    "Policy",
    "toml_spans",
]

Verdict: TypeAlias = Literal["accept", "deny", "drop"]
Direction: TypeAlias = Literal["inbound", "outbound"]
KeyPart: TypeAlias = tuple[Literal["exact", "prefix", "any", "pid", "ref"], str]
"""One part of a rule's key: the literal text (empty for ``any``); of a process or an alias as Erlang prints it."""

Scope: TypeAlias = Literal["exposed", "spawned", "linked", "any"]
"""How the target of a command became known to its sender."""

CoreRule: TypeAlias = tuple[str, tuple[KeyPart, ...] | None, Scope | None, bytes | None, Verdict, int, bool, int]
"""``(command, key, scope, pattern, verdict, layer, audit, rule_id)``.

``command`` is one of ``COMMANDS``, ``"*"``, ``"otp_internal"`` or ``"call"``. ``key`` has one part (``reg_send``,
``monitor``, ``otp_internal``: a name; commands that aim at a process: a ``pid`` or ``ref``) or three
(``spawn_request``, ``call``: module, function, arity in decimal); None judges every target. ``pattern`` is a compiled
pattern of the payload. ``layer`` is 0 for granted tables, 1 for what is attached, 2 for defaults. ``audit``: what the
rule refuses passes and is recorded. ``rule_id`` comes back in events and judgements.
"""

Event: TypeAlias = tuple[Direction, str | None, str | None, Verdict, int | None, str, int]
"""``(direction, command, target, verdict, rule_id, reason, folded)``.

``target`` is printed as Erlang would; a process that is known by a registered name as ``NAME <0.1.0>``. ``reason``:
``rule`` (a rule of the policy decided, ``rule_id`` says which), ``default`` (nothing spoke), ``otp_internal``,
``third_node``, ``funs``, ``spoofed``, ``stale_target``, or ``limit:NAME``. Behind ``audit:``: it passed all the same.
``shadow:VERDICT``: no refusal; the candidate for the policy would decide so (``rule_id`` is the candidate's).
``folded`` counts the refusals since the last event that were left out because events are rate-limited
(50 a second for each channel).
"""

Hooks: TypeAlias = tuple[Mapping[str, str], str | None, bool, bool]
"""``(handlers, filter, checked_funs, own_name)``: who is asked about what the rules accept of the peer's.

``handlers`` has a module of the guarded node by command, or ``""``: whoever takes the questions; ``filter`` likewise,
about all commands. ``checked_funs``: messages with funs are asked about. ``own_name``: what is for the name
``distwall`` at the guarded node is told as a question with the ticket 0, and goes no further.
"""

Ask: TypeAlias = tuple[int, Literal["own", "filter", "funs", "handler", "guard"], str, str, bytes, bytes | None]
"""``(ticket, kind, command, target, control, payload)``: a command waits for `Channel.answer`.

``guard``: a module of the guarded node was asked; to be answered only if that takes too long. ``control`` and
``payload`` are terms without 131, atoms written out.
"""

VERSION: str
"""The version of distwall, as in Cargo.toml."""

COMMANDS: tuple[str, ...]
"""The 14 commands, in the order of ``erlang:statistics(dist)``."""

DEFAULT_LIMITS: dict[str, int]
"""Every limit with its default."""

KNOWN_FLAGS: int
"""The distribution flags that the core understands; all others are masked in the handshake."""

@final
class Policy:
    """Compiled rules of one peer. Immutable; shared by any number of channels."""

    def __new__(
        cls,
        rules: Sequence[CoreRule],
        *,
        third_nodes: Sequence[str] = ...,
        funs: bool | None = None,
    ) -> Self:
        """``rules`` go from the strongest to the weakest: the first that matches decides; if none does: deny.

        ``third_nodes`` are globs of nodes whose pids may stand in payloads. ``funs``: may messages carry funs; None:
        only where ``accept *`` decides. Raises ValueError for an unknown command, key kind, pattern or verdict.
        """

    def judge(
        self, command: str, key: tuple[str, ...] | None = None
    ) -> list[tuple[Verdict, int, Scope | None, bytes | None]]:
        """The rules that could decide, strongest first, ending with the first that has neither scope nor pattern.

        Each is ``(verdict, rule_id, scope, pattern)``; empty means that nothing speaks (deny).
        """

@final
class Counters:
    """Commands counted per direction, command and verdict; shared by the channels of one peer."""

    def __new__(cls) -> Self: ...
    def snapshot(self) -> dict[Direction, dict[str, dict[Verdict, int]]]:
        """All counts now, all 14 commands in both directions."""

@final
class Budget:
    """What a peer has added to one incarnation of the guarded node: atoms, funs, nodes. Its channels share it.

    ``beside`` is a budget of another peer: both count for the limit ``guard_atoms``.
    """

    def __new__(cls, beside: Budget | None = None) -> Self: ...
    def used(self) -> tuple[int, int, int]:
        """``(atoms, funs, nodes)`` so far, distinct."""

    def guard_atoms(self) -> int:
        """Distinct atoms of all peers to that incarnation of the guarded node."""

    def name(self, name: str, limits: Mapping[str, int] | None = None) -> bool:
        """Spends the atom that a peer's name is. False if that would be more atoms than ``limits`` let in.

        Raises ValueError for an unknown limit.
        """

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
        policy: Policy,
        counters: Counters,
        budget: Budget,
        limits: Mapping[str, int] | None = None,
        deny_reason: str = "not_allowed",
        policy_out: Policy | None = None,
        shadow: Policy | None = None,
        audit: bool = False,
        close_on_limit: bool = False,
        hooks: Hooks | None = None,
    ) -> Self:
        """``flags`` are the negotiated ones (both sides ANDed). ``limits`` override ``DEFAULT_LIMITS`` by name.

        ``policy_out``, ``shadow``, ``audit``: see :meth:`set_policy`. ``close_on_limit``: a limit that would refuse a
        command closes the channel as well.

        Raises ValueError for a name that is not a node name or an unknown limit.
        """

    def receive(
        self, inbound: bool, data: bytes, now: float
    ) -> tuple[list[bytes | memoryview], bytes | None, list[Event] | None, str | None]:
        """Feeds bytes of the peer (``inbound``) or of the guarded node; never raises for what they contain.

        Returns ``(forward, back, events, closed)``: buffers to write to the other side, in order; bytes to write back
        to the side that sent ``data``; refusals; and, where the channel must end, why (``forward`` and ``back`` are
        then to be written first; a closed channel ignores all further input). ``now`` is a monotonic clock in seconds.
        """

    def set_policy(
        self,
        policy: Policy,
        *,
        policy_out: Policy | None = None,
        shadow: Policy | None = None,
        audit: bool = False,
        hooks: Hooks | None = None,
    ) -> None:
        """Judges by ``policy`` from the next command on.

        ``policy_out`` judges what the guarded node sends (None: it passes). ``shadow`` is a candidate for ``policy``:
        where it would decide otherwise is told by events, and no more. ``audit``: what rules refuse passes and is told.
        """

    def set_limits(self, limits: Mapping[str, int] | None, *, close_on_limit: bool = False) -> None:
        """Keeps other limits from the next command on; both as when the channel was made. What is used up stays so.

        Raises ValueError for an unknown limit.
        """

    def answer(
        self, ticket: int, verdict: Verdict, payload: bytes | None, now: float
    ) -> tuple[list[bytes | memoryview], bytes | None, list[Event] | None, str | None]:
        """Answers a question of `asks`, or gives up on it (``deny``); ``payload`` takes the place of the message.

        Returns what `receive` returns for bytes of the peer. A ticket that waits for nothing is ignored. What can't
        pass, because it is no term or the policy refuses it, is denied.
        """

    def waits(self, ticket: int) -> bool:
        """Whether a command waits for the answer to that question."""

    def asks(self) -> list[Ask]:
        """The questions that the last `receive` or `answer` has put; to be taken after each of them."""

    def made_up(self, control: bytes, payload: bytes | None = None) -> bytes:
        """A frame around a control message and a payload (without 131, atoms written out), for either side."""

    def pending(self) -> int:
        """Bytes held in the core now (incomplete frames and sequences), both directions."""

    def shadow_differences(self) -> int:
        """Commands so far about which ``shadow`` would have decided otherwise."""

    def folded(self) -> int:
        """Refusals not yet reported in any event; resets the count."""

@final
class Pattern:
    """A compiled pattern (as in ``CoreRule``), to be matched against single terms."""

    def __new__(cls, code: bytes) -> Self:
        """Raises ValueError for bytes that are no compiled pattern, or that are one beyond its limits.

        These are 64 KiB, 64 levels, 64 variables, and 64 keys in one map.
        """

    def matches(self, etf: bytes, *, peer: str, guard: str, outbound: bool = False) -> bool:
        """Whether a term that ``peer`` sends to ``guard`` matches (``outbound``: that ``guard`` sends to ``peer``).

        ``etf`` is its external format without 131. Raises ValueError for bytes that would end a channel.
        """

def toml_spans(text: str) -> dict[tuple[str | int, ...], tuple[int, int]]:
    """Where each key and its value start in a TOML text, as two offsets in characters.

    They are found by path: tables by key, arrays by index. An element of an array has no key: both offsets are its own.
    Raises ValueError with ``(message, offset)`` as its args if the text is not TOML.
    """
