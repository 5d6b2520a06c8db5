"""Functions whose parameters are made, not written: typer reads the signature."""

from collections.abc import Callable, Iterable
from inspect import Parameter, Signature
from typing import Any


def option(name: str, annotation: Any, default: Any = ...) -> Parameter:
    """Return a parameter that is given by its name; ``...``: it needs a value."""
    return Parameter(
        name, Parameter.KEYWORD_ONLY, default=Parameter.empty if default is ... else default, annotation=annotation
    )


def with_parameters(function: Callable[..., None], parameters: Iterable[Parameter]) -> Callable[..., None]:
    """Give a function the signature with these parameters; it takes any."""
    signature = Signature(list(parameters))
    function.__signature__ = signature  # type: ignore[attr-defined]
    function.__annotations__ = {each.name: each.annotation for each in signature.parameters.values()}
    return function
