"""Each service that opens no code of the peer's, with random values in every hole of its patterns, on a real node.

``python -m tests.attacks.service_holes --messages 100000``. Nothing may be killed, printed or leaked by it that the
page of the service doesn't name. Services that open any code say "Everything" on their pages, and are left out.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from distwall.policy.language.grammar import Statement
from distwall.policy.language.services import service
from distwall.policy.language.term_patterns import ListPattern, TermPattern, WildcardPattern
from tests.attacks.holes import Values
from tests.support.attack_scene import OPEN, AttackScene
from tests.support.dist import EMPTY, Message, Op, Receiver, message
from tests.support.etf import Atom, Pid, Term
from tests.support.raw_peer import Connection
from tests.support.wall import CLUSTER_COOKIE

UNLIMITED = "limits = { log_events_per_second = 1000000, observer_per_second = 1000000 }"
"""All messages shall reach the node."""
BATCH = 100
"""Messages between two looks at what came back."""


@dataclass(frozen=True)
class ServiceHoles:
    """A service under test, and what its page names."""

    name: str
    argument: str | None = None
    prints: str = ""
    """What the node may print for it, as a regular expression for a whole line."""
    ends: Sequence[str] = ()
    """Registered processes that may end."""
    setup: str = "ok"
    few: Sequence[str] = ()
    """Functions that are called only now and then: their answers are large."""
    refused: int = 20
    """Percent of the messages that may be refused; of more, the rest shows little."""

    @property
    def rule(self) -> str:
        """The rule that accepts it."""
        return f"accept {self.name}" + (f" {self.argument}" if self.argument else "")


ANYTHING = r".*"
SERVICES = [
    ServiceHoles("ping"),
    ServiceHoles("gen_server", "patient_server"),
    ServiceHoles("gen_statem", "patient_statem"),
    ServiceHoles("gen_event", "patient_event"),
    ServiceHoles("phoenix_pubsub", "patient_collector"),
    ServiceHoles("remote_output", prints=ANYTHING),
    ServiceHoles("logger", prints=ANYTHING),
    ServiceHoles(
        "observer",
        # A table that can't be read, and mnesia that doesn't run.
        prints=r"=ERROR REPORT=.*|Error in process .* with exit value:|.*(ets|mnesia|observer_backend|badarg|abort).*|",
        few=(
            "procs_info",
            "etop_collect",
            "fetch_stats",
            "get_port_list",
            "get_socket_list",
            "get_table_list",
            "sys_info",
        ),
    ),
    ServiceHoles("pg", "patients", prints=ANYTHING, ends=("patients",), setup="pg:start(patients)", refused=80),
]


@dataclass
class Damage:
    """What one service did to the node."""

    sent: int = 0
    faults: list[str] = field(default_factory=list)


class _Tap(Receiver):
    """Looks for the cluster's cookie among the bytes that the guarded node sends."""

    leaked = False
    last = b""

    def feed(self, data: bytes) -> list[Message]:
        self.leaked = self.leaked or CLUSTER_COOKIE.encode() in self.last + data
        self.last = (self.last + data)[-len(CLUSTER_COOKIE) :]
        return super().feed(data)


