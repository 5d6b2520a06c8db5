"""The policy as the rest of distwall sees it: one immutable object for one file."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Any, Literal, TypeVar

from distwall import _core
from distwall.clock import utc
from distwall.node_name import NodeName
from distwall.policy.cookie import Cookie
from distwall.policy.language.names import glob_matches, is_glob, literal_length
from distwall.policy.language.ranking import Ranking, rank
from distwall.policy.language.rules import Rule, next_expiry, to_core
from distwall.policy.language.services import Service
from distwall.policy.problem import Origin, Problem

_Kept = TypeVar("_Kept")

OnFull = Literal["deny", "continue"]
OnLimit = Literal["refuse", "close"]
ClientCertificates = Literal["required", "optional"]


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address: an IP address or a host name, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Tls:
    """The ``[guard.tls]`` table: distwall's own certificate towards peers, and whose certificates it trusts."""

    cert: Path
    """The certificate, then what it needs of the chain."""
    key: Path
    ca: Path
    """Certificates whose holders, or whose holders' certificates, are trusted."""
    clients: ClientCertificates
    """Whether a peer that dials over TLS has to have a certificate."""
    verify_peer: str | None
    """The policy's own look at certificates, ``module:function``."""


@dataclass(frozen=True, slots=True)
class InsideTls:
    """The ``[guard.tls.inside]`` table: the guarded nodes speak TLS to distwall."""

    cert: Path
    key: Path
    ca: Path


@dataclass(frozen=True, slots=True)
class Redirect:
    """The ``[guard.redirect]`` table: the packet filter brings what the guarded nodes dial to distwall."""

    user: str
    """Who runs the guarded nodes."""
    port: int
    """Where distwall takes what is redirected."""
    ports: tuple[int, int]
    """The range of the ports, first and last, that distwall makes up for peers."""


@dataclass(frozen=True, slots=True)
class Guard:
    """The ``[guard]`` table: what is guarded, and where distwall stands."""

    nodes: tuple[str, ...]
    """Globs of the full names of guarded nodes."""
    listen: str
    """Where peers reach distwall."""
    epmd: Address
    """EPMD for peers."""
    register: Address
    """EPMD for guarded nodes."""
    ports: tuple[int, int] | None
    """The range of the ports, first and last, where peers reach guarded nodes; None: any free port."""
    cookie: Cookie
    """The cluster's cookie."""
    peer_epmd_port: int
    """Where remote hosts run EPMD."""
    tls: Tls | None
    """None: peers speak plain TCP."""
    inside: InsideTls | None
    """None: guarded nodes speak plain TCP."""
    redirect: Redirect | None
    restricted_shell: bool = False
    """Whether shells that peers have on guarded nodes may call only what the policy accepts."""

    @property
    def one_epmd(self) -> bool:
        """Whether one EPMD listener serves peers and guarded nodes, because both addresses lead to it."""
        if self.epmd.port != self.register.port:
            return False
        return self.epmd.host == self.register.host or self.epmd.host in ("0.0.0.0", "::")  # noqa: S104


@dataclass(frozen=True, slots=True)
class Mode:
    """Whether rules are enforced, or what they refuse passes and is recorded (``audit``)."""

    audit: bool
    until: datetime | None
    """When that ends, and the rules are enforced; None: never."""

    def audits(self, now: datetime) -> bool:
        """Whether what rules refuse passes."""
        return self.audit and (self.until is None or now < self.until)


ENFORCE = Mode(audit=False, until=None)


