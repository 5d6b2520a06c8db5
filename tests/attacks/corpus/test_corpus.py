"""Every attack of the corpus, without distwall and through it."""

from collections.abc import Iterator
from contextlib import suppress

import pytest

from distwall._core import OTP_NAMES
from tests.attacks.corpus import ATTACKS
from tests.attacks.corpus.attack import Attack, Prey
from tests.attacks.corpus.scene import THIRD, CorpusEntry, CorpusScene
from tests.support.dist import Message
from tests.support.etf import Atom
from tests.support.raw_peer import Connection
from tests.support.scene import GUARD

PADDING = 100_000
"""Bytes: what carries them is sent in two fragments."""

ALLOWED = f"gen_server:call({{bystander, '{GUARD}'}}, {{echo, allowed}})"
"""What every policy allows."""

AS_IT_IS, IN_FRAGMENTS, BY_PID, DIALLED = "as it is", "in fragments", "by pid", "dialled"


def ways(attack: Attack) -> Iterator[str]:
    """How an attack is tried through distwall. ``dialled``: on a connection that the guarded node opened."""
    yield AS_IT_IS
    yield DIALLED
    if attack.padded:
        yield IN_FRAGMENTS
    if attack.by_pid is not None:
        yield BY_PID


def entry(attack: Attack, way: str) -> CorpusEntry:
    rules = attack.by_pid if way == BY_PID and attack.by_pid is not None else attack.policy
    return CorpusEntry(tuple(rules), attack.settings, attack.name if attack.alone else "")


TRIES = [(name, way) for name, attack in ATTACKS.items() for way in ways(attack)]
ENTRIES = list(dict.fromkeys(entry(ATTACKS[name], way) for name, way in TRIES))
# Those that want the same name of the hostile node are run one after the other.
TRIES.sort(key=lambda one: (ENTRIES.index(entry(ATTACKS[one[0]], one[1])), one[1] == DIALLED))


def peer(one: CorpusEntry, attack: Attack) -> str:
    """Who runs attacks under this policy: real nodes and raw frames each under a name of their own."""
    return f"{'raw' if attack.frames else 'erl'}{ENTRIES.index(one)}"


PEERS = {peer(entry(ATTACKS[name], way), ATTACKS[name]): entry(ATTACKS[name], way) for name, way in TRIES}


@pytest.fixture(scope="module")
def direct() -> Iterator[CorpusScene]:
    with CorpusScene(None) as stage:
        yield stage


@pytest.fixture(scope="module")
def walled() -> Iterator[CorpusScene]:
    with CorpusScene(PEERS) as stage:
        yield stage


class Run:
    """One attack in one scene, in one way."""

    def __init__(self, stage: CorpusScene, name: str, way: str) -> None:
        self.stage, self.attack, self.way = stage, ATTACKS[name], way
        self.peer = peer(entry(self.attack, way), self.attack)
        self.padding = PADDING if way == IN_FRAGMENTS else 0
        self.id = f"{name} {way}"
        path = stage.scene.folder / self.id.replace(" ", "-")
        self.variables = (
            f"G = '{GUARD}', Third = '{THIRD}', Peer = '{self.peer}@127.0.0.1', Path = \"{path}\","
            f'Mark = {{ran, <<"{self.id}">>, binary:copy(<<0>>, {self.padding})}}, '
        )
        self.mark = (Atom("ran"), self.id.encode(), bytes(self.padding))

    def guard(self, code: str) -> str:
        """Evaluates on the guarded node."""
        return self.stage.bar.eval(self.variables + code)

    def by_node(self) -> str:
        """Runs it from the hostile node; returns what that node sees."""
        to = f"{{{self.attack.to}, G}}"
        if self.way == BY_PID:
            to = self.stage.bar.term(f"whereis({self.attack.to})")
        known = self.stage.bar.term(self.variables + self.attack.knows)
        return self.stage.do(f"{self.variables} To = {to}, Known = {known}, {self.attack.erlang}")

    def by_frames(self, connection: Connection) -> None:
        """Runs it over a raw connection."""
        assert self.attack.frames is not None
        prey = Prey(
            pid=self.stage.pid(connection, self.attack.to),
            third=self.stage.third_pid(),
            mark=self.mark,
            ask=self.guard,
        )
        sent = self.attack.frames(connection, prey)
        if isinstance(sent, bytes):
            connection.send_raw(sent)
        else:
            connection.send(*([sent] if isinstance(sent, Message) else sent))

    def worked(self, timeout: int = 0) -> bool:
        """Whether the effect is there, or comes within so many milliseconds."""
        node = {"guard": self.stage.bar, "third": self.stage.third, "foe": self.stage.foe}[self.attack.on]
        return node.eval(f"{self.variables} probe:until(fun() -> {self.attack.effect} end, {timeout})") == "true"


