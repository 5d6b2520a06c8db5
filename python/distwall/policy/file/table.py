"""Reads the tables of a policy file: checks types, refuses unknown keys, and notes each problem with its position.

A ``Table`` never raises. It notes an unusable value as a problem and returns a harmless stand-in, so that one pass
finds all problems. If there are problems, the caller must not use its results.
"""

from collections.abc import Callable, Collection
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, TypeVar

from distwall.policy.file.toml_source import Source, TomlPath
from distwall.policy.language.names import node_glob_fault
from distwall.policy.language.times import parse_time
from distwall.policy.problem import Origin, Problem

T = TypeVar("T")


class Problems:
    """Problems found in one file so far."""

    def __init__(self) -> None:
        self.errors: list[Problem] = []
        self.warnings: list[Problem] = []

    def error(self, origin: Origin, what: str, remedy: str, rule: tuple[str, int] | None = None) -> None:
        """Notes an error, with which the policy can't be used."""
        self.errors.append(Problem(origin, what, remedy, rule))

    def warn(self, origin: Origin, what: str, remedy: str) -> None:
        """Notes a warning: a setting can't work as written."""
        self.warnings.append(Problem(origin, what, remedy))


class Table:
    """One table of the file. ``later`` are keys that only later versions have."""

    def __init__(
        self,
        source: Source,
        path: TomlPath,
        values: object,
        problems: Problems,
        *,
        known: Collection[str],
        later: Collection[str] = (),
    ) -> None:
        self.source = source
        self.path = path
        self.problems = problems
        self.values: dict[str, Any] = {}
        self.usable = isinstance(values, dict)
        if not isinstance(values, dict):
            self.error(None, f"{self.name} is {kind(values)}, not a table", f"write it as [{self.name}]")
            return
        self.values = values
        for key in values:
            if key in later:
                self.key_error(key, f"this version of distwall does not have `{key}` yet", "leave it out")
            elif key not in known:
                close = get_close_matches(key, known, n=1)
                remedy = f"did you mean `{close[0]}`?" if close else f"the keys here are {', '.join(sorted(known))}"
                self.key_error(key, f"unknown key `{key}`", remedy)

    @property
    def name(self) -> str:
        """The table as a user would call it."""
        return ".".join(step for step in self.path if isinstance(step, str)) or "the file"

    @property
    def origin(self) -> Origin:
        """The position of the table."""
        return self.source.value(self.path)

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def table(self, *steps: str | int, known: Collection[str], later: Collection[str] = ()) -> "Table":
        """The table found by going ``steps`` from here; an empty one if it is not there."""
        values: Any = self.values
        for step in steps:
            values = values.get(step, {}) if isinstance(values, dict) else values[step]
        return Table(self.source, (*self.path, *steps), values, self.problems, known=known, later=later)

    def error(self, key: str | None, what: str, remedy: str, *, index: int | None = None) -> None:
        """Notes a problem with the value of ``key``, or with one element of it; None: with the table itself."""
        self.problems.error(self.at(key, index), what, remedy)

    def key_error(self, key: str, what: str, remedy: str) -> None:
        """Notes a problem with a key rather than its value."""
        self.problems.error(self.source.key((*self.path, key)), what, remedy)

    def at(self, key: str | None = None, index: int | None = None) -> Origin:
        """The position of the value of ``key``, of one element of it, or of the table."""
        path = self.path if key is None else (*self.path, key)
        return self.source.value(path if index is None else (*path, index))

    def string(self, key: str, default: str, *, fault: Callable[[str], str | None] = lambda _: None) -> str:
        """A string; ``fault`` checks it and returns an error or None."""
        value = self.values.get(key, default)
        if not isinstance(value, str):
            self.error(key, f"`{key}` is {kind(value)}, not a string", "put it in quotes")
            return default
        if key in self and (wrong := fault(value)):
            self.error(key, f"`{key}` {wrong}", "correct it")
            return default
        return value

    def boolean(self, key: str, default: bool) -> bool:
        """``true`` or ``false``."""
        value = self.values.get(key, default)
        if not isinstance(value, bool):
            self.error(key, f"`{key}` is {kind(value)}", "write true or false")
            return default
        return value

    def time(self, key: str) -> datetime | None:
        """A time with its zone, in UTC; None if the key is missing."""
        value = self.values.get(key)
        if isinstance(value, datetime) and value.tzinfo is not None:
            return value.astimezone(UTC)
        time = parse_time(value) if isinstance(value, str) else None
        if value is not None and time is None:
            shown = f"`{value}`" if isinstance(value, str | datetime) else kind(value)
            self.error(key, f"`{key}` is {shown}, not a time with its zone", f"write {key} = 2026-12-31T00:00:00Z")
        return time

    def strings(self, key: str) -> list[tuple[int, str]]:
        """The strings of a list, each with its index."""
        value = self.values.get(key, [])
        if not isinstance(value, list):
            self.error(key, f"`{key}` is {kind(value)}, not a list", f'write {key} = ["...", "..."]')
            return []
        for index, element in enumerate(value):
            if not isinstance(element, str):
                self.error(key, f"{kind(element)} where `{key}` needs strings", "put it in quotes", index=index)
        return [(index, element) for index, element in enumerate(value) if isinstance(element, str)]

    def globs(self, key: str) -> tuple[str, ...]:
        """Globs of node names."""
        globs = []
        for index, glob in self.strings(key):
            if fault := node_glob_fault(glob):
                self.error(
                    key, f"`{glob}` {fault}", "write a node name or a glob, as in bar@127.0.0.2 or bar@*", index=index
                )
            globs.append(glob)
        return tuple(globs)

    def integer(self, key: str, default: int, *, low: int, high: int) -> int:
        """A whole number from ``low`` to ``high``."""
        value = self.values.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool):
            self.error(key, f"`{key}` is {kind(value)}, not a whole number", f"write a number from {low} to {high}")
            return default
        if key in self and not low <= value <= high:
            self.error(key, f"`{key}` is {value}", f"write a number from {low} to {high}")
            return default
        return value


def path_fault(text: str) -> str | None:
    """The reason why ``text`` can't be a path; None if it can."""
    if not text:
        return "is empty"
    return "contains a NUL character" if "\0" in text else None


def kind(value: object) -> str:
    """The type of a TOML value, in words."""
    match value:
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a float"
        case str():
            return "a string"
        case list():
            return "a list"
        case dict():
            return "a table"
        case _:
            return "a date or time"


def unit(table: Table, key: str, read: Callable[[str], T | None], what: str, example: str) -> T | None:
    """The value of a text with a unit at ``key``; None if the key is missing or wrong, which is noted."""
    if key not in table:
        return None
    text = table.string(key, "")
    value = read(text)
    if value is None and isinstance(table.values[key], str):
        table.error(key, f"`{text}` is not {what}", f'write {key} = "{example}"')
    return value
