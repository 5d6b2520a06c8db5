"""Reads ``[control]`` and ``[audit]``: how distwall is talked to, and what it writes down."""

import os
from collections.abc import Mapping

from distwall.policy.model import Audit, Control, OnFull
from distwall.policy.reader import Table, path_fault
from distwall.policy.secrets import expand

# sun_path of unix(7), its closing NUL included.
_MAX_SOCKET_PATH = 108
_ON_FULL: dict[str, OnFull] = {"deny": "deny", "continue": "continue"}


def read_control(top: Table, env: Mapping[str, str]) -> Control:
    """What ``[control]`` says."""
    table = top.table(
        "control", known={"socket", "state"}, later={"http", "node", "cookie", "cookie_env", "cookie_file"}
    )
    socket = expand(table.string("socket", "distwall.sock", fault=path_fault), table.source.path, env)
    if len(os.fsencode(socket)) >= _MAX_SOCKET_PATH:
        table.error(
            "socket", f"the path of the socket is too long: {socket}", "use a shorter one, as in /run/distwall.sock"
        )
    state = expand(table.string("state", "distwall-state.json", fault=path_fault), table.source.path, env)
    return Control(socket, state)


def read_audit(top: Table, env: Mapping[str, str]) -> Audit:
    """What ``[audit]`` says."""
    table = top.table("audit", known={"file", "on_full"}, later={"nats"})
    on_full = table.string("on_full", "deny")
    if on_full not in _ON_FULL:
        table.error("on_full", f"`{on_full}` is no way to go on", 'write on_full = "deny" or on_full = "continue"')
    file = expand(table.string("file", "distwall-audit.jsonl", fault=path_fault), table.source.path, env)
    return Audit(file, _ON_FULL.get(on_full, "deny"))