@dataclass(frozen=True, slots=True)
class Entry:
    """One ``[[peers]]`` entry, or the one that ``[defaults]`` with a cookie stands for."""

    index: int
    """Its place in the file; tells apart entries that are alike."""
    node: str
    """A node name or a glob."""
    cookie: Cookie
    visible: bool
    sources: tuple[IPv4Network | IPv6Network, ...]
    """Where peers may come from (``from``); empty: from anywhere."""
    limits: dict[str, int]
    on_limit: OnLimit
    """What becomes of a command that a limit has no room for, or of its channel."""
    guards: tuple[str, ...] | None
    """Globs of the guarded nodes that the entry is about; None: all."""
    tables: tuple[str, ...]
    attached: tuple[tuple[Rule, ...], ...]
    """The entry's own rules, then those of its tables in order."""
    rules_out: tuple[Rule, ...] | None
    """The entry's own rules about what guarded nodes send to its peers; None: it has no such list."""
    third_nodes: tuple[str, ...]
    funs: bool | Literal["checked"] | None
    tls: bool
    """Whether its peers have to speak TLS."""
    certificate: tuple[str, ...]
    """Globs, one of which a name in the peer's certificate has to match; empty: any certificate will do."""
    mode: Mode | None
    """None: as for all peers."""
    origin: Origin

    def admits(self, source: str) -> bool:
        """Whether a peer may connect from the IP address ``source``. What is no address is nowhere."""
        if not self.sources:
            return True
        try:
            address = ip_address(source.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self.sources)

    def is_for(self, guard: str) -> bool:
        """Whether the entry is about this guarded node."""
        return self.guards is None or any(glob_matches(glob, guard) for glob in self.guards)


@dataclass(frozen=True, slots=True)
class Control:
    """The ``[control]`` table: where the HTTP API is, what is set at run time, and distwall's own node."""

    socket: Path
    socket_mode: int
    """Who can open it can do everything."""
    socket_group: str | None
    http: Address | None
    """Where the API is over TCP, for those who have a token; None: nowhere."""
    hosts: tuple[str, ...]
    """Names under which it is reached there."""
    tokens: Path
    state: Path
    """The file that keeps what is set at run time."""
    node: str | None
    """The full name of distwall's own node; None: there is none."""
    cookie: Cookie | None
    """What operators prove to it; None: only guarded nodes may connect."""


@dataclass(frozen=True, slots=True)
class Audit:
    """The ``[audit]`` table: the log file, and what happens while it can't be written."""

    file: Path
    on_full: OnFull
    key: bytes | None = field(repr=False)
    """Seals the lines; None: whoever can write the file can make them anew."""
    rotate_size: int | None
    """Bytes, of one file; None: however large."""
    rotate_age: timedelta | None
    keep: int | None
    """Full files that are kept; None: all."""


