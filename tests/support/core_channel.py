"""A core channel between two modelled nodes: messages in, and the view of each node.

:class:`CoreChannel` holds a ``Channel``. For each direction it has a :class:`~tests.support.dist.Sender`, and a
:class:`~tests.support.dist.Receiver`, which fails where a VM would.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from distwall import _core
from distwall._core import DistFlag
from tests.support.dist import OTP_25, Message, Receiver, Sender, Style, pass_through, plain
from tests.support.etf import Atom, Pid, Port, Ref
from tests.support.office import Office

PEER = "foo@127.0.0.3"
GUARD = "bar@127.0.0.2"
THIRD = "baz@127.0.0.4"
PEER_CREATION = 0x6A000003
GUARD_CREATION = 0x6A000002


def key_part(text: str) -> _core.KeyPart:
    if text == "_":
        return ("any", "")
    return ("prefix", text[:-1]) if text.endswith("*") else ("exact", text)


PING = (
    bytes.fromhex("0300000003 060000000b 7709")
    + b"$gen_call\x02\x0f"
    + (bytes.fromhex("0300000002 0600000009 7707") + b"is_auth\x02\x10")
)
"""``{'$gen_call', from(), {is_auth, node()}}``"""


def core_rules(*texts: str) -> list[_core.CoreRule]:
    """Core rules, strongest first; ids are positions.

    Lines such as ``accept spawn_request m:f/1``, ``accept send to exposed``, ``deny send <0.7.0>``,
    ``accept reg_send x when 020f`` (a compiled pattern, in hex), ``deny link audit``, ``accept * layer=2``.
    """
    made: list[_core.CoreRule] = []
    for number, text in enumerate(texts):
        verdict, command, *rest = text.split()
        assert verdict in ("accept", "deny", "drop")
        word: _core.Verdict = verdict  # type: ignore[assignment]  # just asserted
        key: tuple[_core.KeyPart, ...] | None = None
        scope: _core.Scope | None = None
        pattern: bytes | None = None
        layer, audit = 1, False
        while rest:
            match rest.pop(0):
                case "to":
                    scope = rest.pop(0)  # type: ignore[assignment]  # the core checks it
                case "when":
                    pattern = bytes.fromhex(rest.pop(0))
                case "audit":
                    audit = True
                case option if option.startswith("layer="):
                    layer = int(option.removeprefix("layer="))
                case process if process.startswith(("<", "#")):
                    key = (("pid" if process.startswith("<") else "ref", process),)
                case mfa if command in ("spawn_request", "call"):
                    module, _, tail = mfa.partition(":")
                    function, _, arity = tail.rpartition("/")
                    key = (key_part(module), key_part(function), key_part(arity))
                case name:
                    key = (key_part(name),)
        if command == "ping":
            net_kernel = (key_part("net_kernel"),)
            made += [
                _core.CoreRule("reg_send", net_kernel, None, PING, word, layer, audit, number),
                _core.CoreRule("monitor", net_kernel, None, None, word, layer, audit, number),
            ]
        else:
            made.append(_core.CoreRule(command, key, scope, pattern, word, layer, audit, number))
    return made


def core_policy(texts: Sequence[str] | None) -> _core.PeerRules | None:
    return None if texts is None else _core.PeerRules(core_rules(*texts))


@dataclass(frozen=True)
class End:
    """One of the two nodes."""

    name: Atom
    creation: int

    def pid(self, number: int = 100, serial: int = 0) -> Pid:
        return Pid(self.name, number, serial, self.creation)

    def ref(self, number: int = 1, words: int = 3) -> Ref:
        return Ref(self.name, self.creation, (number, *range(7, 6 + words)))

    def alias(self, number: int = 1) -> Ref:
        """A reference of the form that OTP 25 makes aliases of: five words, with the pid inside."""
        return self.ref(number, 5)

    def port(self, number: int = 5) -> Port:
        return Port(self.name, number, self.creation)


@dataclass
class Output:
    forward: list[Message]
    """Messages for the other node, with messages made by distwall."""
    back: list[Message]
    """Messages for the sending node."""
    events: list[_core.Event]
    closed: str | None
    forwarded: bytes
    answered: bytes

    @property
    def reasons(self) -> list[str]:
        return [event[5] for event in self.events]


Sent = Message | bytes


class CoreChannel:
    """``texts`` are the rules (see :func:`rules`), ``out`` the guarded node's, ``shadow`` a shadow policy's."""

    peer = End(Atom(PEER), PEER_CREATION)
    guard = End(Atom(GUARD), GUARD_CREATION)
    third = End(Atom(THIRD), 77)

    def __init__(
        self,
        *texts: str,
        flags: int = OTP_25,
        release: int = 25,
        limits: Mapping[str, int] | None = None,
        third_nodes: Sequence[str] = (),
        funs: bool | None = None,
        budget: _core.Budget | None = None,
        exposures: _core.Exposures | None = None,
        deny_reason: str = "not_allowed",
        peer_creation: int = PEER_CREATION,
        slot: Callable[[Atom], int] | None = None,
        out: Sequence[str] | None = None,
        shadow: Sequence[str] | None = None,
        audit: bool = False,
        close_on_limit: bool = False,
        hooks: _core.Hooks | None = None,
        follows_peer: bool = True,
        held: _core.Held | None = None,
    ) -> None:
        self.flags = flags
        self.counters = _core.Counters()
        self.budget = budget or _core.Budget()
        self.exposures = exposures or _core.Exposures()
        self.core = _core.Channel(
            peer=PEER,
            peer_creation=peer_creation,
            guard=GUARD,
            guard_creation=GUARD_CREATION,
            flags=int(flags),
            policy=_core.PeerRules(core_rules(*texts), third_nodes=third_nodes, funs=funs),
            counters=self.counters,
            budget=self.budget,
            exposures=self.exposures,
            limits=limits,
            deny_reason=deny_reason,
            policy_out=core_policy(out),
            shadow=core_policy(shadow),
            audit=audit,
            close_on_limit=close_on_limit,
            hooks=hooks,
            follows_peer=follows_peer,
            held=held,
        )
        options = {"slot": slot} if slot else {}
        self.from_peer = Sender(flags, **options)
        self.from_guard = Sender(flags, **options)
        self.at_guard = Receiver(flags, release=release)
        self.at_peer = Receiver(flags, release=release)
        self.now = 1000.0
        self.office = Office()
        """Answers the clerk, whose questions are not in the outputs."""
        self._unanswered: list[Message] = []
        self._begun = b""
        """The beginning of a frame of the guarded node's, before whose end there can be no answer."""

    def set_rules(self, *texts: str, funs: bool | None = None, out: Sequence[str] | None = None) -> None:
        self.core.set_policy(_core.PeerRules(core_rules(*texts), funs=funs), policy_out=core_policy(out))

    def answer(self, ticket: int, verdict: _core.Verdict, payload: bytes | None = None) -> Output:
        """The output after an answer to a waiting command, as if the peer had sent bytes."""
        return self._output(True, self.core.answer(ticket, verdict, payload, self.now))

    def counts(self) -> dict[tuple[str, str, str], int]:
        """Counters that are not zero, by direction, command and verdict."""
        return {
            (direction, command, verdict): count
            for direction, commands in self.counters.snapshot().items()
            for command, verdicts in commands.items()
            for verdict, count in verdicts.items()
            if count
        }

    def inbound(self, *sent: Sent, style: Style | Callable[[Atom], Style] = "otp", fragment: int = 65536) -> Output:
        """The output after messages, or raw bytes, of the peer (in one piece)."""
        data = b"".join(
            one if isinstance(one, bytes) else self.from_peer.bytes(one, style=style, fragment=fragment) for one in sent
        )
        return self._receive(True, data)

    def outbound(self, *sent: Sent, style: Style | Callable[[Atom], Style] = "otp", fragment: int = 65536) -> Output:
        """The same for what the guarded node sends."""
        data = b"".join(
            one if isinstance(one, bytes) else self.from_guard.bytes(one, style=style, fragment=fragment)
            for one in sent
        )
        return self._receive(False, data)

    def _receive(self, inbound: bool, data: bytes) -> Output:
        if not inbound:
            self._begun += data
            while len(self._begun) >= 4 and len(self._begun) >= (end := 4 + int.from_bytes(self._begun[:4], "big")):
                self._begun = self._begun[end:]
        return self._output(inbound, self.core.receive(inbound, data, self.now))

    def _output(
        self,
        inbound: bool,
        outcome: tuple[list[bytes | memoryview], bytes | None, list[_core.Event] | None, str | None],
    ) -> Output:
        forward, back, events, closed = outcome
        forwarded, answered = b"".join(forward), back or b""
        far, near = (self.at_guard, self.at_peer) if inbound else (self.at_peer, self.at_guard)
        output = Output(far.feed(forwarded), near.feed(answered), events or [], closed, forwarded, answered)
        to_guard = output.forward if inbound else output.back
        asked = [one for one in to_guard if self.office.is_asked(one)]
        to_guard[:] = [one for one in to_guard if one not in asked]
        self._unanswered += asked
        answers = [] if self._begun else list(self.office.answers(self._unanswered))
        if not self._begun:
            self._unanswered = []
        for answer in answers:
            made = plain if self.flags & (DistFlag.DIST_HDR_ATOM_CACHE | DistFlag.FRAGMENTS) else pass_through
            later = self._output(False, self.core.receive(False, made(answer.control, answer.payload), self.now))
            to_guard += later.back
            (output.back if inbound else output.forward).extend(later.forward)
            output.events += later.events
            output.closed = output.closed or later.closed
        return output
