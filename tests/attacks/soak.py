"""Hostile traffic of every kind against a real guarded node, for as long as wanted: what stays in the node is bounded.

``python -m tests.attacks.soak --seconds 3600``. Nothing is ever forgotten in a node's atom table, and distwall runs for
months: so what a peer can add to either has a limit, and the limit must hold whatever the peer says.
"""

import argparse
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from distwall._core import DistFlag
from tests.support.attack_scene import HIDDEN, AttackScene
from tests.support.dist import EMPTY, Message, Op, Style, message
from tests.support.etf import Atom, BitBinary, Export, Fun, Map, Pid, Port, Ref, Term
from tests.support.raw_peer import Connection, HandshakeFailed

WIDE, NARROW, REFUSED = "wide@127.0.0.1", "narrow@127.0.0.1", "refused@127.0.0.1"
MANY = "many_*@127.0.0.1"
"""Every connection under a name of its own."""

ENTRIES = {
    WIDE: ["accept *"],
    NARROW: ["accept reg_send", "accept send", "accept monitor", "accept spawn_request m:_/_", "deny *"],
    REFUSED: ["deny *"],
    MANY: ["accept reg_send", "deny *"],
}
NEW_ATOMS, GUARD_ATOMS = 300, 700
"""Three entries can each add fewer than the limit, and more together than all may."""

EXTRA = f"""
limits = {{ new_atoms = {NEW_ATOMS}, guard_atoms = {GUARD_ATOMS}, new_funs = 50, new_nodes = 50, held_bytes = 4000000 }}
third_nodes = ["*"]
funs = true
"""

OWN_ATOMS = 100
"""What a node's own work adds meanwhile: reports that it prints, names of peers."""

LOAD_ALL = """
    [code:ensure_loaded(list_to_atom(filename:basename(File, ".beam"))) ||
     Application <- [kernel, stdlib], File <- filelib:wildcard(code:lib_dir(Application) ++ "/ebin/*.beam")], ok
"""
"""Modules bring atoms of their own, and which of them a node needs depends on what happens to be slow."""

OWN_MEMORY = 64 << 20
"""Bytes that distwall may grow by once it is warm: buffers and caches of connections, each of which has its limit."""

CONNECTIONS = 300
"""Messages on one connection, before there is another."""


@dataclass
class Measured:
    """What a soak left behind."""

    messages: int
    connections: int
    atoms: int
    """More in the guarded node's table than before."""
    memory: int
    """Bytes that distwall grew by, from when it was warm."""


