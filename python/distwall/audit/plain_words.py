"""Values of events as words for human eyes: nobody can make a name that looks like two fields, or like another line.

A value is shown as it is if it consists of characters that no line or table uses to tell fields apart. Any other value
is shown between double quotes, with escapes for whatever could end the quotes, or move or reorder the text. So each
value has one spelling, and each spelling one value.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

_PLAIN = re.compile(r"[A-Za-z0-9_.@:/+*#%~<>\[\]-]+")
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN"})


def word(value: Any) -> str:
    """Return a value as one word: as it is, or between double quotes."""
    text = str(value)
    return text if _PLAIN.fullmatch(text) else f'"{"".join(map(_escaped, text))}"'


def words(value: Any) -> str:
    """Return a text of several words with one space between them as it is, and any other as `word` does."""
    text = str(value)
    return text if all(map(_PLAIN.fullmatch, text.split(" "))) else word(text)


def printable(value: Any) -> str:
    """Return a text of the policy's own with escapes for whatever could move the cursor or colour the screen."""
    return "".join(c if c.isprintable() else _escape(c) for c in str(value))


def _escaped(character: str) -> str:
    if character in ('"', "\\"):
        return "\\" + character
    is_shown = character == " " or (character.isprintable() and not character.isspace())
    # Combining marks change the character before them, which may be the quote.
    is_steady = unicodedata.bidirectional(character) not in _RIGHT_TO_LEFT and not unicodedata.combining(character)
    return character if is_shown and is_steady else _escape(character)


def _escape(character: str) -> str:
    return f"\\x{{{ord(character):X}}}"


def places(guards: Iterable[str | None]) -> str:
    """Return the guarded nodes of grants in words; None: all."""
    return ", ".join("all guarded nodes" if guard is None else guard for guard in guards)
