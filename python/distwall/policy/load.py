"""Loads a policy file (DESIGN: "The file") and reports all that is wrong in it, each with line and column."""

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any

from distwall._core import DEFAULT_LIMITS
from distwall.policy.cookie import Cookie
from distwall.policy.grammar import RuleSyntaxError
from distwall.policy.lint import warnings
from distwall.policy.model import Address, Audit, Control, Entry, Guard, InsideTls, OnFull, Policy, Redirect
from distwall.policy.names import glob_matches, is_glob, node_glob_fault
from distwall.policy.problem import Origin, PolicyError, Problem
from distwall.policy.reader import Problems, Table, path_fault
from distwall.policy.rules import Rule, make_rule
from distwall.policy.secrets import COOKIE_KEYS, cookie_origin, expand, read_cookie
from distwall.policy.source import Source
from distwall.policy.tls import FILE_KEYS, TLS_KEYS, entry_certificate, entry_tls, read_inside_tls, read_tls

# sun_path of unix(7), its closing NUL included.
_MAX_SOCKET_PATH = 108
_MAX_LIMIT = 2**63 - 1
_MADE_UP_PORTS = (64000, 64999)
_NO_COOKIE = Cookie(b"")
_HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^:\[\]\s]+)):([0-9]{1,5})")
_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")
_TABLE_NAME = re.compile(r"[A-Za-z0-9_-]+")


