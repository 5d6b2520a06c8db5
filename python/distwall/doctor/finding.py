"""Findings of the doctor."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["problem", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One way round the firewall, open now or in some cases."""

    severity: Severity
    """``problem``: open now. ``warning``: open if something else goes wrong, or to fewer programs."""
    check: str
    """The name of the check; one short word that stays the same."""
    what: str
    where: str
    """A file and line, an address, a process."""
    remedy: str

    def to_json(self) -> dict[str, Any]:
        """The finding as JSON."""
        return asdict(self)


def listed(items: Iterable[object], most: int = 5) -> str:
    """Some items in a row, and the number of further items."""
    texts = [str(item) for item in items]
    more = len(texts) - most
    return ", ".join(texts) if more <= 0 else f"{', '.join(texts[:most])} and {more} more"


def problem(check: str, what: str, where: object, remedy: str) -> Finding:
    """A way round the firewall that is open now."""
    return Finding("problem", check, what, str(where), remedy)


def warning(check: str, what: str, where: object, remedy: str) -> Finding:
    """A way round the firewall that may open."""
    return Finding("warning", check, what, str(where), remedy)