class Soak:
    """Peers that never say the same twice. ``seed``: the same messages in the same order."""

    def __init__(self, scene: AttackScene, seed: int) -> None:
        self._scene = scene
        self._random = random.Random(seed)
        self._count = 0
        self._kinds: list[Callable[[Connection], Message]] = [
            lambda c: message(Op.REG_SEND, c.pid(), EMPTY, self._name(), payload=1),
            lambda c: message(Op.REG_SEND, c.pid(), EMPTY, Atom("target"), payload=self._term(c)),
            lambda c: message(Op.SEND_SENDER, c.pid(), c.their_pid(400), payload=self._term(c)),
            lambda c: message(Op.ALIAS_SEND, c.pid(), Ref(c.peer, c.peer_creation, (1, 2, 3)), payload=self._term(c)),
            lambda c: message(Op.MONITOR_P, c.pid(), self._name(), c.ref()),
            lambda c: message(Op.MONITOR_P, c.pid(), Atom("target"), Ref(c.name, self._number(), (1, 2, 3))),
            lambda c: message(Op.LINK, c.pid(), c.their_pid(400)),
            lambda c: message(Op.PAYLOAD_EXIT2, c.pid(), c.their_pid(400), payload=self._term(c)),
            lambda c: message(
                *(Op.SPAWN_REQUEST, c.ref(), c.pid(), c.pid(), (Atom("m"), self._name(), 1), [self._name()]),
                payload=[self._term(c)],
            ),
            lambda c: message(
                *(Op.REG_SEND_TT, c.pid(), self._name(), Atom("target"), (1, self._name(), 1, c.pid(), 1)),
                payload=self._term(c),
            ),
        ]

    def run(self, seconds: float) -> Measured:
        """Sends for so long, then counts."""
        self._scene.bar.eval(LOAD_ALL, timeout=60)
        atoms = self._scene.bar.number("erlang:system_info(atom_count)")
        self._round()
        memory = resident(self._scene.wall.process.pid)
        before, connections, messages = self._count, 0, 0
        end = time.monotonic() + seconds
        while time.monotonic() < end or connections < 2 * len(ENTRIES):
            messages += self._round()
            connections += len(ENTRIES)
        assert self._count > before
        return Measured(
            messages,
            connections,
            self._scene.bar.number("erlang:system_info(atom_count)") - atoms,
            resident(self._scene.wall.process.pid) - memory,
        )

    def _round(self) -> int:
        """One connection of each entry; returns how many messages were sent."""
        sent = 0
        for entry in ENTRIES:
            name = entry.replace("*", str(self._number()))
            cached = self._random.random() < 0.7
            try:
                connection = self._scene.connect(
                    name, flags=HIDDEN if cached else HIDDEN & ~DistFlag.DIST_HDR_ATOM_CACHE
                )
            except (HandshakeFailed, OSError):
                continue
            with connection:
                sent += self._talk(connection)
        return sent

    def _talk(self, connection: Connection) -> int:
        styles: tuple[Style, ...] = ("otp", "new", "inline")
        for number in range(CONNECTIONS):
            one = self._random.choice(self._kinds)(connection)
            fragment = self._random.choice((40, 300, 65536))
            style = self._random.choice(styles)
            data = connection.sender.bytes(one, style=style, fragment=fragment)
            try:
                connection.send_raw(data)
                if number % 50 == 49:
                    connection.receive(0.01)
            except OSError:
                return number
        return CONNECTIONS

    def _number(self) -> int:
        self._count += 1
        return self._count

    def _name(self) -> Atom:
        return Atom(f"{self._random.choice(('soak', 'ж', 'x' * 200))}_{self._number()}")

    def _term(self, c: Connection, depth: int = 0) -> Term:
        node = Atom(f"node_{self._number()}@127.0.0.9")
        match self._random.randrange(12 if depth < 3 else 8):
            case 0 | 1 | 2:
                return self._name()
            case 3:
                return Pid(node, 1, 0, 1)
            case 4:
                return Ref(self._random.choice((node, c.name, c.peer)), self._number(), (1, 2, 3))
            case 5:
                return Port(node, 1, self._number())
            case 6:
                return Export(self._name(), self._name(), 1)
            case 7:
                return Fun(self._name(), 1, self._number().to_bytes(16, "big"), 1, 1, 1, c.pid())
            case 8:
                return tuple(self._term(c, depth + 1) for _ in range(self._random.randrange(5)))
            case 9:
                return [self._term(c, depth + 1) for _ in range(self._random.randrange(5))]
            case 10:
                return Map(((self._name(), self._term(c, depth + 1)),))
            case _:
                return [BitBinary(b"\xe0", 3), bytes(self._random.randrange(500)), self._name()]


def resident(pid: int) -> int:
    """Bytes of memory that a process holds now."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) << 10


def soak(seconds: float, seed: int) -> Measured:
    """One soak in a scene of its own, with what must hold afterwards."""
    with AttackScene(ENTRIES, extra=EXTRA) as scene:
        measured = Soak(scene, seed).run(seconds)
        assert scene.alive(), "the guarded node is gone"
        assert scene.told("limit:new_atoms"), "no peer ever met its limit"
        assert scene.told("limit:guard_atoms"), "all peers together never met theirs"
        assert measured.atoms <= GUARD_ATOMS + OWN_ATOMS, measured
        assert measured.memory <= OWN_MEMORY, measured
        return measured


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    arguments = parser.parse_args()
    sys.stdout.write(f"seed {arguments.seed}\n")
    sys.stdout.write(f"{soak(arguments.seconds, arguments.seed)}\n")


if __name__ == "__main__":
    main()
