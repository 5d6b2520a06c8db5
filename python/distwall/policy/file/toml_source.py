r"""TOML text with the positions of its values, down to the characters of a string.

``tomllib`` gives the values, ``_core.toml_spans`` their positions; ``Source`` joins the two and turns offsets into
``Origin``. All offsets are in characters of the text with its line ends normalised to ``\n``, as TOML reads them.
"""

import re
import tomllib
from bisect import bisect_right
from pathlib import Path
from typing import Any

from distwall._core import toml_spans
from distwall.policy.problem import Origin, PolicyError, Problem

TomlPath = tuple[str | int, ...]
"""The way to a value: keys of tables and indexes of arrays."""

_ESCAPE_LENGTHS = {"u": 6, "U": 10, "x": 4}
_LINE_CONTINUATION = re.compile(r"\\[ \t]*\n[ \t\n]*")
_TOMLLIB_POSITION = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class Source:
    """One policy text: its values (``values``) and their positions.

    Raises PolicyError if the text is not TOML.
    """

    def __init__(self, text: str, path: Path) -> None:
        self.path = path
        # Editors of Windows begin files with a byte order mark, which is not a part of the text.
        self.text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        self._lines = [0, *(match.end() for match in re.finditer("\n", self.text))]
        try:
            self._spans = toml_spans(self.text)
        except ValueError as error:
            message, offset = error.args
            raise self._not_toml(message, self.at(offset)) from None
        try:
            self.values: dict[str, Any] = tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            message = str(error)
            line, column = len(self._lines), 1
            if match := _TOMLLIB_POSITION.search(message):
                message = message[: match.start()]
                if match[1]:
                    line, column = int(match[1]), int(match[2])
            raise self._not_toml(message, Origin(path, line, column)) from None

    def _not_toml(self, message: str, origin: Origin) -> PolicyError:
        what = "not TOML: " + "; ".join(line for line in message.splitlines() if line)
        return PolicyError((Problem(origin, what, "correct the syntax"),))

    def at(self, offset: int) -> Origin:
        """The position of a character of the text."""
        line = bisect_right(self._lines, offset)
        return Origin(self.path, line, offset - self._lines[line - 1] + 1)

    def key(self, path: TomlPath) -> Origin:
        """The position of a value's key (for an array's element: of the value); if missing, of the table around it."""
        return self.at(self._offsets(path)[0])

    def value(self, path: TomlPath) -> Origin:
        """The position of a value."""
        return self.at(self._offsets(path)[1])

    def within(self, path: TomlPath, index: int) -> Origin:
        """The position of the character that became number ``index`` of the string at ``path``."""
        offset = self._offsets(path)[1]
        return self.at(self._string_offsets(offset, index))

    def literal(self, path: TomlPath) -> tuple[int, int]:
        """The start and end in ``text`` of the string literal at ``path``, its quotes included."""
        value: Any = self.values
        for step in path:
            value = value[step]
        start = self._offsets(path)[1]
        end = self._string_offsets(start, len(value))
        quote = self.text[start]
        return start, end + (3 if self.text.startswith(quote * 3, start) else 1)

    def _offsets(self, path: TomlPath) -> tuple[int, int]:
        while path:
            if found := self._spans.get(path):
                return found
            path = path[:-1]
        return 0, 0

    def _string_offsets(self, offset: int, index: int) -> int:
        """Walks through a string literal from its opening quote, past ``index`` characters of its value."""
        text = self.text
        quote = text[offset]
        multiline = text.startswith(quote * 3, offset)
        offset += 3 if multiline else 1
        if multiline and text.startswith("\n", offset):
            offset += 1
        while True:
            if quote == '"' and text[offset] == "\\":
                if multiline and (match := _LINE_CONTINUATION.match(text, offset)):
                    offset = match.end()
                    continue
                length = _ESCAPE_LENGTHS.get(text[offset + 1], 2)
            else:
                length = 1
            if index == 0:
                return offset
            index -= 1
            offset = min(offset + length, len(text) - 1)
