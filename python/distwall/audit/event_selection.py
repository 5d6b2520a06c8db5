"""Selects events: several values for one field mean "or", different fields mean "and"."""

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, get_args

from distwall._core import COMMANDS
from distwall.audit.event import Event
from distwall.audit.schema import KINDS, Direction
from distwall.policy.language.grammar import VERDICTS
from distwall.policy.language.names import glob_matches

FIELDS = {
    "event": "Only events of this kind.",
    "peer": "Only of this peer; a name or a glob.",
    "guard": "Only about this guarded node; a name or a glob.",
    "verdict": "Only commands with this verdict.",
    "command": "Only this command.",
    "direction": "Only of this direction: inbound or outbound.",
    "reason": "Only with this reason.",
}
"""Fields that events can be selected by, each with its meaning."""

_VALUES: dict[str, Collection[str]] = {
    "event": KINDS,
    "verdict": VERDICTS,
    "command": COMMANDS,
    "direction": get_args(Direction),
}
"""All values of the fields that have few: another value would select nothing, without a word."""

_GLOBS = frozenset({"peer", "guard"})


class SelectionError(ValueError):
    """A selection that makes no sense; the text says why."""


class EventSelection:
    """Selects events by their fields; node names may be globs."""

    def __init__(self, wanted: Mapping[str, Iterable[str]], unwanted: Iterable[str] = ()) -> None:
        """``wanted``: values by field; ``unwanted``: ``FIELD=VALUE``. Raises SelectionError."""
        self._wanted = {name: tuple(values) for name, values in wanted.items() if values}
        self._unwanted: list[tuple[str, str]] = []
        for text in unwanted:
            name, equals, value = text.partition("=")
            if not equals or name not in FIELDS:
                raise SelectionError(
                    f"`{text}` is not FIELD=VALUE with a known field; the fields are {', '.join(FIELDS)}"
                )
            self._unwanted.append((name, value))
        for name, value in [
            *((name, each) for name, values in self._wanted.items() for each in values),
            *self._unwanted,
        ]:
            if name in _VALUES and value not in _VALUES[name]:
                close = get_close_matches(value, _VALUES[name], n=1)
                remedy = f"did you mean `{close[0]}`?" if close else f"write one of {', '.join(_VALUES[name])}"
                raise SelectionError(f"no event has the {name} `{value}`; {remedy}")

    def matches(self, event: Event) -> bool:
        """True if the event is wanted."""
        return all(
            any(_is(event, name, value) for value in values) for name, values in self._wanted.items()
        ) and not any(_is(event, name, value) for name, value in self._unwanted)


def _is(event: Event, name: str, value: str) -> bool:
    found: Any = event.get(name)
    if found is None and name == "peer":
        found = event.get("node")
    if found is None:
        return False
    if name in _GLOBS:
        return glob_matches(value, str(found))
    return str(found) == ("deny" if (name, value) == ("verdict", "reject") else value)
