"""Finds the key that seals the audit log: ``key_file`` or ``key_env``. No message quotes text that may be a key."""

import os
from collections.abc import Mapping

from distwall.files.permissions import readers
from distwall.files.regular_file import opened
from distwall.policy.file.cookie_keys import expand
from distwall.policy.file.table import Table, path_fault

_MIN = 16
_MAX = 4096


def read_key(table: Table, env: Mapping[str, str]) -> bytes | None:
    """The key that ``table`` names; None if it names no key, or the key can't be read, which is noted as a problem."""
    if "key_file" in table and "key_env" in table:
        table.key_error("key_env", "both `key_env` and `key_file` are set", "keep one of them")
        return None
    if "key_file" in table:
        named, key = "key_file", _from_file(table, env)
    elif "key_env" in table:
        named, key = "key_env", _from_environment(table, env)
    else:
        return None
    if key is not None and not _MIN <= len(key) <= _MAX:
        table.error(named, f"the key has {len(key)} bytes", f"use {_MIN} to {_MAX}, as of openssl rand -hex 32")
    return key


def _from_environment(table: Table, env: Mapping[str, str]) -> bytes | None:
    value = env.get(table.string("key_env", ""))
    if value is None:
        table.error(
            "key_env", "the environment variable that `key_env` names is not set", "set it, or correct its name"
        )
        return None
    return os.fsencode(value)


def _from_file(table: Table, env: Mapping[str, str]) -> bytes | None:
    path = expand(table.string("key_file", "", fault=path_fault), table.source.path, env)
    try:
        with opened(path) as (file, status):
            data = file.read(_MAX + 3)
    except OSError as error:
        table.error("key_file", f"can't read the key {path}: {error.strerror}", "correct the path or its permissions")
        return None
    if who := readers(status):
        table.problems.warn(table.at("key_file"), f"{who} can read the key {path}", f"run chmod 600 {path}")
    return data.rstrip(b"\r\n")
