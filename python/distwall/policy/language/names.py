"""Names: Erlang atoms as rules write them, node names and the globs that select them."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from distwall._core import print_atom
from distwall.node_name import NodeName

MAX_ATOM_CHARACTERS = 255

PartKind = Literal["exact", "prefix", "any", "pid", "ref"]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a rule's key: an exact text, a prefix, or any text (``_``).

    The text of a ``pid`` or ``ref`` is as the guarded node prints it, ``<0.123.0>``.
    """

    kind: PartKind
    text: str = ""

    def matches(self, text: str) -> bool:
        """True if the part matches ``text``."""
        match self.kind:
            case "prefix":
                return text.startswith(self.text)
            case "any":
                return True
            case _:
                return self.text == text

    def covers(self, other: "Part") -> bool:
        """True if the part matches every text that ``other`` matches."""
        if self.kind == "any" or other.kind == "any":
            return self.kind == "any" or (self.kind == "prefix" and not self.text)
        if other.kind == "prefix" or self.kind == "prefix":
            return self.kind == "prefix" and other.kind in ("exact", "prefix") and self.matches(other.text)
        return self == other

    def __str__(self) -> str:
        if self.kind == "any":
            return "_"
        if self.kind in ("pid", "ref"):
            return self.text
        star = "*" if self.kind == "prefix" else ""
        return ("" if star and not self.text else print_atom(self.text)) + star


def key_text(key: tuple[Part, ...]) -> str:
    """A key as rules write it."""
    if len(key) == 1:
        return str(key[0])
    module, function, arity = key
    # An arity is a number, not an atom.
    return f"{module}:{function}/{arity.text or arity}"


@lru_cache(maxsize=4096)
def _glob_pattern(glob: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in glob.split("*")), re.DOTALL)


def is_glob(text: str) -> bool:
    """True if a node name in the policy is a pattern: ``*`` matches any characters."""
    return "*" in text


def glob_matches(glob: str, name: str) -> bool:
    """True if ``name`` as a whole fits ``glob``."""
    return _glob_pattern(glob).fullmatch(name) is not None


def literal_length(glob: str) -> int:
    """Number of literal characters in a glob."""
    return len(glob) - glob.count("*")


def node_glob_fault(glob: str) -> str | None:
    """The reason why ``glob`` can't match node names; None if it can."""
    if glob == "*":
        return None
    if NodeName.parse(glob) is None:
        return "is not of the form NAME@HOST"
    if not all(c.isprintable() and not c.isspace() for c in glob):
        return "contains a space or a control character"
    if literal_length(glob) > MAX_ATOM_CHARACTERS:
        return f"is longer than the {MAX_ATOM_CHARACTERS} characters of a node name"
    return None


def node_fault(name: str) -> str | None:
    """The reason why ``name`` can't be the name of one node; None if it can."""
    if is_glob(name):
        return "is a glob, not the name of one node"
    return node_glob_fault(name)
