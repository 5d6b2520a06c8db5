"""Spans of time and sizes as people write them: ``30d``, ``100MB``."""

import re
from datetime import timedelta

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_BYTES = {"": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}


def span(text: str) -> timedelta | None:
    """A span of time, as in ``90s``, ``15m``, ``12h``, ``30d``, ``4w``; None if it is zero, or not a span."""
    match = re.fullmatch(r"([1-9][0-9]{0,8})([smhdw])", text)
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]]) if match else None


def seconds(text: str) -> float | None:
    """A span of time in seconds, as in ``15m``; a number without a unit means seconds.

    None: it is zero, or not a span.
    """
    if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return float(text) or None
    time = span(text)
    return None if time is None else time.total_seconds()


def size(text: str) -> int | None:
    """A number of bytes, as in ``65536``, ``500kB``, ``100MB``, ``1GiB``; None if it is zero, or not a size."""
    match = re.fullmatch(r"([1-9][0-9]{0,12})([kMGKi]*B|)", text)
    return int(match[1]) * _BYTES[match[2]] if match and match[2] in _BYTES else None
