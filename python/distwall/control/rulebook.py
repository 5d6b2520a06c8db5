"""The rules in force for each peer: from the policy file, from settings at run time, and from grants.

Theory of operation. A peer at a guarded node is judged by three layers of lists, each with its own order among equals:
granted tables; lists attached to the peer (settings at run time, its entry, its tables); the defaults (run time, then
file). `policy.language.ranking` decides among them. After every change the lists are put together again, and kept until
the next change. Peers without settings of their own share the compiled rules of their entry.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from distwall import _core
from distwall.control.channel import Judgement, key_of
from distwall.control.errors import BadCallError, NotFoundError
from distwall.control.grants import Grants
from distwall.control.runtime_settings import RuntimeSetting, RuntimeSettings
from distwall.control.wall_clock import WallClock
from distwall.policy import Entry, Origin, Policy, Rule
from distwall.policy.language.grammar import RuleSyntaxError
from distwall.policy.language.ranking import Ranking, rank
from distwall.policy.language.rules import make_rule, next_expiry
from distwall.policy.model import RuleSet, compiled

RUN_TIME_IDS = 1 << 24
"""First id of rules that are made at run time."""

MAX_MADE = 16_384
"""Number of such rules that are remembered, in force or not."""

_NOWHERE = Path("run time")


@dataclass(frozen=True, slots=True)
class Lists:
    """The rules that concern one peer at one guarded node."""

    granted: tuple[tuple[Rule, ...], ...]
    attached: tuple[tuple[Rule, ...], ...]
    defaults: tuple[tuple[Rule, ...], ...]


class Rulebook:
    """All rules in force."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.clock = WallClock()
        """The time by which rules end."""
        self.shadow: Policy | None = None
        """The shadow policy."""
        self.run_time = RuntimeSettings()
        self.grants = Grants()
        self._services = policy.services
        self._next_id = RUN_TIME_IDS
        self._made: dict[int, Rule] = {}
        self._by_text: dict[tuple[str, str], Rule] = {}
        self._ranked: dict[tuple[object, ...], Ranking] = {}
        self._judgements: dict[tuple[object, ...], Judgement] = {}

    def changed(self) -> None:
        """Drops the cached rankings and judgements; call it after every change."""
        if len(self._made) > MAX_MADE or self._services != self.policy.services:
            # Rules still in force are made again; compiled rules keep the old ones.
            self._made, self._by_text, self._services = {}, {}, self.policy.services
        self._ranked.clear()
        self._judgements.clear()

    def parse(self, text: str, where: str) -> Rule:
        """Reads a rule made at run time, and keeps it. Raises BadCallError."""
        known = self._by_text.get((where, text))
        if known is not None:
            return known
        made = self.read(text, where, self._next_id)
        self._next_id += 1
        self._made[made.id] = made
        self._by_text[where, text] = made
        return made

    def read(self, text: str, where: str, rule_id: int = 0) -> Rule:
        """Reads a rule that a question is about, or that is only checked, and keeps nothing. Raises BadCallError."""
        try:
            return make_rule(rule_id, text, Origin(_NOWHERE, 1, 1), where, self.policy.services, run_time=True)
        except RuleSyntaxError as error:
            raise BadCallError(f"`{text}`, character {error.index + 1}: {error}") from None

    def table(self, name: str) -> tuple[Rule, ...]:
        """The rules of a table: as set at run time, else as in the file. Raises NotFoundError."""
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
        """Raises NotFoundError if a setting or a grant names a table that does not exist."""
        known = self.tables()
        uses = [(s.node, s.name) for s in self.run_time if s.kind in ("attach", "detach")]
        for node, name in [*uses, *((grant.node, grant.table) for grant in self.grants)]:
            if name not in known:
                raise NotFoundError(f"the table `{name}` is in use for {node}; detach or revoke it first")

    def attached_tables(self, entry: Entry, node: str, guard: str | None) -> list[str]:
        """The tables of a peer, in order: its entry's tables, then tables attached at run time."""
        names = list(entry.tables)
        for kind in ("attach", "detach"):
            for setting in self.run_time.concerning(kind, node, guard):
                if setting.name in names:
                    names.remove(setting.name)
                if kind == "attach" and setting.name is not None:
                    names.append(setting.name)
        return names

    def lists(self, entry: Entry, node: str, guard: str | None) -> Lists:
        """All rules for a peer at a guarded node (None: for all guarded nodes)."""
        return Lists(
            granted=tuple(self.table(name) for name in self.grants.tables_for(node, guard, key_of(entry))),
            attached=(
                self._rules(self.run_time.concerning("filter", node, guard), "run time"),
                entry.attached[0],
                *(self.table(name) for name in self.attached_tables(entry, node, guard)),
            ),
            defaults=self.defaults(guard),
        )

    def defaults(self, guard: str | None) -> tuple[tuple[Rule, ...], ...]:
        """The rules that decide where no rule of the peer matches."""
        set_now = self.run_time.concerning("default_filter", None, guard)
        return self._rules(set_now, "run-time defaults"), self.policy.defaults

    def ranked(self, entry: Entry, node: str, guard: str | None) -> Ranking:
        """All filters of a peer, the strongest first."""
        key = self._key(entry, node, guard)
        if key not in self._ranked:
            lists = self.lists(entry, node, guard)
            self._ranked[key] = rank(lists.attached, lists.defaults, lists.granted, now=self.clock.utc())
        return self._ranked[key]

    def rule_set(self, entry: Entry, node: str, guard: str | None) -> RuleSet:
        """The rules in force for the commands of a peer."""
        return RuleSet(self.ranked(entry, node, guard), self.judgement(entry, node, guard).core)

    def judgement(self, entry: Entry, node: str, guard: str | None) -> Judgement:
        """The judgement for channels of a peer."""
        key = self._key(entry, node, guard)
        if key not in self._judgements:
            self._judgements[key] = self._judge(entry, node, guard)
        return self._judgements[key]

    def _judge(self, entry: Entry, node: str, guard: str | None) -> Judgement:
        now = self.clock.utc()
        policy, made = self.policy, self._made
        out = policy.lists_out(entry, self.attached_tables(entry, node, guard))
        shadow = shadow_rules = None
        if self.shadow is not None:
            shadow_rules = self.shadow.rule
            # A peer that the shadow policy doesn't let connect is refused everything.
            other = self.shadow.entry_for(node, guard)
            shadow = _core.PeerRules([]) if other is None else self.shadow.compile(other, now)
        ranked = self.ranked(entry, node, guard)
        core = compiled(ranked, entry, now)
        return Judgement(
            core=core,
            rules=lambda i: made[i] if i >= RUN_TIME_IDS else policy.rule(i),
            outbound=None if out is None else compiled(rank(*out, now=now), entry, now),
            shadow=shadow,
            shadow_rules=shadow_rules,
            audit=policy.audits(entry, now),
            hooks=self._hooks(entry, node, guard, RuleSet(ranked, core)),
        )

    def _hooks(self, entry: Entry, node: str, guard: str | None, rules: RuleSet) -> "_core.Hooks | None":
        """The handlers and filters to ask about accepted commands of a peer; None: no hooks."""
        handlers = {
            setting.command: guards_module(setting.name)
            for setting in self.run_time.concerning("handler", node, guard)
            if setting.command is not None and setting.name is not None
        }
        filters = [guards_module(s.name) for s in self.run_time.concerning("module_filter", node, guard) if s.name]
        own = rules.decider("reg_send", (_core.OWN_NAME,), peer=node, guard=guard or "guarded@localhost")
        own_name = own is not None and own.rule.verdict == "accept" and own.key is not None
        checked, restricted = entry.funs == "checked", self.policy.guard.restricted_shell
        if not (handlers or filters or own_name or checked or restricted):
            return None
        return _core.Hooks(handlers, filters[-1] if filters else None, checked, restricted, own_name)

    def next_expiry(self, now: datetime) -> datetime | None:
        """Time of the next change by itself: a rule ends, or its audit mode does; None: never."""
        policies = [self.policy, *([self.shadow] if self.shadow else [])]
        ends = [*(policy.next_expiry(now) for policy in policies), next_expiry(self._made.values(), now)]
        return min(filter(None, ends), default=None)

    def has_ends(self) -> bool:
        """True if anything has an end, or had one, so that the time must not go back."""
        policies = [self.policy, *([self.shadow] if self.shadow else [])]
        return (
            any(policy.has_ends() for policy in policies)
            or any(rule.statement.until for rule in self._made.values())
            or any(True for _ in self.grants)
        )

    def _rules(self, settings: Iterable[RuntimeSetting], where: str) -> tuple[Rule, ...]:
        return tuple(self.parse(f"{setting.verdict} {setting.rule}", where) for setting in settings)

    def _key(self, entry: Entry, node: str, guard: str | None) -> tuple[object, ...]:
        """Equal for peers that are judged alike: names under a glob are without number, and share what is compiled."""
        mine = any(s.node == node for s in self.run_time) or any(grant.node == node for grant in self.grants)
        shadow = None if self.shadow is None else self.shadow.entry_for(node, guard)
        return entry.index, guard, node if mine else None, None if shadow is None else shadow.index


def guards_module(name: str) -> str:
    """A module as the core takes it: the name of a module on the guarded node; empty for ``module:Class``."""
    return "" if ":" in name else name
