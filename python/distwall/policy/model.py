"""The policy as the rest of distwall sees it: one immutable object for one file."""

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Literal

from distwall import _core
from distwall.policy.cookie import Cookie
from distwall.policy.names import glob_matches, is_glob, literal_length
from distwall.policy.problem import Origin, Problem
from distwall.policy.ranking import Ranking, rank
from distwall.policy.rules import Rule, to_core

OnFull = Literal["deny", "continue"]
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

    @property
    def one_epmd(self) -> bool:
        """Whether one EPMD listener serves peers and guarded nodes, because both addresses lead to it."""
        if self.epmd.port != self.register.port:
            return False
        return self.epmd.host == self.register.host or self.epmd.host in ("0.0.0.0", "::")  # noqa: S104


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
    guards: tuple[str, ...] | None
    """Globs of the guarded nodes that the entry is about; None: all."""
    tables: tuple[str, ...]
    attached: tuple[tuple[Rule, ...], ...]
    """The entry's own rules, then those of its tables in order."""
    third_nodes: tuple[str, ...]
    funs: bool | None
    tls: bool
    """Whether its peers have to speak TLS."""
    certificate: tuple[str, ...]
    """Globs, one of which a name in the peer's certificate has to match; empty: any certificate will do."""
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
    """The ``[control]`` table: the Unix socket of the HTTP API, what is set at run time, and distwall's own node."""

    socket: Path
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


@dataclass(frozen=True)
class Policy:
    """A policy that checks. Immutable; compiled rules are kept for each entry."""

    path: Path
    text: str = field(repr=False, compare=False)
    """What it was read from."""
    guard: Guard
    entries: tuple[Entry, ...]
    """The ``[[peers]]`` in the order of the file, then the entry of ``[defaults]`` if that has a cookie."""
    defaults: tuple[Rule, ...]
    tables: dict[str, tuple[Rule, ...]]
    """``[tables.NAME]`` by name."""
    control: Control
    audit: Audit
    rules: tuple[Rule, ...]
    """All rules of the file, by their ids."""
    warnings: tuple[Problem, ...] = ()
    _ranked: dict[int, Ranking] = field(default_factory=dict, init=False, repr=False, compare=False)
    _compiled: dict[int, "_core.Policy"] = field(default_factory=dict, init=False, repr=False, compare=False)

    def guards(self, node: str) -> bool:
        """Whether the node of that full name is guarded."""
        return any(glob_matches(glob, node) for glob in self.guard.nodes)

    def guards_alive(self, alive: str) -> bool:
        """Whether a node that registers as ``alive``, the part before ``@``, may be a guarded one."""
        return any(glob_matches(glob.partition("@")[0], alive) for glob in self.guard.nodes)

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

    def ranked(self, entry: Entry) -> Ranking:
        """All filters that concern an entry's peers, the strongest first."""
        if entry.index not in self._ranked:
            self._ranked[entry.index] = rank(entry.attached, [self.defaults])
        return self._ranked[entry.index]

    def compile(self, entry: Entry) -> "_core.Policy":
        """The rules of an entry's peers in the form that channels judge by."""
        if entry.index not in self._compiled:
            rules = to_core(self.ranked(entry).layers)
            self._compiled[entry.index] = _core.Policy(rules, third_nodes=entry.third_nodes, funs=entry.funs)
        return self._compiled[entry.index]

    def rule(self, rule_id: int) -> Rule:
        """The rule that a judgement or an event of the core names."""
        return self.rules[rule_id]