@pytest.mark.parametrize("name", ATTACKS)
def test_it_works_without_distwall(direct: CorpusScene, name: str) -> None:
    """The attack is one."""
    run = Run(direct, name, AS_IT_IS)
    run.guard(run.attack.setup)
    try:
        if run.attack.frames:
            with direct.connection(run.peer) as connection, suppress(ConnectionError):
                run.by_frames(connection)
                connection.receive()
                assert direct.bar.dies() if run.attack.kills else run.worked(5000)
        else:
            direct.become(run.peer)
            run.by_node()
            assert direct.bar.dies() if run.attack.kills else run.worked(5000)
    finally:
        direct.revive()
        run.guard(run.attack.cleanup)


OTP_MODULES = {"pool_master", "io request to a file", "file request"}
"""Attacks on processes without a name of OTP's, whose module tells that they are OTP's own."""


@pytest.mark.parametrize(("name", "way"), TRIES)
def test_distwall_stops_it(walled: CorpusScene, name: str, way: str) -> None:
    """It fails in the right way, without effect; what is allowed works as before."""
    run = Run(walled, name, way)
    attack = run.attack
    run.guard(attack.setup)
    behind = len(walled.events())
    reason, sees = attack.reason, attack.sees
    if way == BY_PID:
        reason = attack.by_pid_reason or attack.reason
        if attack.to in OTP_NAMES or attack.name in OTP_MODULES:
            # OTP's own: whatever it is, it does not reach them by pid, and neither does the monitor of a call.
            reason, sees = "default", sees.replace("{exit,{not_allowed,", "{exit,{noproc,")
    try:
        if attack.frames:
            with walled.connection(run.peer, dialled=way == DIALLED) as connection:
                assert connection.call("bystander", (Atom("echo"), 0)) == 0
                with suppress(ConnectionError):
                    run.by_frames(connection)
                if attack.closes:
                    assert connection.is_closed(5)
                else:
                    assert connection.call("bystander", (Atom("echo"), 1)) == 1
        else:
            walled.become(run.peer, dialled=way == DIALLED)
            assert walled.do(ALLOWED) == "allowed"
            seen = run.by_node()
            assert like(seen, sees), seen
            if attack.closes:
                assert walled.told("disconnect", run.peer, reason, behind=behind)
                walled.become(run.peer)
            assert walled.do(ALLOWED) == "allowed"
        assert walled.alive()
        kind = "disconnect" if attack.closes else "refused"
        assert walled.told(kind, run.peer, reason, behind=behind), walled.reasons(behind)
        assert attack.kills or not run.worked()
    finally:
        walled.revive()
        run.guard(attack.cleanup)


def test_nothing_has_happened_since(walled: CorpusScene) -> None:
    """Nor did any of it work a little later."""
    assert walled.bar.eval("[M || {ran, _, _} = M <- probe:got(victim)]") == "[]"
    assert walled.third.eval("[M || {ran, _, _} = M <- probe:got(victim)]") == "[]"


def like(seen: str, wanted: str) -> bool:
    """Whether what was seen is what was wanted, up to where that ends in ``...``."""
    return seen.startswith(wanted[:-3]) if wanted.endswith("...") else seen == wanted
