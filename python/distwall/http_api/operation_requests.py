"""The bodies of operations over HTTP, made from their declarations."""

import json
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model, model_validator

from distwall.operations import Operation, Parameter, ParameterType
from distwall.policy.language.units import seconds


def _seconds(value: Any) -> Any:
    """Return the seconds of a span of time such as ``15m``; leave all other values to pydantic."""
    found = seconds(value) if isinstance(value, str) else None
    return value if found is None else found


_TYPES: dict[ParameterType, Any] = {
    ParameterType.KEY: str | Annotated[tuple[str, str, int | str], Field(strict=False)],
    ParameterType.RULES: list[str],
    ParameterType.SECONDS: Annotated[float, BeforeValidator(_seconds), Field(strict=False)],
    ParameterType.FLAG: bool,
}
"""Types of JSON; all others are texts."""


class Body(BaseModel):
    """The arguments of a call."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def is_text(cls, value: Any) -> Any:
        """Raises ValueError for half a surrogate pair, which JSON can spell but nobody can print."""
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("half a surrogate pair is not text") from None
        return value


@dataclass(frozen=True, slots=True)
class OperationRequest:
    """An operation as a POST request."""

    operation: Operation
    body: type[Body]

    def run(self, target: object, body: Body, actor: str) -> dict[str, Any]:
        """Calls the operation of ``target``; returns the answer. Raises ControlError."""
        arguments = {name: getattr(body, name) for name in type(body).model_fields}
        return self.operation.result.to_json(self.operation.call(target, arguments, actor))

    def recorded(self, body: Body) -> dict[str, Any]:
        """The arguments, for the log."""
        secrets = {parameter.name for parameter in self.operation.parameters if parameter.secret}
        return body.model_dump(exclude_defaults=True, exclude=secrets)


def request_of(operation: Operation) -> OperationRequest:
    """Makes the request that runs an operation."""
    name = "".join(part.capitalize() for part in operation.name.split("_"))
    fields: dict[str, Any] = {parameter.name: _field(parameter) for parameter in operation.parameters}
    return OperationRequest(operation, create_model(name, __base__=Body, __doc__=operation.summary, **fields))


def _field(parameter: Parameter) -> tuple[Any, Any]:
    kind = _TYPES.get(parameter.type, str)
    meaning = parameter.meaning.removesuffix(".")
    if parameter.type is ParameterType.KEY:
        meaning += "; or [module, function, arity]"
    if parameter.absent is not None:
        kind = kind | None
        meaning += f"; null {parameter.absent}"
    return kind, Field(parameter.default, description=f"{meaning}.")
