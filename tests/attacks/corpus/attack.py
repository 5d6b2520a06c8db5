"""What one attack is."""

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
    """What an attack with raw frames knows of the guarded node: the most that a peer could find out."""

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

    The Erlang texts know the variables ``G`` (the guarded node), ``Third`` (a node that only the guarded node may
    reach), ``Peer`` (the attacker's node), ``Mark`` (a term of this run alone; large where the attack is tried in
    fragments), ``Path`` (a file that isn't there), and on the hostile node ``To`` and ``Known``.
    """

    name: str
    does: str
    """One line: what it does."""
    policy: Sequence[str]
    """The widest rules that have to stop it. Every policy opens the gen_server ``bystander`` as well."""
    reason: str
    """Why it is refused, as the log has it; where the channel has to close: a part of what the log says of that."""
    erlang: str = ""
    """What the hostile node evaluates."""
    frames: Frames | None = None
    """What is sent instead where a real node can't send it; or sends it itself, and returns nothing."""
    sees: str = "ok"
    """What `erlang` results in; pids and references are ``<>``, ``...`` stands for the rest."""
    to: str = "target"
    """The name that ``To`` stands for: ``{Name, G}``."""
    knows: str = "[]"
    """On the guarded node: what the attacker has found out or guessed, and has in ``Known``."""
    setup: str = "ok"
    """On the guarded node, before."""
    effect: str = RAN
    """On the guarded node: whether the attack was a success. Empty: the guarded node is dead."""
    on: str = "guard"
    """Where `effect` is looked for: ``guard``, ``third``, or ``foe``, the hostile node itself."""
    cleanup: str = GONE
    """On the guarded node, after."""
    by_pid: Sequence[str] | None = None
    """The widest rules where ``To`` is the process itself; None: the same would not make sense."""
    by_pid_reason: str = ""
    """Why it is refused then, where that differs."""
    closes: bool = False
    """Whether the channel has to close."""
    settings: str = ""
    """More TOML for the entry."""
    alone: bool = False
    """Whether it is refused so often that the log would leave out others' refusals: then it has an entry of its own."""
    fragments: bool | None = None
    """Whether it is tried in fragments, too; None: if the mark is in it."""

    @property
    def kills(self) -> bool:
        """Whether the guarded node is dead if it succeeds."""
        return not self.effect

    @property
    def padded(self) -> bool:
        """Whether it makes sense in fragments."""
        return "Mark" in self.erlang if self.fragments is None else self.fragments


SENDS = ("accept send", "accept monitor", "accept alias_send")
"""Sends to every process whose pid one knows, or guesses."""


def named(name: str) -> Sequence[str]:
    """All that a caller of one registered process needs."""
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
