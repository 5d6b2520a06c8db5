"""The policy as the rest of distwall sees it: one immutable object for one file."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from distwall import _core
from distwall.clock import utc
from distwall.node_name import NodeName
from distwall.policy.cookie import Cookie
from distwall.policy.language.names import glob_matches, is_glob, literal_length
from distwall.policy.language.ranking import Ranking, rank
from distwall.policy.language.rules import Filter, Rule, next_expiry, to_core
from distwall.policy.language.services import Service
from distwall.policy.problem import Origin, Problem

_Kept = TypeVar("_Kept")

OnFull = Literal["deny", "continue"]
OnLimit = Literal["refuse", "close"]
ClientCertificates = Literal["required", "optional"]


class RuleSet(NamedTuple):
    """Rules that judge one direction of a peer's commands."""

    ranked: Ranking
    """The filters, the strongest first."""
    core: "_core.PeerRules"
    """The filters in compiled form; the rank of a filter is its place in ``ranked``."""

    def decider(self, command: str, key: tuple[str, ...], *, peer: str, guard: str) -> Filter | None:
        """The filter that decides about a command of ``peer`` on ``key``; None: no rule matches."""
        found = self.core.explain(command, key, peer=peer, guard=guard)
        considered = (each for report in found.stages if report.stage == "rule" for each in report.considered)
        return next((self.ranked.filters[each.rank] for each in considered if each.outcome == "decides"), None)


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address: an IP address or a host name, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Tls:
    """The ``[guard.tls]`` table: distwall's own certificate towards peers, and the CAs that it trusts."""

    cert: Path
    """The certificate, then its chain."""
    key: Path
    ca: Path
    """Trusted certificates, of peers themselves or of CAs that sign for peers."""
    clients: ClientCertificates
    """``required`` if a peer that dials over TLS has to have a certificate."""
    verify_peer: str | None
    """The policy's own check of certificates, ``module:function``."""


@dataclass(frozen=True, slots=True)
class InsideTls:
    """The ``[guard.tls.inside]`` table: the guarded nodes speak TLS to distwall."""

    cert: Path
    key: Path
    ca: Path


@dataclass(frozen=True, slots=True)
class Redirect:
    """The ``[guard.redirect]`` table: the packet filter redirects connections of the guarded nodes to distwall."""

    user: str
    """The user of the guarded nodes."""
    port: int
    """The port where distwall accepts redirected connections."""
    ports: tuple[int, int]
    """The range of the ports, first and last, that distwall makes up for peers."""


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """The ``[guard]`` table: the guarded nodes, and distwall's addresses."""

    nodes: tuple[str, ...]
    """Globs of the full names of guarded nodes."""
    listen: str
    """Addresses where peers reach distwall."""
    epmd: Address
    """EPMD for peers."""
    register: Address
    """EPMD for guarded nodes."""
    ports: tuple[int, int] | None
    """The range of the ports, first and last, where peers reach guarded nodes; None: any free port."""
    cookie: Cookie
    """The cluster's cookie."""
    peer_epmd_port: int
    """The port of EPMD on remote hosts."""
    tls: Tls | None
    """None: peers speak plain TCP."""
    inside: InsideTls | None
    """None: guarded nodes speak plain TCP."""
    redirect: Redirect | None
    held_bytes: int
    """Bytes that all channels together may hold."""
    restricted_shell: bool = False
    """True if peers' shells on guarded nodes may call only functions that the policy accepts."""

    @property
    def one_epmd(self) -> bool:
        """True if one EPMD listener serves peers and guarded nodes, because both addresses lead to it."""
        if self.epmd.port != self.register.port:
            return False
        return self.epmd.host == self.register.host or self.epmd.host in ("0.0.0.0", "::")  # noqa: S104


@dataclass(frozen=True, slots=True)
class Mode:
    """The mode of rules: they are enforced, or refused commands pass and are recorded (``audit``)."""

    audit: bool
    until: datetime | None
    """The end of audit mode, when the rules are enforced; None: never."""

    def audits(self, now: datetime) -> bool:
        """True if refused commands pass."""
        return self.audit and (self.until is None or now < self.until)


ENFORCE = Mode(audit=False, until=None)


