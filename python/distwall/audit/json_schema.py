"""The schema of events as JSON Schema, and a check of events by it."""

import json
from dataclasses import is_dataclass
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from distwall.audit.event import VERSION, Event
from distwall.audit.schema import KINDS, Digest


class EventLine(BaseModel):
    """Fields of every event."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    v: Literal[1]
    """The version of this schema."""
    seq: Annotated[int, Field(ge=1)] | None
    """Number of the event in the log, without gaps; null on the live stream if the log could not take it."""
    time: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]
    """RFC 3339, UTC, milliseconds."""
    prev: Digest | None = None
    """In the log: the ``hash`` of the previous line."""
    hash: Digest | None = None
    """In the log: SHA-256, or HMAC with a key, of the line up to here."""


LINE_FIELDS = tuple(EventLine.model_fields)


def validate(event: Event) -> None:
    """Raises ValueError, saying what is wrong, for an event that is not of the schema."""
    own = {name: value for name, value in event.items() if name not in EventLine.model_fields and name != "event"}
    EventLine.model_validate({name: value for name, value in event.items() if name in EventLine.model_fields})
    if event.get("event") not in KINDS:
        raise ValueError(f"unknown kind {event.get('event')}")
    _adapter(event["event"]).validate_json(json.dumps(own, allow_nan=False))


def json_schema() -> dict[str, Any]:
    """The schema of one line, as JSON Schema."""
    line = EventLine.model_json_schema()
    definitions: dict[str, Any] = {}
    references = {}
    for name, kind in KINDS.items():
        schema = _adapter(name).json_schema()
        for base in filter(is_dataclass, kind.__mro__[1:]):
            # pydantic leaves out the docstrings of fields that are inherited.
            schema["properties"].update(TypeAdapter(base).json_schema()["properties"])
        definitions.update(schema.pop("$defs", {}))
        event = {"const": name, "title": "Event", "type": "string"}
        schema["properties"] = {**line["properties"], "event": event, **schema.get("properties", {})}
        schema["required"] = [*line["required"], "event", *schema.get("required", ())]
        definitions[kind.__name__] = schema
        references[name] = f"#/$defs/{kind.__name__}"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"distwall event, version {VERSION}",
        "$defs": dict(sorted(definitions.items())),
        "discriminator": {"mapping": dict(sorted(references.items())), "propertyName": "event"},
        "oneOf": [{"$ref": reference} for reference in references.values()],
    }


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(KINDS[name])
