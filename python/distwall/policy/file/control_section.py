"""Reads ``[control]`` and ``[audit]``: access to distwall, and its log."""

import grp
import os
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path

from distwall.policy.cookie import Cookie
from distwall.policy.file.audit_key import read_key
from distwall.policy.file.cookie_keys import COOKIE_KEYS, expand, read_cookie
from distwall.policy.file.guard_section import read_address
from distwall.policy.file.table import Table, path_fault, unit
from distwall.policy.language.names import node_fault
from distwall.policy.language.units import size, span
from distwall.policy.model import Address, AuditSettings, ControlSettings, Entry, GuardSettings, OnFull

# sun_path of unix(7), its closing NUL included.
_MAX_SOCKET_PATH = 108
ROTATE_SIZE = 100 * 10**6
KEEP = 20
"""Full files that are kept by default: together they fill two gigabytes."""
_MAX_KEEP = 100_000
_ON_FULL: dict[str, OnFull] = {"deny": "deny", "continue": "continue"}


_PATHS = {
    "socket": "distwall.sock",
    "tokens": "tokens.json",
    "state": "distwall-state.json",
    "file": "distwall-audit.jsonl",
}
"""Paths of distwall's own, as they are by default."""


def read_path(table: Table, key: str, env: Mapping[str, str]) -> Path:
    """The path of distwall's own at ``key`` of ``[control]`` or ``[audit]``."""
    return expand(table.string(key, _PATHS[key], fault=path_fault), table.source.path, env)


def read_control(top: Table, guard: GuardSettings, entries: Sequence[Entry], env: Mapping[str, str]) -> ControlSettings:
    """The settings of ``[control]``."""
    table = top.table(
        "control",
        known={"socket", "socket_mode", "socket_group", "http", "hosts", "tokens", "state", "node", *COOKIE_KEYS},
    )
    socket = read_path(table, "socket", env)
    if len(os.fsencode(socket)) >= _MAX_SOCKET_PATH:
        table.error(
            "socket", f"the path of the socket is too long: {socket}", "use a shorter one, as in /run/distwall.sock"
        )
    return ControlSettings(
        socket=socket,
        socket_mode=_mode(table),
        socket_group=_group(table),
        http=_http(table),
        hosts=tuple(text for _, text in table.strings("hosts")),
        tokens=read_path(table, "tokens", env),
        state=read_path(table, "state", env),
        node=_node(table, guard, entries),
        cookie=_operators_cookie(table, guard, entries, env),
    )


def _mode(table: Table) -> int:
    mode = table.integer("socket_mode", 0o600, low=0, high=0o777)
    if "socket_mode" in table and mode & 0o002:
        table.problems.warn(
            table.at("socket_mode"), "every user of this host can open the socket, and do everything", "write 0o660"
        )
    return mode


def _group(table: Table) -> str | None:
    if "socket_group" not in table:
        return None
    name = table.string("socket_group", "")
    try:
        grp.getgrnam(name)
    except KeyError:
        table.error("socket_group", f"there is no group `{name}` on this host", "make it, or name another one")
    return name


def _http(table: Table) -> Address | None:
    if "http" not in table:
        for key in ("hosts", "tokens"):
            if key in table:
                table.key_error(key, f"`{key}` without `http`", 'add http = "127.0.0.1:4380", or leave it out')
        return None
    address = read_address(table, "http", Address("127.0.0.1", 4380))
    if not _is_loopback(address.host):
        table.problems.warn(
            table.at("http"),
            "tokens travel in the clear to this address",
            "use 127.0.0.1, behind a proxy with TLS",
        )
    return address


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _node(table: Table, guard: GuardSettings, entries: Sequence[Entry]) -> str | None:
    node = table.string("node", "", fault=node_fault)
    if node in guard.nodes:
        table.error("node", f"`{node}` is a guarded node", 'write a name of its own, as in "distwall@127.0.0.1"')
    if node and any(entry.node == node for entry in entries):
        table.error("node", f"`{node}` is a peer, by its [[peers]] entry", "give one of them another name")
    return node or None


def _operators_cookie(
    table: Table, guard: GuardSettings, entries: Sequence[Entry], env: Mapping[str, str]
) -> Cookie | None:
    named = next((key for key in COOKIE_KEYS if key in table), None)
    if named and "node" not in table:
        table.key_error(named, f"`{named}` without `node`", 'add node = "distwall@127.0.0.1", or leave it out')
    cookie = read_cookie(table, env)
    for whose, other in [("the cluster", guard.cookie), *((entry.node, entry.cookie) for entry in entries)]:
        if cookie is not None and cookie == other:
            # A peer that knows this cookie could be an operator, by any name.
            table.error(
                named, f"the operators' cookie is also the cookie of {whose}", "give operators a cookie of their own"
            )
            break
    return cookie


def read_audit(top: Table, env: Mapping[str, str]) -> AuditSettings:
    """The settings of ``[audit]``."""
    table = top.table(
        "audit",
        known={"file", "on_full", "key_file", "key_env", "rotate_size", "rotate_age", "keep"},
        later={"nats"},
    )
    on_full = table.string("on_full", "deny")
    if on_full not in _ON_FULL:
        table.error("on_full", f"`{on_full}` is not a valid choice", 'write on_full = "deny" or on_full = "continue"')
    return AuditSettings(
        file=read_path(table, "file", env),
        on_full=_ON_FULL.get(on_full, "deny"),
        key=read_key(table, env),
        rotate_size=unit(table, "rotate_size", size, "a size", "100MB") or ROTATE_SIZE,
        rotate_age=unit(table, "rotate_age", span, "a span of time", "7d"),
        keep=_keep(table),
    )


def _keep(table: Table) -> int | None:
    """The number of full files to keep; None: all."""
    value = table.values.get("keep", KEEP)
    if value == "all":
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MAX_KEEP:
        table.error("keep", f"`keep` is {value}, not a number of files", f'write 1 to {_MAX_KEEP}, or "all"')
        return KEEP
    return value
