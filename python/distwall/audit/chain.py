"""The hash chain: how a line of the log is sealed, and read back.

Theory of operation. A line is one JSON object that ends in ``"prev"`` and ``"hash"``. ``prev`` is the ``hash`` of the
line before it, 64 zeros in the first line there ever was; ``hash`` is the SHA-256 of the line's bytes up to the comma
before ``"hash"``, which include ``prev``; with a key, the HMAC-SHA-256. So whoever changes, removes, adds or moves a
line breaks the chain, unless they make all later hashes anew: a key stops them from that. Nothing has to be parsed or
written in some canonical way to check a line: its bytes are what is sealed.
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
"""Before the first line."""


class Seal:
    """Makes and checks hashes, with a key or without."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key

    def digest(self, data: bytes) -> str:
        """The hash of what is sealed."""
        if self._key is None:
            return hashlib.sha256(data).hexdigest()
        return hmac.digest(self._key, data, "sha256").hex()

    def line(self, text: bytes, before: Link) -> tuple[bytes, Link]:
        """The line for an event behind ``before``: ``text`` is its JSON, which has to begin with ``v`` and ``seq``."""
        body = text[:-1] + b',"prev":"%s"' % before.hash.encode()
        link = Link(before.seq + 1, self.digest(body))
        return body + b',"hash":"%s"}\n' % link.hash.encode(), link


@dataclass(frozen=True, slots=True)
class Line:
    """A line that has the form of one; whether its hash fits is another question."""

    body: bytes
    """What is sealed."""
    seq: int
    prev: str
    hash: str

    def fits(self, seal: Seal) -> bool:
        """Whether its hash is that of what it says."""
        return hmac.compare_digest(seal.digest(self.body), self.hash)

    @property
    def link(self) -> Link:
        """Its place in the chain, as it claims."""
        return Link(self.seq, self.hash)

    @property
    def kind(self) -> str:
        """The kind of its event."""
        match = _KIND.match(self.body)
        return match[2].decode("ascii", "replace") if match else ""

    @property
    def time(self) -> str:
        """When its event was."""
        match = _KIND.match(self.body)
        return match[1].decode("ascii", "replace") if match else ""

    def event(self) -> dict[str, Any]:
        """What it says, without its place in the chain. Raises ValueError if it is no JSON object."""
        event = json.loads(self.body + b"}")
        if not isinstance(event, dict):
            raise ValueError("no object")  # noqa: TRY004  # one error for whatever was written there
        del event["prev"]
        return event


def parse(data: bytes) -> Line | None:
    """Reads one whole line, its line end included; None if it has not the form of one."""
    match = _LINE.fullmatch(data)
    return None if match is None else Line(match[1], int(match[2]), match[3].decode(), match[4].decode())