@dataclass(frozen=True)
class Policy:
    """A policy that checks. Immutable; compiled rules are kept for each entry."""

    path: Path
    guard: Guard
    entries: tuple[Entry, ...]
    """The ``[[peers]]`` in the order of the file, then the entry of ``[defaults]`` if that has a cookie."""
    defaults: tuple[Rule, ...]
    defaults_out: tuple[Rule, ...] | None
    """The ``rules_out`` of ``[defaults]``; None: it has no such list."""
    tables: dict[str, tuple[Rule, ...]]
    """``[tables.NAME]`` by name."""
    tables_out: dict[str, tuple[Rule, ...]]
    """Their ``rules_out``, of those that have any."""
    services: Mapping[str, Service]
    """What rules may name: the services that come with distwall, and those of the file."""
    mode: Mode
    control: Control
    audit: Audit
    rules: tuple[Rule, ...]
    """All rules of the file, by their ids."""
    revision: str = field(compare=False)
    """A short name for the text that it was read from."""
    warnings: tuple[Problem, ...] = ()
    _kept: dict[tuple[object, ...], Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def guards(self, node: str) -> bool:
        """Whether the node of that full name is guarded."""
        return any(glob_matches(glob, node) for glob in self.guard.nodes)

    def guards_alive(self, alive: str) -> bool:
        """Whether a node that registers as ``alive``, the part before ``@``, may be a guarded one."""
        return any(glob_matches(NodeName.of(glob).alive, alive) for glob in self.guard.nodes)

    def entry_for(self, node: str, guard: str | None = None) -> Entry | None:
        """The one entry that applies to peer ``node`` at guarded node ``guard`` (None: whichever it is).

        The exact name, else the glob with the longest literal part, else the first. A peer that asked for a name is
        ``undefined@HOST``. None: the peer may not connect. The name of distwall's own node is nobody else's: whoever
        had it could answer in its place.
        """
        if node == self.control.node:
            return None
        fitting = [
            entry for entry in self.entries if (guard is None or entry.is_for(guard)) and glob_matches(entry.node, node)
        ]
        # max() takes the first of equals.
        return max(fitting, key=lambda e: (not is_glob(e.node), literal_length(e.node)), default=None)

    def ranked(self, entry: Entry, now: datetime | None = None) -> Ranking:
        """All filters that concern an entry's peers and hold ``now``, the strongest first."""
        now = now or utc()
        return self._keep("in", entry, now, lambda: rank(entry.attached, [self.defaults], now=now))

    def ranked_out(self, entry: Entry, now: datetime | None = None) -> Ranking | None:
        """The same about what guarded nodes send to them; None: no rules are about that, and it passes."""
        now = now or utc()
        lists = self.lists_out(entry, entry.tables)
        return None if lists is None else self._keep("out", entry, now, lambda: rank(*lists, now=now))

    def lists_out(
        self, entry: Entry, tables: Iterable[str]
    ) -> tuple[list[tuple[Rule, ...]], list[tuple[Rule, ...]]] | None:
        """The lists of rules about what is sent to an entry's peers, with these ``tables``: attached, and defaults.

        None: there is no such list.
        """
        attached = [entry.rules_out, *(self.tables_out.get(name) for name in tables)]
        if self.defaults_out is None and not any(rules is not None for rules in attached):
            return None
        return [rules for rules in attached if rules is not None], [self.defaults_out or ()]

    def compile(self, entry: Entry, now: datetime | None = None) -> "_core.Policy":
        """The rules of an entry's peers in the form that channels judge by."""
        now = now or utc()
        return self._keep("core in", entry, now, lambda: compiled(self.ranked(entry, now), entry, now))

    def compile_out(self, entry: Entry, now: datetime | None = None) -> "_core.Policy | None":
        """The rules about what is sent to them; None: it passes."""
        now = now or utc()
        ranked = self.ranked_out(entry, now)
        return None if ranked is None else self._keep("core out", entry, now, lambda: compiled(ranked, entry, now))

    def audits(self, entry: Entry, now: datetime) -> bool:
        """Whether what the rules refuse to an entry's peers passes, and is recorded."""
        return (entry.mode or self.mode).audits(now)

    def next_expiry(self, now: datetime) -> datetime | None:
        """When something next ends to hold, a rule or the mode of an entry; None: never."""
        modes = [self.mode, *(entry.mode for entry in self.entries if entry.mode)]
        ends = [mode.until for mode in modes if mode.until and mode.until > now]
        return min([*ends, *filter(None, [next_expiry(self.rules, now)])], default=None)

    def rule(self, rule_id: int) -> Rule:
        """The rule that a judgement or an event of the core names."""
        return self.rules[rule_id]

    @cached_property
    def _ends(self) -> list[datetime]:
        return sorted({rule.statement.until for rule in self.rules if rule.statement.until})

    def _keep(self, what: str, entry: Entry, now: datetime, make: Callable[[], _Kept]) -> _Kept:
        """What ``make`` makes, made once for as long as the same rules hold."""
        key = what, entry.index
        age = bisect_right(self._ends, now)
        if key not in self._kept or self._kept[key][0] != age:
            self._kept[key] = age, make()
        kept: _Kept = self._kept[key][1]
        return kept


def compiled(ranked: Ranking, entry: Entry, now: datetime) -> "_core.Policy":
    """Ranked filters in the form that the channels of an entry's peers judge by."""
    # Those that are checked pass the rules, to be read behind them.
    funs = True if entry.funs == "checked" else entry.funs
    return _core.Policy(to_core(ranked.layers, now), third_nodes=entry.third_nodes, funs=funs)
