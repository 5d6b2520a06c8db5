"""Cookies: the secrets that nodes prove to each other in the handshake. They are never shown and never logged."""

import hmac
from pathlib import Path
from typing import final

from distwall.policy.problem import Origin

MAX_COOKIE_CHARACTERS = 255


@final
class Cookie:
    """One cookie. Only ``reveal`` gives it away; a comparison takes the same time for any two cookies."""

    __slots__ = ("_secret", "file", "origin")

    def __init__(self, secret: bytes, *, origin: Origin | None = None, file: Path | None = None) -> None:
        """``secret``: the characters of the atom, one byte each (Latin-1), as the handshake's digest takes them.

        ``origin``: its place in the policy. ``file``: the file that contains it, perhaps the policy; None: no file.
        """
        self._secret = secret
        self.origin = origin
        self.file = file

    def reveal(self) -> bytes:
        """The characters of the cookie, one byte each."""
        return self._secret

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cookie) and hmac.compare_digest(self._secret, other._secret)

    def __hash__(self) -> int:
        return hash((Cookie, self._secret))

    def __repr__(self) -> str:
        return "Cookie(...)"

    def __reduce__(self) -> str:
        raise TypeError("a cookie can't be pickled")


def cookie_fault(text: str) -> str | None:
    """The reason why ``text`` can't be a cookie; None if it can."""
    if not text:
        return "is empty"
    if len(text) > MAX_COOKIE_CHARACTERS:
        return f"has more than the {MAX_COOKIE_CHARACTERS} characters of an atom"
    if any(c < " " or "\x7f" <= c <= "\x9f" for c in text):
        return "contains a control character"
    if any(c > "\xff" for c in text):
        return "contains a character outside Latin-1"
    return None
