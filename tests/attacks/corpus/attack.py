"""The description of one attack."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.dist import Message
from tests.support.etf import Atom, Pid, Term
from tests.support.raw_peer import Connection

SERVER = "probe:start_server(target)"
"""A gen_server under the name ``target``."""

COLLECTOR = "probe:collector(target)"
"""A process under the name ``target`` that traps exits and keeps what it gets."""

GONE = "catch exit(whereis(target), kill), probe:until(fun() -> whereis(target) =:= undefined end)"

RAN = "lists:member(Mark, probe:got(victim))"
"""The guarded node has run what the attacker chose: the mark has been sent to a process that no policy opens."""


@dataclass(frozen=True)
class Prey:
    """Facts about the guarded node for an attack with raw frames: the most that a peer could find out."""

    pid: Pid
    """The process under the name that the attack is after."""
    third: Pid
    """A process of a third node."""
    mark: Term
    ask: Callable[[str], str]
    """Evaluates on the guarded node: how the attack gets to know what it could have seen elsewhere."""

    @property
    def send(self) -> list[Term]:
        """Arguments of ``erlang:send/2`` that leave the mark."""
        return [Atom("victim"), self.mark]


Frames = Callable[[Connection, Prey], bytes | Message | Sequence[Message]]


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One attack.

    The Erlang texts know these variables:

    * ``G``: the guarded node; ``Peer``: the attacker's node; ``Third``: a node that only the guarded node may reach.
    * ``Mark``: a term of this run alone, large in fragments; ``Path``: a file that doesn't exist.
    * On the hostile node also ``To`` and ``Known``.
    """

    name: str
    does: str
    """The action of the attack, in one line."""
    policy: Sequence[str]
    """The widest rules that have to stop it. Every policy opens the gen_server ``bystander`` as well."""
    reason: str
    """The reason of its refusal in the log; for a closed channel, a part of the text in the log."""
    erlang: str = ""
    """The expression that the hostile node evaluates."""
    frames: Frames | None = None
    """Bytes to send instead, if a real node can't send them; or a function that sends, and returns nothing."""
    sees: str = "ok"
    """The result of `erlang`; pids and references are ``<>``, ``...`` stands for the rest."""
    to: str = "target"
    """The name that ``To`` stands for: ``{Name, G}``."""
    knows: str = "[]"
    """On the guarded node: what the attacker has found out or guessed, and has in ``Known``."""
    setup: str = "ok"
    """On the guarded node, before."""
    effect: str = RAN
    """On the guarded node: whether the attack was a success. Empty: the guarded node is dead."""
    on: str = "guard"
    """The node where `effect` is looked for: ``guard``, ``third``, or ``foe``, the hostile node itself."""
    cleanup: str = GONE
    """On the guarded node, after."""
    by_pid: Sequence[str] | None = None
    """The widest rules where ``To`` is the process itself; None: the same would not make sense."""
    by_pid_reason: str = ""
    """The reason of the refusal by pid, if it differs."""
    closes: bool = False
    """True if the channel has to close."""
    settings: str = ""
    """More TOML for the entry."""
    alone: bool = False
    """True if a flood of refusals would make the log leave others out: then it has an entry of its own."""
    fragments: bool | None = None
    """True if it is tried in fragments, too; None: if the mark is in it."""

    @property
    def kills(self) -> bool:
        """True if the guarded node is dead after a success."""
        return not self.effect

    @property
    def padded(self) -> bool:
        """True if it can be sent in fragments."""
        return "Mark" in self.erlang if self.fragments is None else self.fragments


SENDS = ("accept send", "accept monitor", "accept alias_send")
"""Sends to every process whose pid one knows, or guesses."""


def named(name: str) -> Sequence[str]:
    """The rules for a caller of one registered process."""
    return f"accept reg_send {name}", f"accept monitor {name}"


def told(name: str, to: str, does: str, message: str, **more: Any) -> Attack:
    """A message to a registered process that OTP would run code for: it is refused without a word."""
    return _sent(name, to, does, f"To ! {message}, ok", **more)


def asked(name: str, to: str, does: str, request: str, **more: Any) -> Attack:
    """A gen_server call likewise: its caller is told at once."""
    return called(name, to, does, f"gen_server:call(To, {request})", **more)


def called(name: str, to: str, does: str, call: str, **more: Any) -> Attack:
    """The same by a function that makes the call."""
    return _sent(name, to, does, call, **{"sees": "{exit,{not_allowed,...", **more})


def _sent(name: str, to: str, does: str, erlang: str, **more: Any) -> Attack:
    rules = {"policy": named(to), "by_pid": SENDS, "reason": "otp_internal"}
    return Attack(name=name, does=does, to=to, erlang=erlang, **{**rules, **more})
