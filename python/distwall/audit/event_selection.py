"""Selects events: several values for one field mean "or", different fields mean "and"."""

from collections.abc import Iterable, Mapping
from typing import Any

from distwall.audit.event import Event
from distwall.policy.language.names import glob_matches

FIELDS = {
    "event": "Only events of this kind.",
    "peer": "Only of this peer; a name or a glob.",
    "guard": "Only about this guarded node; a name or a glob.",
    "verdict": "Only commands with this verdict.",
    "command": "Only this command.",
    "direction": "inbound or outbound.",
    "reason": "Only with this reason.",
}
"""Fields that events can be selected by, each with its meaning."""

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
