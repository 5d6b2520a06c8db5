"""Ordinary programs, each played without distwall and through it, under the least policy that services give them.

A program is a module of ``tests/support/erlang/ordinary``: ``setup/0`` starts on both nodes what it needs,
``run(Other)`` works with the other node and says what came of it. Nothing it does may be refused, and the same has to
come of it as without distwall.
"""

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.support.node import Node
from tests.support.scene import GUARD, Scene
from tests.support.wall import Peer, Wall


@dataclass(frozen=True)
class OrdinaryProgram:
    """One program with its policy.

    ``asks`` are the rules for a peer that runs it, ``asked`` those for a peer on which the guarded node runs it
    (answers need none); None: not in that role. ``extra`` is TOML for the peers' entries, ``label`` tells programs of
    one module apart, ``call`` is the function to run.
    """

    module: str
    asks: Sequence[str] | None
    asked: Sequence[str] | None = ()
    extra: str = ""
    label: str = ""
    call: str = "run"

    @property
    def name(self) -> str:
        """The program, told apart from all others."""
        return self.label or self.module

    def entry(self, role: str) -> Peer:
        """The entry of the peer that plays it in this role."""
        rules = (self.asks if role == "asks" else self.asked) or ()
        return Peer(["deny *", *rules], node=f"{self.name}_{role}@127.0.0.1", extra=self.extra)


def parts(programs: Sequence[OrdinaryProgram]) -> list[tuple[OrdinaryProgram, str]]:
    """Every program in every role that it has."""
    return [
        (program, role)
        for program in programs
        for role in ("asks", "asked")
        if (program.asks if role == "asks" else program.asked) is not None
    ]


class TwinScenes:
    """A scene without distwall and one with it; nodes start when they are first needed."""

    def __init__(self, programs: Sequence[OrdinaryProgram]) -> None:
        self._entries = {(program.name, role): program.entry(role) for program, role in parts(programs)}
        self._stack = ExitStack()
        self._scenes: dict[bool, tuple[Scene, Node, list[str]]] = {}
        self._peer: Node | None = None

    def play(self, program: OrdinaryProgram, role: str) -> None:
        """Plays a program in both scenes. Fails if anything was refused or something else came of it."""
        directly, through = (self._result(program, role, direct=direct) for direct in (True, False))
        assert "lost" not in directly, directly
        self.nothing_refused(self._entries[program.name, role].node)
        assert through == directly

    def nothing_refused(self, peer: str) -> None:
        """Neither counters nor log know of a refusal."""
        assert refused(self._scene(direct=False)[0].wall, peer) == []

    def _result(self, program: OrdinaryProgram, role: str, *, direct: bool) -> str:
        scene, guard, loaded = self._scene(direct=direct)
        if direct:
            self._peer = peer = self._peer or scene.peer()
        else:
            entry = self._entries[program.name, role]
            peer = scene.peer(entry.node, cookie=entry.cookie)
        for node in (guard, peer):
            if f"{program.module} {node.name}" not in loaded:
                node.load(f"ordinary/{program.module}")
                node.eval(f"{program.module}:setup()")
                loaded.append(f"{program.module} {node.name}")
        here, there = (peer, guard) if role == "asks" else (guard, peer)
        if role == "asked":
            peer.eval(f"net_kernel:connect_node('{GUARD}')")
        return without_ids(here.eval(f"{program.module}:{program.call}('{there.name}')", 60))

    def _scene(self, *, direct: bool) -> tuple[Scene, Node, list[str]]:
        if direct not in self._scenes:
            scene = self._stack.enter_context(Scene(None if direct else list(self._entries.values())))
            self._scenes[direct] = scene, scene.guard(), []
        return self._scenes[direct]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()


def without_ids(text: str) -> str:
    """A result without what differs from run to run and from scene to scene: pids, references, names of peers."""
    return re.sub(r"\w+@127\.0\.0\.1", "peer", re.sub(r"(#Ref)?<[0-9.]+>", "<>", text))


def refused(wall: Wall, peer: str) -> list[str]:
    """What was refused of a peer, or of a guarded node towards it, as log and counters know it."""
    events = [
        " ".join(f"{key}={event[key]}" for key in ("direction", "command", "target", "reason", "rule") if key in event)
        for event in wall.events("refused")
        if event["peer"] == peer
    ]
    counters = [
        f"{count} times {verdict} {direction} {command}"
        for direction, commands in wall.statistics(peer).items()
        if isinstance(commands, dict)
        for command, verdicts in commands.items()
        for verdict, count in verdicts.items()
        if verdict != "accept" and count
    ]
    return events + counters