@dataclass(frozen=True, slots=True)
class Entry:
    """One ``[[peers]]`` entry, or the entry of ``[defaults]``, if that has a cookie."""

    index: int
    """The entry's place in the file, which tells equal entries apart."""
    node: str
    """A node name or a glob."""
    twin: int
    """The number of entries before it with the same ``node``, which are for other guarded nodes."""
    cookie: Cookie
    visible: bool
    sources: tuple[IPv4Network | IPv6Network, ...]
    """Addresses that peers may come from (``from``); empty: any address."""
    limits: dict[str, int]
    on_limit: OnLimit
    """Action beyond a limit: refuse the command, or close its channel as well."""
    guards: tuple[str, ...] | None
    """Globs of the guarded nodes that the entry covers; None: all."""
    tables: tuple[str, ...]
    attached: tuple[tuple[Rule, ...], ...]
    """The entry's own rules, then the rules of its tables in order."""
    rules_out: tuple[Rule, ...] | None
    """The entry's own rules for commands of guarded nodes to its peers; None: there is no such list."""
    third_nodes: tuple[str, ...]
    funs: bool | Literal["checked"] | None
    tls: bool
    """True if its peers have to speak TLS."""
    certificate: tuple[str, ...]
    """Globs, one of which has to match a name in the peer's certificate; empty: any certificate will do."""
    mode: Mode | None
    """The mode of its rules; None: the mode of the file."""
    origin: Origin

    def admits(self, source: str) -> bool:
        """True if a peer may connect from the IP address ``source``. False for any other text."""
        if not self.sources:
            return True
        try:
            address = ip_address(source.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self.sources)

    @property
    def identity(self) -> tuple[object, ...]:
        """The proof that its peers have to give: entries with the same proof let the same party in."""
        return self.cookie, self.tls, self.certificate

    def is_for(self, guard: str) -> bool:
        """True if the entry covers this guarded node."""
        return self.guards is None or any(glob_matches(glob, guard) for glob in self.guards)


@dataclass(frozen=True, slots=True)
class ControlSettings:
    """The ``[control]`` table: the HTTP API, settings at run time, and distwall's own node."""

    socket: Path
    socket_mode: int
    """File mode of the socket. A user who can open it can do everything."""
    socket_group: str | None
    http: Address | None
    """Address of the API over TCP, for clients with a token; None: no TCP."""
    hosts: tuple[str, ...]
    """Names of distwall in URLs over TCP."""
    tokens: Path
    state: Path
    """The file of settings made at run time."""
    node: str | None
    """The full name of distwall's own node; None: it has no node."""
    cookie: Cookie | None
    """The cookie that operators prove to the node; None: only guarded nodes may connect."""


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """The ``[audit]`` table: the log file, and the choice for times when it can't be written."""

    file: Path
    on_full: OnFull
    key: bytes | None = field(repr=False)
    """The key that seals the lines; None: anybody who can write the file can make new lines."""
    rotate_size: int | None
    """Most bytes of one file; None: no limit."""
    rotate_age: timedelta | None
    keep: int | None
    """Number of full files to keep; None: all."""


