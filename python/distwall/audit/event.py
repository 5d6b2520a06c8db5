"""Events before they are written: safe whatever a peer put into a name. `schema` lists their kinds and fields."""

import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from distwall.clock import rfc3339, utc

Event = dict[str, Any]

OpenedBy = Literal["peer", "guard"]
"""The side of a connection that dialled distwall."""

VERSION = 1
"""Version of the schema. New kinds and fields may come without a new version."""

MAX_TEXT = 4096
"""Characters of one string in an event; a longer string is cut and marked with an ellipsis."""

MAX_ITEMS = 1000
"""Elements of one list in an event."""


_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"), allow_nan=False, default=str)


def event(kind: str, fields: Mapping[str, Any], seq: int | None, now: datetime | None = None) -> Event:
    """An event of a kind, ready for JSON. ``seq`` is its number in the log; None: it is not in the log."""
    return {
        "v": VERSION,
        "seq": seq,
        "time": rfc3339(now or utc(), "milliseconds"),
        "event": kind,
        **{key: _plain(value) for key, value in fields.items()},
    }


def text(event: Event) -> bytes:
    """The event as ASCII JSON on one line, without control characters."""
    return _ENCODER.encode(event).replace("\x7f", "\\u007f").encode("ascii")


def _plain(value: Any) -> Any:
    match value:
        case str():
            return _text(value)
        case None | int():
            return value
        case float():
            # JSON has no infinity, and no NaN.
            return value if math.isfinite(value) else str(value)
        case bytes() | bytearray() | memoryview():
            return _text(bytes(value[: 4 * MAX_TEXT]).decode("utf-8", "backslashreplace"))
        case Mapping():
            return {_text(str(key)): _plain(item) for key, item in value.items()}
        case list() | tuple():
            cut = ["…"] if len(value) > MAX_ITEMS else []
            return [_plain(item) for item in value[:MAX_ITEMS]] + cut
        case _:
            return value


def _text(text: str) -> str:
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT] + "…"
    # Lone surrogates (from bytes that were not UTF-8) are not valid in JSON.
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
