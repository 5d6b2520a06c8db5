"""Reads ``[[peers]]``, and the entry of ``[defaults]`` if that has a cookie."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Literal

from distwall._core import DEFAULT_LIMITS
from distwall.policy.cookie import Cookie
from distwall.policy.file.cookie_keys import COOKIE_KEYS, cookie_origin, read_cookie
from distwall.policy.file.guard_section import NO_COOKIE, names_control_node
from distwall.policy.file.mode_keys import MODE_KEYS, read_mode
from distwall.policy.file.rule_lists import LIST_KEYS, RuleLists
from distwall.policy.file.table import Table
from distwall.policy.file.tls_keys import entry_certificate, entry_tls
from distwall.policy.language.names import glob_matches, is_glob, node_glob_fault
from distwall.policy.model import Entry, GuardSettings, OnLimit
from distwall.policy.problem import Origin

_KEYS = {
    "node",
    "visible",
    "tables",
    "limits",
    "on_limit",
    "third_nodes",
    "funs",
    "from",
    "guards",
    "tls",
    "certificate",
}
_ON_LIMIT: dict[str, OnLimit] = {"refuse": "refuse", "close": "close"}
_MAX_LIMIT = 2**63 - 1


def read_entries(
    top: Table, defaults: Table, guard: GuardSettings, lists: RuleLists, env: Mapping[str, str]
) -> tuple[Entry, ...]:
    """All entries in the order of the file, the entry of ``[defaults]`` last."""
    tables = _tables(top)
    # Whose pids may pass depends on which entries are visible, so these are collected before any entry is made.
    visible = tuple(
        table.values["node"]
        for table in tables
        if table.values.get("visible") is True and isinstance(table.values.get("node"), str)
    )
    if not names_control_node(top):
        for table in tables:
            if table.values.get("funs") == "checked":
                table.error(
                    "funs",
                    "checked funs need distwall's own node, which has no name",
                    'add node = "NAME@HOST" to [control]',
                )
    cookie = read_cookie(defaults, env)
    entries = [_entry(index, table, guard, lists, env, defaults, cookie, visible) for index, table in enumerate(tables)]
    if cookie is not None:
        entries.append(_defaults_entry(len(entries), cookie, cookie_origin(defaults), tls=guard.tls is not None))
        _warn_of_cluster_cookie(defaults, cookie, guard, visible=False, tls=guard.tls is not None)
    return tuple(_told_apart(entries))


def _told_apart(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries, with their places among entries for the same ``node``."""
    met = Counter[str]()
    for entry in entries:
        yield replace(entry, twin=met[entry.node])
        met[entry.node] += 1


def _tables(top: Table) -> list[Table]:
    peers = top.values.get("peers", [])
    if not isinstance(peers, list):
        top.key_error("peers", "`peers` is one table", "write each entry as [[peers]]")
        return []
    known = _KEYS | LIST_KEYS | MODE_KEYS | set(COOKIE_KEYS)
    return [top.table("peers", index, known=known) for index in range(len(peers))]


