"""Loads a policy file and reports all errors in it, each with line and column."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from distwall.files import regular_file
from distwall.policy.file.control_section import read_audit, read_control
from distwall.policy.file.cookie_keys import COOKIE_KEYS
from distwall.policy.file.guard_section import read_guard
from distwall.policy.file.mode_keys import MODE_KEYS, read_mode
from distwall.policy.file.peers_section import read_entries
from distwall.policy.file.rule_lists import LIST_KEYS, RuleLists
from distwall.policy.file.table import Problems, Table
from distwall.policy.file.toml_source import Source
from distwall.policy.model import ENFORCE, Policy, PolicyText
from distwall.policy.problem import Origin, PolicyError, Problem

_KEYS = {"guard", "defaults", "tables", "services", "peers", "audit", "control", *MODE_KEYS}


def load(path: Path, env: Mapping[str, str] | None = None) -> Policy:
    """Reads a policy file. ``env`` has the variables for ``cookie_env``, by default the environment.

    Raises PolicyError for a file with errors, and OSError for a file that can't be read.
    """
    data = regular_file.read(path)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        origin = Origin(path, before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise PolicyError((Problem(origin, "not UTF-8", "save the file as UTF-8"),)) from None
    return loads(text, path, env)


def loads(text: str, path: Path, env: Mapping[str, str] | None = None) -> Policy:
    """Reads the text of a policy file; ``path`` is for errors and for relative paths.

    Raises PolicyError.
    """
    return _read(Source(text, path), os.environ if env is None else env)


def _read(source: Source, env: Mapping[str, str]) -> Policy:
    problems = Problems()
    top = Table(source, (), source.values, problems, known=_KEYS, later={"fleet"})
    guard = read_guard(top, env)
    lists = RuleLists()
    lists.read_services(top)
    defaults_table = top.table("defaults", known={*LIST_KEYS, *COOKIE_KEYS})
    defaults = lists.read(defaults_table, "defaults")
    defaults_out = lists.read_out(defaults_table, "defaults")
    lists.read_tables(top)
    entries = read_entries(top, defaults_table, guard, lists, env)
    control = read_control(top, guard, entries, env)
    audit = read_audit(top, env)
    mode = read_mode(top) or ENFORCE
    lists.warn_of_idle_tables(top)
    if problems.errors:
        raise PolicyError(tuple(problems.errors))
    return Policy(
        path=source.path,
        guard=guard,
        entries=entries,
        defaults=defaults,
        defaults_out=defaults_out,
        tables=lists.tables,
        tables_out=lists.tables_out,
        services=lists.services,
        mode=mode,
        control=control,
        audit=audit,
        rules=tuple(lists.rules),
        revision=hashlib.sha256(source.text.encode()).hexdigest()[:12],
        text=PolicyText(source.text),
        noticed=tuple(problems.warnings),
    )
