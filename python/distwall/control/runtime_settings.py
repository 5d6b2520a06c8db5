"""What was set while distwall runs, apart from the policy file: filters, attached tables, changed tables, handlers.

Each setting is one immutable record with who made it and when. It is kept by what it is about, so that setting it again
replaces it; the records in the order of their making are the run-time lists that the policy puts before an entry's own.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

from distwall.policy.language.grammar import Verdict

Kind = Literal["filter", "default_filter", "attach", "detach", "table", "handler", "module_filter"]


@dataclass(frozen=True, slots=True)
class RuntimeSetting:
    """One thing that was set at run time. What doesn't belong to its kind is None."""

    kind: Kind
    actor: str
    """Who set it."""
    at: float
    """When: seconds since 1970."""
    persist: bool
    """Whether it outlives this process."""
    node: str | None = None
    """The peer; None for tables and defaults."""
    guard: str | None = None
    """The one guarded node whose channels it is about; None: all."""
    rule: str | None = None
    """Filters: the rule, as the grammar writes it, without its verdict: the command and the key."""
    verdict: Verdict | None = None
    name: str | None = None
    """A table, or the module of a handler or of a module filter."""
    command: str | None = None
    """Handlers: of which command."""
    rules: tuple[str, ...] = ()
    """Tables: all rules."""

    @property
    def about(self) -> tuple[str | None, ...]:
        """What it is about: a later setting about the same replaces it."""
        kind = "attach" if self.kind == "detach" else self.kind
        what = {"filter": self.rule, "default_filter": self.rule, "handler": self.command, "module_filter": None}
        return kind, self.node, self.guard, what.get(self.kind, self.name)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads, without what is None."""
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
    """Reads a setting that was saved. Raises TypeError or ValueError for what is none."""
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
        """Sets; returns what it replaces. It keeps the place of that, so that order doesn't change with values."""
        before = self._settings.get(setting.about)
        self._settings[setting.about] = setting
        return before

    def remove(self, about: tuple[str | None, ...]) -> RuntimeSetting | None:
        """Unsets; returns what was set."""
        return self._settings.pop(about, None)

    def put_back(self, about: tuple[str | None, ...], before: RuntimeSetting | None) -> None:
        """Undoes a change."""
        if before is None:
            self._settings.pop(about, None)
        else:
            self._settings[about] = before

    def concerning(self, kind: Kind, node: str | None, guard: str | None) -> list[RuntimeSetting]:
        """The settings of one kind about a peer (None: about none) at a guarded node, oldest first."""
        return [s for s in self if s.kind == kind and s.node == node and s.guard in (None, guard)]

    def persistent(self) -> list[RuntimeSetting]:
        """Those that outlive this process."""
        return [setting for setting in self if setting.persist]
