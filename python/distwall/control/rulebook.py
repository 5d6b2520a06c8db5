"""The rules in force: the policy file, what was set at run time, and what is granted, put together for each peer.

Theory of operation. A peer at a guarded node is judged by three layers of lists, each with its own order among
equals: granted tables; what is attached to the peer (set at run time, its entry, its tables); the defaults (run
time, then file). `distwall.policy.ranking` says who decides among them. The lists are put together anew after every
change, and kept until the next one: peers about whom nothing was set by name share what is compiled for their
entry.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from distwall.control.channel import Judgement
from distwall.control.errors import BadCallError, NotFoundError
from distwall.control.grants import Grants
from distwall.control.runtime import RunTime, Setting
from distwall.policy import Entry, Origin, Policy, Rule
from distwall.policy.grammar import RuleSyntaxError
from distwall.policy.model import compiled
from distwall.policy.ranking import Ranking, rank
from distwall.policy.rules import make_rule, next_expiry
from distwall.policy.times import utc_now

RUN_TIME_IDS = 1 << 24
"""Rules that were made at run time are numbered from here on."""

MAX_MADE = 16_384
"""So many of them are remembered, in force or not."""

_NOWHERE = Path("run time")


@dataclass(frozen=True, slots=True)
class Lists:
    """The rules that concern one peer at one guarded node."""

    granted: tuple[tuple[Rule, ...], ...]
    attached: tuple[tuple[Rule, ...], ...]
    defaults: tuple[tuple[Rule, ...], ...]


class Rulebook:
    """Everything that decides."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.run_time = RunTime()
        self.grants = Grants()
        self._services = policy.services
        self._next_id = RUN_TIME_IDS
        self._made: dict[int, Rule] = {}
        self._by_text: dict[tuple[str, str], Rule] = {}
        self._ranked: dict[tuple[object, ...], Ranking] = {}
        self._judgements: dict[tuple[object, ...], Judgement] = {}

    def changed(self) -> None:
        """Forgets what was put together before a change."""
        if len(self._made) > MAX_MADE or self._services != self.policy.services:
            # Those that are still in force are made again; what was compiled keeps the old ones.
            self._made, self._by_text, self._services = {}, {}, self.policy.services
        self._ranked.clear()
        self._judgements.clear()

    def parse(self, text: str, where: str) -> Rule:
        """A rule that is made at run time. Raises BadCallError."""
        known = self._by_text.get((where, text))
        if known is not None:
            return known
        try:
            made = make_rule(self._next_id, text, Origin(_NOWHERE, 1, 1), where, self.policy.services, run_time=True)
        except RuleSyntaxError as error:
            raise BadCallError(f"`{text}`, character {error.index + 1}: {error}") from None
        self._next_id += 1
        self._made[made.id] = made
        self._by_text[where, text] = made
        return made

    def table(self, name: str) -> tuple[Rule, ...]:
        """The rules of a table: as set at run time, else as the file has them. Raises NotFoundError."""
        for setting in self.run_time.concerning("table", None, None):
            if setting.name == name:
                return tuple(self.parse(text, f"table {name}") for text in setting.rules)
        if name not in self.policy.tables:
            raise NotFoundError(f"no table `{name}`; the tables are {', '.join(sorted(self.tables())) or 'none'}")
        return self.policy.tables[name]

    def tables(self) -> set[str]:
        """The names of all tables."""
        set_now = {s.name for s in self.run_time.concerning("table", None, None) if s.name is not None}
        return set_now | self.policy.tables.keys()

    def check(self) -> None:
        """Raises NotFoundError if something that was set at run time or is granted names a table that isn't there."""
        known = self.tables()
        uses = [(s.node, s.name) for s in self.run_time if s.kind in ("attach", "detach")]
        for node, name in [*uses, *((grant.node, grant.table) for grant in self.grants)]:
            if name not in known:
                raise NotFoundError(f"the table `{name}` is in use for {node}; detach or revoke it first")

    def attached_tables(self, entry: Entry, node: str, guard: str | None) -> list[str]:
        """The tables attached to a peer, in order: its entry's, then those that were attached at run time."""
        names = list(entry.tables)
        for kind in ("attach", "detach"):
            for setting in self.run_time.concerning(kind, node, guard):
                if setting.name in names:
                    names.remove(setting.name)
                if kind == "attach" and setting.name is not None:
                    names.append(setting.name)
        return names

    def lists(self, entry: Entry, node: str, guard: str | None) -> Lists:
        """All rules that concern a peer at a guarded node (None: at none in particular)."""
        return Lists(
            granted=tuple(self.table(name) for name in self.grants.tables_for(node, guard)),
            attached=(
                self._rules(self.run_time.concerning("filter", node, guard), "run time"),
                entry.attached[0],
                *(self.table(name) for name in self.attached_tables(entry, node, guard)),
            ),
            defaults=self.defaults(guard),
        )

    def defaults(self, guard: str | None) -> tuple[tuple[Rule, ...], ...]:
        """The rules that speak where none that concerns a peer does."""
        set_now = self.run_time.concerning("default_filter", None, guard)
        return self._rules(set_now, "run-time defaults"), self.policy.defaults

    def ranked(self, entry: Entry, node: str, guard: str | None) -> Ranking:
        """All filters that concern a peer, the strongest first."""
        key = self._key(entry, node, guard)
        if key not in self._ranked:
            lists = self.lists(entry, node, guard)
            self._ranked[key] = rank(lists.attached, lists.defaults, lists.granted)
        return self._ranked[key]

    def judgement(self, entry: Entry, node: str, guard: str | None) -> Judgement:
        """What channels of a peer judge by."""
        key = self._key(entry, node, guard)
        if key not in self._judgements:
            now = utc_now()
            core = compiled(self.ranked(entry, node, guard), entry, now)
            out = self.policy.lists_out(entry, self.attached_tables(entry, node, guard))
            core_out = None if out is None else compiled(rank(*out, now=now), entry, now)
            policy, made = self.policy, self._made
            self._judgements[key] = Judgement(
                core, core_out, policy.audits(entry, now), lambda i: made[i] if i >= RUN_TIME_IDS else policy.rule(i)
            )
        return self._judgements[key]

    def next_expiry(self, now: datetime) -> datetime | None:
        """When something next ends to hold: a rule, or that rules are on trial; None: never."""
        return min(filter(None, (self.policy.next_expiry(now), next_expiry(self._made.values(), now))), default=None)

    def _rules(self, settings: Iterable[Setting], where: str) -> tuple[Rule, ...]:
        return tuple(self.parse(f"{setting.verdict} {setting.rule}", where) for setting in settings)

    def _key(self, entry: Entry, node: str, guard: str | None) -> tuple[object, ...]:
        """Equal for peers that are judged alike."""
        mine = any(s.node == node for s in self.run_time) or any(grant.node == node for grant in self.grants)
        return entry.index, guard, node if mine else None
