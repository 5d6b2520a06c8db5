"""docs/events.md and docs/events.schema.json, from the schema of events."""

import json
from collections.abc import Container
from typing import Any

from distwall.audit.event import VERSION
from distwall.audit.json_schema import LINE_FIELDS, json_schema
from distwall.audit.schema import KINDS

_HEAD = f"""# Events

<!-- Made from python/distwall/audit/schema.py by `make pages`; do not edit. -->

What distwall does and refuses is told as events: one JSON object a line, in the [audit log](audit.md) and on the live
stream (`distwall observe`, [`GET /v1/events`](api.md#the-live-stream)). This is version {VERSION} of the schema, `v` in
every event; [events.schema.json](events.schema.json) is the same for programs. Kinds and fields may be added within a
version: pass over what you don't know.

Messages are never in an event, nor are cookies and tokens. Names are whatever a peer made of them: a string of more
than 4096 characters is cut and ends in an ellipsis, and a line is ASCII without control characters.

## In every event

"""


def page() -> str:
    """The page on events."""
    schemas = json_schema()["$defs"]
    every = {name: schemas["Stop"]["properties"][name] for name in LINE_FIELDS}
    rule = schemas["RuleRef"]["properties"]
    parts = [_HEAD, _table(every), "\n`rule`, where an event has one:\n\n", _table(rule)]
    for name, kind in KINDS.items():
        schema = schemas[kind.__name__]
        parts.append(f"\n## {name}\n\n{schema['description']}\n")
        if table := _table(schema["properties"], skip=("event", *LINE_FIELDS)):
            parts.append("\n" + table)
    return "".join(parts)


def schema_file() -> str:
    """The JSON Schema, as text."""
    return json.dumps(json_schema(), indent=1) + "\n"


def _table(properties: dict[str, Any], skip: Container[str] = ()) -> str:
    rows = [
        f"| `{name}` | {_words(field)} | {' '.join(field.get('description', '').replace('``', '`').split())} |\n"
        for name, field in properties.items()
        if name not in skip
    ]
    return "".join(["| field | type | |\n| --- | --- | --- |\n", *rows]) if rows else ""


def _words(schema: dict[str, object]) -> str:
    match schema:
        case {"anyOf": list(options)}:
            return " or ".join(_words(option) for option in options)
        case {"enum": list(values)}:
            return " or ".join(f"`{value}`" for value in values)
        case {"const": value}:
            return f"`{value}`"
        case {"$ref": _}:
            return "rule"
        case {"type": "array", "items": dict(items)}:
            return f"list of {_words(items)}s"
        case _:
            return str(schema.get("type", "any"))
