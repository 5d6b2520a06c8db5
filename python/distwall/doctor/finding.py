"""What the doctor found."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

Severity = Literal["problem", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One way round the firewall, or something that may become one."""

    severity: Severity
    """``problem``: it is open now. ``warning``: it is open if something else goes wrong, or to fewer."""
    check: str
    """Which check found it; one short word that stays the same."""
    what: str
    where: str
    """A file and line, an address, a process."""
    remedy: str

    def to_json(self) -> dict[str, Any]:
        """The finding as JSON."""
        return asdict(self)


def listed(items: Iterable[object], most: int = 5) -> str:
    """Some things in a row, and how many more there are."""
    texts = [str(item) for item in items]
    more = len(texts) - most
    return ", ".join(texts) if more <= 0 else f"{', '.join(texts[:most])} and {more} more"


def problem(check: str, what: str, where: object, remedy: str) -> Finding:
    """Something that is open now."""
    return Finding("problem", check, what, str(where), remedy)


def warning(check: str, what: str, where: object, remedy: str) -> Finding:
    """Something that may become a problem."""
    return Finding("warning", check, what, str(where), remedy)
