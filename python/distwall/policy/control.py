"""Reads ``[control]`` and ``[audit]``: how distwall is talked to, and what it writes down."""

import os
from collections.abc import Mapping, Sequence

from distwall.policy.cookie import Cookie
from distwall.policy.model import Audit, Control, Entry, Guard, OnFull
from distwall.policy.names import node_fault
from distwall.policy.reader import Table, path_fault
from distwall.policy.secrets import COOKIE_KEYS, expand, read_cookie

# sun_path of unix(7), its closing NUL included.
_MAX_SOCKET_PATH = 108
_ON_FULL: dict[str, OnFull] = {"deny": "deny", "continue": "continue"}


def read_control(top: Table, guard: Guard, entries: Sequence[Entry], env: Mapping[str, str]) -> Control:
    """What ``[control]`` says."""
    table = top.table("control", known={"socket", "state", "node", *COOKIE_KEYS}, later={"http"})
    socket = expand(table.string("socket", "distwall.sock", fault=path_fault), table.source.path, env)
    if len(os.fsencode(socket)) >= _MAX_SOCKET_PATH:
        table.error(
            "socket", f"the path of the socket is too long: {socket}", "use a shorter one, as in /run/distwall.sock"
        )
    state = expand(table.string("state", "distwall-state.json", fault=path_fault), table.source.path, env)
    return Control(socket, state, _node(table, guard, entries), _operators_cookie(table, guard, entries, env))


def _node(table: Table, guard: Guard, entries: Sequence[Entry]) -> str | None:
    node = table.string("node", "", fault=node_fault)
    if node in guard.nodes:
        table.error("node", f"`{node}` is a guarded node", 'write a name of its own, as in "distwall@127.0.0.1"')
    if node and any(entry.node == node for entry in entries):
        table.error("node", f"`{node}` is a peer, by its [[peers]] entry", "call one of them something else")
    return node or None


def _operators_cookie(table: Table, guard: Guard, entries: Sequence[Entry], env: Mapping[str, str]) -> Cookie | None:
    named = next((key for key in COOKIE_KEYS if key in table), None)
    if named and "node" not in table:
        table.key_error(named, f"`{named}` without `node`", 'add node = "distwall@127.0.0.1", or leave it out')
    cookie = read_cookie(table, env)
    for whose, other in [("the cluster", guard.cookie), *((entry.node, entry.cookie) for entry in entries)]:
        if cookie is not None and cookie == other:
            # Whoever knows that one could be an operator, by any name.
            table.error(named, f"the cookie of operators is that of {whose}", "give them one of their own")
            break
    return cookie


def read_audit(top: Table, env: Mapping[str, str]) -> Audit:
    """What ``[audit]`` says."""
    table = top.table("audit", known={"file", "on_full"}, later={"nats"})
    on_full = table.string("on_full", "deny")
    if on_full not in _ON_FULL:
        table.error("on_full", f"`{on_full}` is no way to go on", 'write on_full = "deny" or on_full = "continue"')
    file = expand(table.string("file", "distwall-audit.jsonl", fault=path_fault), table.source.path, env)
    return Audit(file, _ON_FULL.get(on_full, "deny"))