class _Attack:
    """One connection to the guarded node."""

    def __init__(self, scene: AttackScene, connection: Connection, of: ServiceHoles, seed: int) -> None:
        self.scene, self.connection, self.of = scene, connection, of
        self.dice = random.Random(seed)
        self.tap = _Tap(self.connection.flags, release=self.connection.receiver.release)
        self.connection.receiver = self.tap
        known, self.own = self._known()
        self.values = Values(self.dice, self.connection, known)
        parts = service(of.name, of.argument)
        self.parts = [part for part in parts if part.command in ("reg_send", "send", "alias_send", "call")]
        self.spawned: list[Pid] = []

    def _known(self) -> tuple[list[Pid], list[Pid]]:
        """Processes that the node tells the peer of: of the user, and of OTP."""
        own = f"[P || P <- [whereis({self.of.argument or 'undefined'})], is_pid(P)]"
        self.scene.bar.eval(f"{{nobody, '{OPEN}'}} ! {{see, patient:exposed(), {own}}}")
        seen: Term = self.connection.wait_for(Op.REG_SEND).payload
        assert isinstance(seen, tuple)
        assert isinstance(seen[1], list)
        known = [pid for pid in seen[1] if isinstance(pid, Pid)]
        assert len(known) > 1
        assert isinstance(seen[2], list)
        return known, [pid for pid in seen[2] if isinstance(pid, Pid)]

    def message(self) -> Message | None:
        """One command of the service; None: not this time."""
        part = self.dice.choice(self.parts)
        pattern = part.pattern.term if part.pattern else WildcardPattern()
        if part.command == "call":
            return self._call(part, pattern)
        payload = self.values.matching(pattern)
        if part.command == "reg_send":
            assert part.key
            return message(Op.REG_SEND, self.connection.pid(), EMPTY, Atom(part.key[0].text), payload=payload)
        shown = self.values.known if part.application is None else self.own
        targets = self.spawned if part.scope == "spawned" else shown
        if not targets:
            return None
        return message(Op.SEND_SENDER, self.connection.pid(), self.dice.choice(targets), payload=payload)

    def _call(self, part: Statement, pattern: TermPattern) -> Message | None:
        assert part.key
        module, function, arity = (each.text for each in part.key)
        if function in self.of.few and self.dice.random() > 0.02:
            return None
        if isinstance(pattern, WildcardPattern):
            pattern = ListPattern((WildcardPattern(),) * int(arity))
        ref, pid = self.connection.ref(), self.connection.pid()
        arguments: list[Term] = [ref, Atom(module), Atom(function), self.values.matching(pattern)]
        options: list[Term] = [Atom("monitor")]
        called = (Atom("erpc"), Atom("execute_call"), 4)
        return message(Op.SPAWN_REQUEST, ref, pid, pid, called, options, payload=arguments)

    def look(self) -> None:
        """Takes what came back, and learns from it."""
        for got in self.connection.receive(0.01):
            if got.op is Op.SPAWN_REPLY and isinstance(got.args["result"], Pid):
                self.spawned = [*self.spawned[-20:], got.args["result"]]
            elif got.op is Op.PAYLOAD_MONITOR_P_EXIT or not isinstance(got.payload, tuple):
                continue
            elif got.payload[0] == Atom("discover") and isinstance(got.payload[1], Pid):
                # The scope of the guarded node.
                self.values.known = [got.payload[1]]
            elif got.payload[0] == Atom("stats"):
                ended = message(Op.PAYLOAD_EXIT2, self.connection.pid(), got.args["from"], payload=Atom("kill"))
                self.connection.send(ended)
        self.connection.log.clear()


def play(of: ServiceHoles, messages: int, seed: int) -> Damage:
    """Sends the messages, and looks at what they did."""
    outcome = Damage()
    with AttackScene({OPEN: ["deny *", of.rule]}, extra=UNLIMITED) as scene, scene.connect() as connection:
        bar = scene.bar
        bar.load("patient")
        bar.eval("patient:start()")
        bar.eval(of.setup)
        attack = _Attack(scene, connection, of, seed)
        before, printed = bar.eval("patient:state()"), len(bar.logged())
        atoms = bar.number("erlang:system_info(atom_count)")
        while outcome.sent < messages:
            batch = [made for made in (attack.message() for _ in range(BATCH)) if made]
            attack.connection.send(*batch)
            outcome.sent += len(batch)
            attack.look()
            if of.ends and "undefined" in bar.eval(f"[whereis(N) || N <- [{', '.join(of.ends)}]]"):
                bar.eval(of.setup)
        # What sends statistics again and again is ended at each look.
        for _ in range(50):
            attack.look()
        if not scene.alive():
            outcome.faults.append(f"the node has ended: {bar.logged()[-2000:]}")
            return outcome
        after = bar.eval("patient:state()")
        if _without(before, of.ends) != _without(after, of.ends):
            outcome.faults.append(f"{before}\nbecame\n{after}\n{bar.logged()[printed:][-3000:]}")
        said = bar.logged()[printed:]
        strange = [line for line in said.splitlines() if not re.fullmatch(of.prints, line)]
        if strange:
            outcome.faults.append(f"printed: {strange[:20]}")
        if CLUSTER_COOKIE in said or attack.tap.leaked:
            outcome.faults.append("the cookie was shown")
        if bar.number("erlang:system_info(atom_count)") - atoms > 3000:
            outcome.faults.append("atoms were made")
        counted = scene.wall.statistics(OPEN)["inbound"]
        verdicts = [counted.get(command, {}) for command in ("reg_send", "send", "spawn_request")]
        refused = sum(each.get("deny", 0) for each in verdicts)
        if refused * 100 > of.refused * outcome.sent:
            reasons = Counter(f"{event['command']} {event['reason']}" for event in scene.wall.events("refused"))
            outcome.faults.append(f"{refused} of {outcome.sent} messages were refused, this shows little: {reasons}")
    return outcome


def _without(state: str, names: Sequence[str]) -> str:
    for name in names:
        state = re.sub(rf"\{{{name},<[0-9.]+>\}},?", "", state)
    return state


def main() -> int:
    """Plays all services."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000, help="messages for each service (default: 100000)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("services", nargs="*")
    options = parser.parse_args()
    failed = False
    for of in SERVICES:
        if options.services and of.name not in options.services:
            continue
        outcome = play(of, options.messages, options.seed)
        told = f"{of.name}: {outcome.sent} messages, seed {options.seed}: {outcome.faults or 'nothing'}\n"
        sys.stdout.write(told)
        sys.stdout.flush()
        failed = failed or bool(outcome.faults)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
