"""Settings made while distwall runs, apart from the policy file: filters, attached tables, changed tables, handlers.

Each setting is one immutable record with its author and time. A second setting for the same target replaces the first.
The records in the order of their making are the run-time lists, which the policy puts before an entry's own.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from distwall.policy.language.grammar import Verdict

GivenKey = str | tuple[str, str, int | str] | None
"""The target of a filter: text as in rules; module, function and arity, each perhaps ``_``; or None or ``"_"`` for all.
"""

Kind = Literal["filter", "default_filter", "attach", "detach", "table", "handler", "module_filter"]


@dataclass(frozen=True, slots=True)
class RuntimeSetting:
    """One setting made at run time. Fields of other kinds are None."""

    kind: Kind
    actor: str
    """The caller that made it."""
    at: float
    """Time of its making: seconds since 1970."""
    persist: bool
    """True if it survives a restart."""
    node: str | None = None
    """The peer; None for tables and defaults."""
    guard: str | None = None
    """The guarded node that it is for; None: all."""
    rule: str | None = None
    """Filters: the rule, as the grammar writes it, without its verdict: the command and the key."""
    verdict: Verdict | None = None
    name: str | None = None
    """A table, or the module of a handler or of a module filter."""
    command: str | None = None
    """Handlers: the command."""
    rules: tuple[str, ...] = ()
    """Tables: all rules."""

    @property
    def about(self) -> tuple[str | None, ...]:
        """Identity of the setting: a later one with the same identity replaces it."""
        kind = "attach" if self.kind == "detach" else self.kind
        what = {"filter": self.rule, "default_filter": self.rule, "handler": self.command, "module_filter": None}
        return kind, self.node, self.guard, what.get(self.kind, self.name)

    def to_json(self) -> dict[str, Any]:
        """The setting as `from_json` reads it, without fields that are None."""
        return {key: value for key, value in asdict(self).items() if value not in (None, ())}

    def __str__(self) -> str:
        at = "" if self.guard is None else f" at {self.guard}"
        match self.kind:
            case "filter":
                return f"{self.node}{at}: {self.verdict} {self.rule}"
            case "default_filter":
                return f"defaults{at}: {self.verdict} {self.rule}"
            case "attach" | "detach":
                return f"{self.node}{at}: {self.kind} table {self.name}"
            case "table":
                return f"table {self.name}: {', '.join(self.rules) or 'no rules'}"
            case "handler":
                return f"{self.node}{at}: handler of {self.command}: {self.name}"
            case "module_filter":
                return f"{self.node}{at}: filter of {self.name}"


def from_json(data: dict[str, Any]) -> RuntimeSetting:
    """Reads a saved setting. Raises TypeError or ValueError for an invalid one."""
    setting = RuntimeSetting(**{**data, "rules": tuple(data.get("rules", ()))})
    if setting.kind not in Kind.__args__:  # type: ignore[attr-defined]
        raise ValueError(f"unknown kind of setting: {setting.kind}")
    return setting


class RuntimeSettings:
    """All settings, oldest first."""

    def __init__(self) -> None:
        self._settings: dict[tuple[str | None, ...], RuntimeSetting] = {}

    def __iter__(self) -> Iterator[RuntimeSetting]:
        return iter(self._settings.values())

    def put(self, setting: RuntimeSetting) -> RuntimeSetting | None:
        """Adds a setting; returns the replaced setting, whose place it takes, so that the order stays."""
        before = self._settings.get(setting.about)
        self._settings[setting.about] = setting
        return before

    def remove(self, about: tuple[str | None, ...]) -> RuntimeSetting | None:
        """Removes a setting and returns it."""
        return self._settings.pop(about, None)

    def put_back(self, about: tuple[str | None, ...], before: RuntimeSetting | None) -> None:
        """Undoes a change."""
        if before is None:
            self._settings.pop(about, None)
        else:
            self._settings[about] = before

    def concerning(self, kind: Kind, node: str | None, guard: str | None) -> list[RuntimeSetting]:
        """The settings of one kind for a peer (None: for no peer) at a guarded node, oldest first."""
        return [s for s in self if s.kind == kind and s.node == node and s.guard in (None, guard)]

    def persistent(self) -> list[RuntimeSetting]:
        """Settings that survive a restart."""
        return [setting for setting in self if setting.persist]
