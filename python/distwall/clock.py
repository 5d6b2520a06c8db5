"""The wall clock in UTC, and its times as text (RFC 3339)."""

from datetime import UTC, datetime


def utc() -> datetime:
    """Return the time now."""
    return datetime.now(UTC)


def rfc3339(time: datetime | float, timespec: str = "auto") -> str:
    """Return a time, or seconds since 1970, as text that ends in ``Z``; ``timespec`` as in ``datetime.isoformat``."""
    moment = datetime.fromtimestamp(time, UTC) if isinstance(time, int | float) else time.astimezone(UTC)
    return moment.isoformat(timespec=timespec).removesuffix("+00:00") + "Z"