def _entry(  # noqa: PLR0917
    index: int,
    table: Table,
    guard: GuardSettings,
    lists: RuleLists,
    env: Mapping[str, str],
    defaults: Table,
    defaults_cookie: Cookie | None,
    visible_nodes: tuple[str, ...],
) -> Entry:
    if "node" not in table:
        table.error(None, "`node` is missing in this entry", 'write node = "NAME@HOST", or a glob')
    cookie = read_cookie(table, env)
    own = any(key in table for key in COOKIE_KEYS)
    if not own and not any(key in defaults for key in COOKIE_KEYS):
        table.error(
            None, "the cookie is missing in this entry", "add cookie_file, cookie_env or cookie here or to [defaults]"
        )
    visible = table.boolean("visible", False)
    tls = entry_tls(table, guard)
    if own and cookie:
        _warn_of_cluster_cookie(table, cookie, guard, visible=visible, tls=tls)
    own_rules = lists.read(table, "entry")
    tables = lists.attach(table)
    default_third_nodes = tuple(dict.fromkeys(visible_nodes)) if visible else ()
    return Entry(
        index=index,
        twin=0,
        node=table.string("node", "", fault=node_glob_fault),
        cookie=cookie or defaults_cookie or NO_COOKIE,
        visible=visible,
        sources=_sources(table),
        limits=_limits(table),
        on_limit=_on_limit(table),
        guards=_guards(table, guard),
        tables=tables,
        attached=(own_rules, *(lists.tables[name] for name in tables)),
        rules_out=lists.read_out(table, "entry"),
        third_nodes=table.globs("third_nodes") if "third_nodes" in table else default_third_nodes,
        funs=_funs(table),
        tls=tls,
        certificate=entry_certificate(table, tls=tls),
        mode=read_mode(table),
        origin=table.at("node") if "node" in table else table.origin,
    )


def _defaults_entry(index: int, cookie: Cookie, origin: Origin, *, tls: bool) -> Entry:
    """The entry of ``[defaults]`` with a cookie, for peers that no other entry names: without own rules."""
    return Entry(
        index=index,
        twin=0,
        node="*",
        cookie=cookie,
        visible=False,
        sources=(),
        limits={},
        on_limit="refuse",
        guards=None,
        tables=(),
        attached=(),
        rules_out=None,
        third_nodes=(),
        funs=None,
        tls=tls,
        certificate=(),
        mode=None,
        origin=origin,
    )


def _guards(table: Table, guard: GuardSettings) -> tuple[str, ...] | None:
    if "guards" not in table:
        return None
    globs = table.globs("guards")
    if not globs:
        table.error("guards", "`guards` is empty", "name guarded nodes, or leave `guards` out for all")
    for index, glob in enumerate(globs):
        if not is_glob(glob) and not any(glob_matches(node, glob) for node in guard.nodes):
            table.problems.warn(
                table.at("guards", index), f"`{glob}` is not guarded", "name a node that [guard] nodes names"
            )
    return globs


def _sources(table: Table) -> tuple[IPv4Network | IPv6Network, ...]:
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
        table.error("from", "`from` is empty", "name networks, or leave `from` out for all")
    return tuple(networks)


def _limits(table: Table) -> dict[str, int]:
    limits = table.table("limits", known=set(DEFAULT_LIMITS))
    return {
        name: limits.integer(name, DEFAULT_LIMITS[name], low=0, high=_MAX_LIMIT)
        for name in limits.values
        if name in DEFAULT_LIMITS
    }


def _on_limit(table: Table) -> OnLimit:
    text = table.string("on_limit", "refuse")
    if text not in _ON_LIMIT:
        table.error("on_limit", f"`{text}` is not a valid choice", 'write on_limit = "refuse" or on_limit = "close"')
    return _ON_LIMIT.get(text, "refuse")


def _warn_of_cluster_cookie(table: Table, cookie: Cookie, guard: GuardSettings, *, visible: bool, tls: bool) -> None:
    if cookie != guard.cookie or (visible and tls):
        return
    dial = "" if tls else "guarded nodes can't dial them without TLS, since these peers know the cookie of the cluster"
    if visible:
        table.problems.warn(cookie_origin(table), dial, "add [guard.tls], or give them a cookie of their own")
        return
    table.problems.warn(
        cookie_origin(table),
        dial or "these peers know the cookie of the cluster",
        "give them a cookie of their own, or they can go round distwall",
    )


def _funs(table: Table) -> bool | Literal["checked"] | None:
    if "funs" not in table:
        return None
    if table.values["funs"] == "checked":
        return "checked"
    if isinstance(table.values["funs"], str):
        table.error("funs", f"unknown `funs` `{table.values['funs']}`", 'write true, false or "checked"')
        return False
    return table.boolean("funs", False)
