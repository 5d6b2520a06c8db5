"""Services: named bundles of filters, kept as data.

``services.toml`` holds the built-in services, one table each. Its ``filters`` are rules without a verdict, in which the
word in ``argument`` stands for the atom that a rule gives. A policy file may add its own services.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from distwall._core import print_atom
from distwall.policy.language.cursor import RuleSyntaxError
from distwall.policy.language.grammar import Statement, parse_filter

_QUOTED = r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\""
_ARGUMENT = re.compile(r"[A-Z][A-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Service:
    """A named bundle of filters."""

    name: str
    filters: tuple[str, ...]
    """Each filter as a rule without its verdict."""
    argument: str | None = None
    """The placeholder in ``filters`` for the atom that a rule gives; None: the service takes no argument."""
    default: str | None = None
    """The atom if a rule gives none; None: a rule has to give one."""
    any_code: bool = False
    """True if its traffic lets a peer run any code."""

    def parts(self, argument: str | None) -> tuple[Statement, ...]:
        """The filters of the service for the atom ``argument``."""
        return _parts(self, argument)


@cache
def _parts(service: Service, argument: str | None) -> tuple[Statement, ...]:
    return tuple(parse_filter(_filled(service, text, argument)) for text in service.filters)


def _filled(service: Service, text: str, argument: str | None) -> str:
    if service.argument is None or argument is None:
        return text
    word = re.compile(rf"({_QUOTED})|(?<![A-Za-z0-9_@]){service.argument}(?![A-Za-z0-9_@])")
    return word.sub(lambda match: match[1] or print_atom(argument), text)


@cache
def built_in() -> Mapping[str, Service]:
    """The built-in services, by name."""
    data = tomllib.loads(files("distwall.policy.language").joinpath("services.toml").read_text(encoding="utf-8"))
    return {
        name: Service(
            name,
            tuple(candidate["rule"] for candidate in table["filters"]),
            table.get("argument"),
            table.get("default"),
            table.get("any_code", False),
        )
        for name, table in data.items()
    }


def service(name: str, argument: str | None = None) -> tuple[Statement, ...]:
    """The filters of a built-in service, each with command, key, scope and pattern."""
    made = built_in()[name]
    return made.parts(argument if argument is not None else made.default)


def argument_fault(text: str) -> str | None:
    """The reason why the argument of a service can't be called ``text``; None if it can."""
    return None if _ARGUMENT.fullmatch(text) else f"is `{text}`, not a word in capitals"


def filter_fault(service: Service, index: int) -> RuleSyntaxError | None:
    """The error in a filter, for any argument, with the index of the character in its text; None: no error."""
    # A stand-in of the same length keeps the indexes right.
    stand_in = None if service.argument is None else "x" * len(service.argument)
    try:
        parse_filter(_filled(service, service.filters[index], stand_in))
    except RuleSyntaxError as error:
        return error
    return None