def load(path: Path, env: Mapping[str, str] | None = None) -> Policy:
    """Reads a policy file. ``env`` is where ``cookie_env`` looks, by default the environment.

    Raises PolicyError for a file that does not check and OSError for one that can't be read.
    """
    data = path.read_bytes()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        origin = Origin(path, before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise PolicyError((Problem(origin, "not UTF-8", "save the file as UTF-8"),)) from None
    return loads(text, path, env)


def loads(text: str, path: Path, env: Mapping[str, str] | None = None) -> Policy:
    """Reads the text of a policy file; ``path`` is what errors name and where relative paths start.

    Raises PolicyError.
    """
    return _Loader(Source(text, path), os.environ if env is None else env).policy()


class _Loader:
    def __init__(self, source: Source, env: Mapping[str, str]) -> None:
        self.source = source
        self.env = env
        self.problems = Problems()
        self.rules: list[Rule] = []
        self.tables: dict[str, tuple[Rule, ...]] = {}
        self.attached: set[str] = set()
        self.visible: tuple[str, ...] = ()

    def policy(self) -> Policy:
        top = self._table(
            (), {"guard", "defaults", "tables", "peers", "audit", "control"}, later={"mode", "services", "fleet"}
        )
        guard = self._guard()
        defaults_table = self._table(("defaults",), {"rules", *COOKIE_KEYS}, later={"rules_out", "mode"})
        defaults = self._rules(defaults_table, "defaults")
        defaults_cookie = read_cookie(defaults_table, self.env)
        self._tables(top)
        peers = self._peer_tables(top)
        # Whose pids may pass depends on which entries are visible, so these are collected before any entry is made.
        self.visible = tuple(
            table.values["node"]
            for table in peers
            if table.values.get("visible") is True and isinstance(table.values.get("node"), str)
        )
        has_defaults_cookie = any(key in defaults_table for key in COOKIE_KEYS)
        entries = [
            self._entry(index, table, guard, defaults_cookie, has_defaults_cookie) for index, table in enumerate(peers)
        ]
        if defaults_cookie is not None:
            origin = cookie_origin(defaults_table)
            entries.append(_defaults_entry(len(entries), defaults_cookie, origin, tls=guard.tls is not None))
            self._warn_of_cluster_cookie(
                defaults_table, defaults_cookie, guard, visible=False, tls=guard.tls is not None
            )
        control = self._control()
        audit = self._audit()
        for name in self.tables.keys() - self.attached:
            self.problems.warn(
                self.source.key(("tables", name)),
                f"no entry attaches the table `{name}`",
                "name it in the `tables` of an entry",
            )
        if self.problems.errors:
            raise PolicyError(tuple(self.problems.errors))
        policy = Policy(
            self.source.path, guard, tuple(entries), defaults, self.tables, control, audit, tuple(self.rules)
        )
        return replace(policy, warnings=tuple(sorted([*self.problems.warnings, *warnings(policy)])))

    def _table(self, path: tuple[str | int, ...], known: set[str], later: set[str] | None = None) -> Table:
        values: Any = self.source.values
        for step in path:
            values = values.get(step, {}) if isinstance(values, dict) else values[step]
        return Table(self.source, path, values, self.problems, known=known, later=later or set())

    def _guard(self) -> Guard:
        table = self._table(
            ("guard",),
            {"nodes", "listen", "epmd", "register", "ports", "peer_epmd_port", "tls", "redirect", *COOKIE_KEYS},
        )
        if "guard" not in self.source.values:
            table.error(None, "no [guard] table", 'add [guard] with nodes = ["NAME@HOST"] and the cluster\'s cookie')
        elif table.usable and not table.values.get("nodes"):
            table.error("nodes", "no `nodes` to guard", 'write nodes = ["NAME@HOST"]')
        nodes = self._globs(table, "nodes")
        listen = table.string("listen", "127.0.0.1", fault=_host_fault)
        epmd = self._address(table, "epmd", Address(listen, 4369))
        register = self._address(table, "register", Address("127.0.0.1", epmd.port))
        cookie = read_cookie(table, self.env)
        if "guard" in self.source.values and table.usable and not any(key in table for key in COOKIE_KEYS):
            table.error(None, "no cookie of the cluster", "add cookie_file or cookie_env to [guard]")
        return Guard(
            nodes=nodes,
            listen=listen,
            epmd=epmd,
            register=register,
            ports=self._ports(table),
            cookie=cookie or _NO_COOKIE,
            peer_epmd_port=table.integer("peer_epmd_port", epmd.port, low=1, high=65535),
            tls=read_tls(self._table(("guard", "tls"), TLS_KEYS), self.env) if "tls" in table else None,
            inside=self._inside(table),
            redirect=self._redirect(register) if "redirect" in table else None,
        )

    def _inside(self, guard: Table) -> InsideTls | None:
        tls = guard.values.get("tls")
        if not isinstance(tls, dict) or "inside" not in tls:
            return None
        return read_inside_tls(self._table(("guard", "tls", "inside"), set(FILE_KEYS)), self.env)

    def _redirect(self, register: Address) -> Redirect:
        table = self._table(("guard", "redirect"), {"user", "port", "ports"})
        if table.usable and "user" not in table:
            table.error(None, "no `user` whose connections are redirected", 'write user = "NAME" of the nodes\' user')
        low, high = self._ports(table, _MADE_UP_PORTS) or _MADE_UP_PORTS
        if low <= register.port <= high:
            key = "ports" if "ports" in table else None
            table.error(key, f"EPMD's port {register.port} is one of those that stand for peers", "write other `ports`")
        return Redirect(
            user=table.string("user", "", fault=path_fault),
            port=table.integer("port", 4371, low=1, high=65535),
            ports=(low, high),
        )

    def _tables(self, top: Table) -> None:
        tables = top.values.get("tables", {})
        if not isinstance(tables, dict):
            top.error("tables", "`tables` is not a table", "write each one as [tables.NAME]")
            return
        for name in tables:
            if not _TABLE_NAME.fullmatch(name):
                origin = self.source.key(("tables", name))
                self.problems.error(origin, f"`{name}` can't name a table", "use letters, digits, `_` and `-`")
            table = self._table(("tables", name), {"rules"}, later={"rules_out", "mode"})
            self.tables[name] = self._rules(table, f"table {name}")

    def _peer_tables(self, top: Table) -> list[Table]:
        peers = top.values.get("peers", [])
        if not isinstance(peers, list):
            top.key_error("peers", "`peers` is one table", "write each entry as [[peers]]")
            return []
        known = {"node", "visible", "tables", "rules", "limits", "third_nodes", "funs", "from", "guards"}
        known |= {"tls", "certificate", *COOKIE_KEYS}
        later = {"rules_out", "mode", "until"}
        return [self._table(("peers", index), known, later) for index in range(len(peers))]

    def _entry(
        self, index: int, table: Table, guard: Guard, defaults_cookie: Cookie | None, has_defaults_cookie: bool
    ) -> Entry:
        if "node" not in table:
            table.error(None, "an entry without `node`", 'write node = "NAME@HOST", or a glob')
        cookie = read_cookie(table, self.env)
        own = any(key in table for key in COOKIE_KEYS)
        if not own and not has_defaults_cookie:
            table.error(
                None, "an entry without a cookie", "add cookie_file, cookie_env or cookie here or to [defaults]"
            )
        visible = table.boolean("visible", False)
        tls = entry_tls(table, guard)
        if own and cookie:
            self._warn_of_cluster_cookie(table, cookie, guard, visible=visible, tls=tls)
        own_rules = self._rules(table, "entry")
        tables = self._attached(table)
        default_third_nodes = tuple(dict.fromkeys(self.visible)) if visible else ()
        return Entry(
            index=index,
            node=table.string("node", "", fault=node_glob_fault),
            cookie=cookie or defaults_cookie or _NO_COOKIE,
            visible=visible,
            sources=self._sources(table),
            limits=self._limits(table),
            guards=self._guards(table, guard),
            tables=tables,
            attached=(own_rules, *(self.tables[name] for name in tables)),
            third_nodes=self._globs(table, "third_nodes") if "third_nodes" in table else default_third_nodes,
            funs=table.boolean("funs", False) if "funs" in table else None,
            tls=tls,
            certificate=entry_certificate(table, tls=tls),
            origin=table.at("node") if "node" in table else table.origin,
        )

    def _rules(self, table: Table, where: str) -> tuple[Rule, ...]:
        rules: list[Rule] = []
        first: dict[tuple[object, ...], Rule] = {}
        for index, text in table.strings("rules"):
            path = (*table.path, "rules", index)
            try:
                made = make_rule(len(self.rules), text, self.source.within(path, len(text) - len(text.lstrip())), where)
            except RuleSyntaxError as error:
                self.problems.error(self.source.within(path, error.index), error.what, error.remedy)
                continue
            if earlier := first.get(made.identity):
                what = f"`{made.text}` judges the same as `{earlier.text}` in line {earlier.origin.line}"
                self.problems.error(made.origin, what, "keep one of them")
                continue
            first[made.identity] = made
            self.rules.append(made)
            rules.append(made)
        return tuple(rules)

    def _attached(self, table: Table) -> tuple[str, ...]:
        names: list[str] = []
        for index, name in table.strings("tables"):
            if name not in self.tables:
                close = get_close_matches(name, self.tables, n=1)
                remedy = f"did you mean `{close[0]}`?" if close else f"add [tables.{name}], or remove the name"
                table.error("tables", f"no table `{name}`", remedy, index=index)
            elif name in names:
                table.error("tables", f"the table `{name}` twice", "name it once", index=index)
            else:
                names.append(name)
        self.attached.update(names)
        return tuple(names)

    def _globs(self, table: Table, key: str) -> tuple[str, ...]:
        globs = []
        for index, glob in table.strings(key):
            if fault := node_glob_fault(glob):
                table.error(
                    key, f"`{glob}` {fault}", "write a node name or a glob, as in bar@127.0.0.2 or bar@*", index=index
                )
            globs.append(glob)
        return tuple(globs)

    def _guards(self, table: Table, guard: Guard) -> tuple[str, ...] | None:
        if "guards" not in table:
            return None
        globs = self._globs(table, "guards")
        if not globs:
            table.error("guards", "`guards` without a node", "name guarded nodes, or leave `guards` out for all")
        for index, glob in enumerate(globs):
            if not is_glob(glob) and not any(glob_matches(node, glob) for node in guard.nodes):
                table.problems.warn(
                    table.at("guards", index), f"`{glob}` is not guarded", "name a node that [guard] nodes names"
                )
        return globs

    def _sources(self, table: Table) -> tuple[IPv4Network | IPv6Network, ...]:
        networks: list[IPv4Network | IPv6Network] = []
        for index, text in table.strings("from"):
            try:
                networks.append(ip_network(text))
            except ValueError:
                try:
                    remedy = f"did you mean {ip_network(text, strict=False)}?"
                except ValueError:
                    remedy = "write an address or a network, as in 10.0.0.0/8"
                table.error("from", f"`{text}` is not a network", remedy, index=index)
        if "from" in table and table.values["from"] == []:
            table.error("from", "`from` without a network", "name networks, or leave `from` out for all")
        return tuple(networks)

    def _limits(self, table: Table) -> dict[str, int]:
        limits = self._table((*table.path, "limits"), set(DEFAULT_LIMITS))
        return {
            name: limits.integer(name, DEFAULT_LIMITS[name], low=0, high=_MAX_LIMIT)
            for name in limits.values
            if name in DEFAULT_LIMITS
        }

    def _address(self, table: Table, key: str, default: Address) -> Address:
        text = table.string(key, str(default))
        match = _HOST_PORT.fullmatch(text)
        if key not in table or not isinstance(table.values[key], str):
            return default
        if match is None or not 1 <= int(match[3]) <= 65535 or _host_fault(match[1] or match[2]):
            table.error(key, f"`{text}` is not an address and a port", "write HOST:PORT, as in 127.0.0.2:4369")
            return default
        return Address(match[1] or match[2], int(match[3]))

    def _ports(self, table: Table, default: tuple[int, int] | None = None) -> tuple[int, int] | None:
        text = table.string("ports", "")
        if "ports" not in table or not isinstance(table.values["ports"], str):
            return default
        match = _PORTS.fullmatch(text)
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= low <= high <= 65535:
            table.error("ports", f"`{text}` is not a range of ports", "write FIRST-LAST, as in 9100-9199")
            return default
        return low, high

    def _control(self) -> Control:
        table = self._table(
            ("control",), {"socket", "state"}, later={"http", "node", "cookie", "cookie_env", "cookie_file"}
        )
        socket = expand(table.string("socket", "distwall.sock", fault=path_fault), self.source.path, self.env)
        if len(os.fsencode(socket)) >= _MAX_SOCKET_PATH:
            table.error(
                "socket", f"the path of the socket is too long: {socket}", "use a shorter one, as in /run/distwall.sock"
            )
        state = expand(table.string("state", "distwall-state.json", fault=path_fault), self.source.path, self.env)
        return Control(socket, state)

    def _audit(self) -> Audit:
        table = self._table(("audit",), {"file", "on_full"}, later={"nats"})
        on_full = table.string("on_full", "deny")
        choices: dict[str, OnFull] = {"deny": "deny", "continue": "continue"}
        if on_full not in choices:
            table.error("on_full", f"`{on_full}` is no way to go on", 'write on_full = "deny" or on_full = "continue"')
        file = expand(table.string("file", "distwall-audit.jsonl", fault=path_fault), self.source.path, self.env)
        return Audit(file, choices.get(on_full, "deny"))

    def _warn_of_cluster_cookie(self, table: Table, cookie: Cookie, guard: Guard, *, visible: bool, tls: bool) -> None:
        if cookie != guard.cookie or (visible and tls):
            return
        dial = (
            "" if tls else "guarded nodes can't dial them without TLS, since these peers know the cookie of the cluster"
        )
        if visible:
            self.problems.warn(cookie_origin(table), dial, "add [guard.tls], or give them a cookie of their own")
            return
        self.problems.warn(
            cookie_origin(table),
            dial or "these peers know the cookie of the cluster",
            "give them one of their own, or they can go round distwall",
        )


def _defaults_entry(index: int, cookie: Cookie, origin: Origin, *, tls: bool) -> Entry:
    """What peers that no entry names get where [defaults] has a cookie: the defaults, and nothing attached."""
    return Entry(
        index=index,
        node="*",
        cookie=cookie,
        visible=False,
        sources=(),
        limits={},
        guards=None,
        tables=(),
        attached=(),
        third_nodes=(),
        funs=None,
        tls=tls,
        certificate=(),
        origin=origin,
    )


def _host_fault(text: str) -> str | None:
    if ":" not in text and re.fullmatch(r"[A-Za-z0-9.-]+", text) and not re.fullmatch(r"[0-9.]+", text):
        return None
    try:
        ip_address(text)
    except ValueError:
        return f"is `{text}`, not an IP address or a host name"
    return None
