"""The hash chain: seals the lines of the log, and reads them back.

Theory of operation. A line is one JSON object that ends in ``"prev"`` and ``"hash"``. ``prev`` is the ``hash`` of the
previous line, and 64 zeros in the very first line. ``hash`` is the SHA-256 of the line's bytes up to the comma before
``"hash"``, which include ``prev``; with a key, it is the HMAC-SHA-256. So a change, removal, addition or move of a line
breaks the chain. An attacker could compute all later hashes again; without the key that is impossible. To check a line,
its bytes are hashed as they are: there is no parsing, and no canonical form.
"""

import hashlib
import hmac
import json
import re
from dataclasses import dataclass
from typing import Any

GENESIS = "0" * 64
"""``prev`` of the first line."""

_LINE = re.compile(rb'(\{"v":1,"seq":([1-9][0-9]{0,18}),[^\n]*"prev":"([0-9a-f]{64})"),"hash":"([0-9a-f]{64})"\}\n')
_KIND = re.compile(rb'\{"v":1,"seq":[0-9]+,"time":"([^"]*)","event":"([^"]*)"')


@dataclass(frozen=True, slots=True)
class Link:
    """A place in the chain: a line's number and its hash."""

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"


START = Link(0, GENESIS)
"""The link before the first line."""


class Seal:
    """Makes and checks hashes, with a key or without."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key

    def digest(self, data: bytes) -> str:
        """The hash of some bytes."""
        if self._key is None:
            return hashlib.sha256(data).hexdigest()
        return hmac.digest(self._key, data, "sha256").hex()

    def line(self, text: bytes, before: Link) -> tuple[bytes, Link]:
        """The sealed line of an event behind ``before``. ``text`` is its JSON, beginning with ``v`` and ``seq``."""
        body = text[:-1] + b',"prev":"%s"' % before.hash.encode()
        link = Link(before.seq + 1, self.digest(body))
        return body + b',"hash":"%s"}\n' % link.hash.encode(), link


@dataclass(frozen=True, slots=True)
class Line:
    """A line in the form of the log. Its hash may be wrong."""

    body: bytes
    """The bytes that the hash covers."""
    seq: int
    prev: str
    hash: str

    def fits(self, seal: Seal) -> bool:
        """True if the hash is right for the body."""
        return hmac.compare_digest(seal.digest(self.body), self.hash)

    @property
    def link(self) -> Link:
        """The place in the chain that the line claims."""
        return Link(self.seq, self.hash)

    @property
    def kind(self) -> str:
        """The kind of the event."""
        match = _KIND.match(self.body)
        return match[2].decode("ascii", "replace") if match else ""

    @property
    def time(self) -> str:
        """The time of the event."""
        match = _KIND.match(self.body)
        return match[1].decode("ascii", "replace") if match else ""

    def event(self) -> dict[str, Any]:
        """The event, without its place in the chain. Raises ValueError if it is not a JSON object."""
        event = json.loads(self.body + b"}")
        if not isinstance(event, dict):
            raise ValueError("no object")  # noqa: TRY004  # one error for whatever was written there
        del event["prev"]
        return event


def parse(data: bytes) -> Line | None:
    """Reads one whole line with its line end; None if it is not in the form of the log."""
    match = _LINE.fullmatch(data)
    return None if match is None else Line(match[1], int(match[2]), match[3].decode(), match[4].decode())
