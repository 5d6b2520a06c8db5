"""Events and their JSON lines.

Every event has ``time`` (RFC 3339, UTC, milliseconds) and ``event`` (its kind). A refused command has ``peer``,
``guard``, ``direction``, ``command``, ``target``, ``verdict``, ``rule`` (``text``, ``where``, ``file``, ``line``,
``column``; null where none decided), ``reason`` and ``folded``: how many refusals since the event before were left out.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

Event = dict[str, Any]

MAX_TEXT = 4096
"""Characters of one string in an event; what is longer is cut and marked with an ellipsis."""


def event(kind: str, fields: Mapping[str, Any], now: datetime | None = None) -> Event:
    """An event of that kind, made ready for JSON."""
    time = (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="milliseconds")
    return {
        "time": time.removesuffix("+00:00") + "Z",
        "event": kind,
        **{key: _plain(value) for key, value in fields.items()},
    }


def line(event: Event) -> bytes:
    """One line of ASCII JSON: no control character, and nothing that some decoder might stumble over."""
    text = json.dumps(event, ensure_ascii=True, separators=(",", ":"), allow_nan=False, default=str)
    return text.replace("\x7f", "\\u007f").encode("ascii") + b"\n"


def _plain(value: Any) -> Any:
    match value:
        case str():
            return _text(value)
        case bytes() | bytearray() | memoryview():
            return _text(bytes(value[: 4 * MAX_TEXT]).decode("utf-8", "backslashreplace"))
        case Mapping():
            return {_text(str(key)): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value


def _text(text: str) -> str:
    if len(text) > MAX_TEXT:
        text = text[:MAX_TEXT] + "…"
    # Lone surrogates (bytes that were no UTF-8) have no place in JSON.
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