class PolicyText:
    """The text of a policy. It may contain cookies, so only ``reveal`` gives it away."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text


@dataclass(frozen=True)
class Policy:
    """A policy without errors. Immutable; compiled rules are kept for each entry."""

    path: Path
    guard: GuardSettings
    entries: tuple[Entry, ...]
    """The ``[[peers]]`` in the order of the file, then the entry of ``[defaults]`` if that has a cookie."""
    defaults: tuple[Rule, ...]
    defaults_out: tuple[Rule, ...] | None
    """The ``rules_out`` of ``[defaults]``; None: there is no such list."""
    tables: dict[str, tuple[Rule, ...]]
    """``[tables.NAME]`` by name."""
    tables_out: dict[str, tuple[Rule, ...]]
    """The ``rules_out`` of tables that have them, by name."""
    services: Mapping[str, Service]
    """Services that rules may name: the built-in ones and the file's own."""
    mode: Mode
    control: ControlSettings
    audit: AuditSettings
    rules: tuple[Rule, ...]
    """All rules of the file, by their ids."""
    revision: str = field(compare=False)
    """A short name for the text of the policy."""
    text: PolicyText = field(compare=False)
    """The text that this policy was read from."""
    noticed: tuple[Problem, ...] = ()
    """Warnings of the reader of the file; `distwall.policy.warnings` has all warnings."""
    _kept: dict[tuple[object, ...], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def guards(self, node: str) -> bool:
        """True if the node of that full name is guarded."""
        return any(glob_matches(glob, node) for glob in self.guard.nodes)

    def guards_alive(self, alive: str) -> bool:
        """True if a node that registers as ``alive``, the part before ``@``, may be guarded."""
        return any(glob_matches(NodeName.of(glob).alive, alive) for glob in self.guard.nodes)

    def entry_for(self, node: str, guard: str | None = None) -> Entry | None:
        """The one entry for peer ``node`` at guarded node ``guard`` (None: any).

        It is the entry with the exact name, else the glob with the longest literal part, else the first. A peer that
        asked for a name is ``undefined@HOST``. None: the peer may not connect. No entry gives a peer the name of
        distwall's own node: such a peer could answer in its place.
        """
        if node == self.control.node:
            return None
        fitting = [
            entry for entry in self.entries if (guard is None or entry.is_for(guard)) and glob_matches(entry.node, node)
        ]
        # max() takes the first of equals.
        return max(fitting, key=strength, default=None)

    def entries_for(self, node: str, guard: str | None = None) -> tuple[Entry, ...]:
        """All entries by which peer ``node`` may come to guarded node ``guard`` (None: to any of them)."""
        if guard is not None:
            found = self.entry_for(node, guard)
            return () if found is None else (found,)
        names = [name for name in self.guard.nodes if not is_glob(name)]
        by_name = [found for name in names if (found := self.entry_for(node, name)) is not None]
        if len(names) == len(self.guard.nodes):
            return tuple({entry.index: entry for entry in by_name}.values())
        # A glob has guarded nodes of unknown names: each entry may be for one of them, up to the entry for all.
        fitting = (
            [entry for entry in self.entries if glob_matches(entry.node, node)] if node != self.control.node else []
        )
        fitting.sort(key=strength, reverse=True)
        for_all = next((index for index, entry in enumerate(fitting) if entry.guards is None), len(fitting))
        return tuple(fitting[: for_all + 1])

    def ranked(self, entry: Entry, now: datetime | None = None) -> Ranking:
        """All filters for an entry's peers that are in force ``now``, the strongest first."""
        now = now or utc()
        return self._keep("in", entry, now, lambda: rank(entry.attached, [self.defaults], now=now))

    def ranked_out(self, entry: Entry, now: datetime | None = None) -> Ranking | None:
        """The same for commands of guarded nodes to them; None: no rules cover these, and they pass."""
        now = now or utc()
        lists = self.lists_out(entry, entry.tables)
        return None if lists is None else self._keep("out", entry, now, lambda: rank(*lists, now=now))

    @property
    def has_rules_out(self) -> bool:
        """True if some list judges commands of guarded nodes. Without one, none can come at run time either."""
        lists = (self.defaults_out, *self.tables_out.values(), *(entry.rules_out for entry in self.entries))
        return any(rules is not None for rules in lists)

    def lists_out(
        self, entry: Entry, tables: Iterable[str]
    ) -> tuple[list[tuple[Rule, ...]], list[tuple[Rule, ...]]] | None:
        """The lists of rules for commands to an entry's peers, with these ``tables``: attached, and defaults.

        None: there is no such list.
        """
        attached = [entry.rules_out, *(self.tables_out.get(name) for name in tables)]
        if self.defaults_out is None and not any(rules is not None for rules in attached):
            return None
        return [rules for rules in attached if rules is not None], [self.defaults_out or ()]

    def compile(self, entry: Entry, now: datetime | None = None) -> "_core.PeerRules":
        """The rules of an entry's peers, in the form that channels use."""
        now = now or utc()
        return self._keep("core in", entry, now, lambda: compiled(self.ranked(entry, now), entry, now))

    def compile_out(self, entry: Entry, now: datetime | None = None) -> "_core.PeerRules | None":
        """The rules for commands to them; None: these commands pass."""
        now = now or utc()
        ranked = self.ranked_out(entry, now)
        return None if ranked is None else self._keep("core out", entry, now, lambda: compiled(ranked, entry, now))

    def rule_set(self, entry: Entry) -> RuleSet:
        """The rules of the file for an entry's peers, now."""
        now = utc()
        return RuleSet(self.ranked(entry, now), self.compile(entry, now))

    def rule_set_out(self, entry: Entry) -> RuleSet | None:
        """The rules for what guarded nodes send to them; None: all of that passes."""
        now = utc()
        ranked, core = self.ranked_out(entry, now), self.compile_out(entry, now)
        return None if ranked is None or core is None else RuleSet(ranked, core)

    def audits(self, entry: Entry, now: datetime) -> bool:
        """True if refused commands of an entry's peers pass, and are recorded."""
        return (entry.mode or self.mode).audits(now)

    def next_expiry(self, now: datetime) -> datetime | None:
        """The next end of a rule, or of the mode of an entry; None: never."""
        modes = [self.mode, *(entry.mode for entry in self.entries if entry.mode)]
        ends = [mode.until for mode in modes if mode.until and mode.until > now]
        return min([*ends, *filter(None, [next_expiry(self.rules, now)])], default=None)

    def has_ends(self) -> bool:
        """True if a rule or a mode ends at some time, or has ended."""
        modes = [self.mode, *(entry.mode for entry in self.entries if entry.mode)]
        return bool(self._ends) or any(mode.until for mode in modes)

    def rule(self, rule_id: int) -> Rule:
        """The rule that a judgement or an event of the core names."""
        return self.rules[rule_id]

    @cached_property
    def _ends(self) -> list[datetime]:
        return sorted({rule.statement.until for rule in self.rules if rule.statement.until})

    def _keep(self, what: str, entry: Entry, now: datetime, make: Callable[[], _Kept]) -> _Kept:
        """The result of ``make``, kept for as long as the same rules are in force."""
        key = what, entry.index
        age = bisect_right(self._ends, now)
        if key not in self._kept or self._kept[key][0] != age:
            self._kept[key] = age, make()
        kept: _Kept = self._kept[key][1]
        return kept


def strength(entry: Entry) -> tuple[bool, int]:
    """Order of entries that fit the same name: the greater applies, and of equals the first."""
    return not is_glob(entry.node), literal_length(entry.node)


def compiled(ranked: Ranking, entry: Entry, now: datetime) -> "_core.PeerRules":
    """Ranked filters in the form that the channels of an entry's peers use."""
    # Checked funs run on the guarded node as calls. Elsewhere nobody would judge them.
    funs = False if entry.funs == "checked" else entry.funs
    return _core.PeerRules(to_core(ranked.layers, now), third_nodes=entry.third_nodes, funs=funs)
