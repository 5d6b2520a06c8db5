"""The text of tokens: a random secret that is shown once, and of which only a hash is kept.

A token is ``distwall_ID_SECRET``. The id finds it, and is not secret. The secret has 256 random bits, so one round of
SHA-256 is as good as any slower hash.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from typing import NamedTuple, Protocol, TypeVar

PREFIX = "distwall_"


class Kept(Protocol):
    """A token as it is kept."""

    @property
    def id(self) -> str: ...

    @property
    def sha256(self) -> str: ...


K = TypeVar("K", bound=Kept)


class NewToken(NamedTuple):
    """A token that was just made."""

    id: str
    sha256: str
    """The hash of the secret part."""
    text: str
    """The whole token, which can't be found out again."""


def new_token() -> NewToken:
    """Make a token."""
    ident, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
    return NewToken(ident, _digest(secret), f"{PREFIX}{ident}_{secret}")


def find(text: str, among: Iterable[K]) -> K | None:
    """Return the token with this text; None: unknown. All are compared, each in constant time."""
    ident, _, secret = text.removeprefix(PREFIX).partition("_")
    digest = _digest(secret)
    found = None
    for token in among:
        if hmac.compare_digest(token.sha256, digest) and hmac.compare_digest(
            token.id.encode(), ident.encode("utf-8", "replace")
        ):
            found = token
    return found if text.startswith(PREFIX) else None


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
