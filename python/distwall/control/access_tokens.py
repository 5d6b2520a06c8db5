"""Tokens with which a peer raises its own access: signed, expiring, each for one peer, one table, and one use.

A token is a JSON web token (HS256). Its key is in a file beside the state, made at the first use: a program that can
read the key can make tokens. The use of a token is saved before its grant takes effect, and kept until the token would
have expired.
"""

import os
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from distwall.control.errors import BadCallError, ControlError, UnsafeStateError

ALGORITHM = "HS256"
_KEY_BYTES = 32
MAX_VALID = 7 * 24 * 3600
"""Most seconds between making a token and using it."""


class InvalidTokenError(ControlError):
    """A token is not valid; the text says why, and is not for the peer that has shown it."""


@dataclass(frozen=True, slots=True)
class Access:
    """Contents of a token."""

    id: str
    table: str
    seconds: float
    reason: str
    issued_by: str
    until: float
    """Last time for its use: seconds since 1970."""


class AccessTokens:
    """Makes and checks tokens."""

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file
        self._key: bytes | None = None
        self._used: dict[str, float] = {}

    def issue(self, node: str, table: str, seconds: float, reason: str, *, actor: str, valid: float) -> str:
        """Makes a token: if ``node`` shows it within ``valid`` seconds, it has ``table`` for ``seconds``."""
        if not 0 < valid <= MAX_VALID:
            raise BadCallError(f"{valid:g} seconds to use it; give more than 0 and at most {MAX_VALID}")
        now = time.time()
        claims: dict[str, Any] = {
            "iss": "distwall",
            "sub": node,
            "jti": secrets.token_urlsafe(16),
            "iat": int(now),
            "exp": int(now + valid),
            "table": table,
            "seconds": seconds,
            "reason": reason,
            "by": actor,
        }
        return jwt.encode(claims, self._secret(), ALGORITHM)

    def read(self, node: str, token: str) -> Access:
        """Reads a token shown by ``node``. Raises InvalidTokenError if it is not valid for it, or was used before."""
        try:
            claims = jwt.decode(
                token,
                self._secret(),
                [ALGORITHM],
                issuer="distwall",
                options={"require": ["exp", "iat", "jti", "sub"], "verify_sub": True},
                subject=node,
            )
            access = Access(
                id=str(claims["jti"]),
                table=str(claims["table"]),
                seconds=float(claims["seconds"]),
                reason=str(claims["reason"]),
                issued_by=str(claims["by"]),
                until=float(claims["exp"]),
            )
        except (jwt.PyJWTError, KeyError, ValueError, TypeError) as error:
            raise InvalidTokenError(f"{type(error).__name__}: {error}") from None
        if access.id in self._used:
            raise InvalidTokenError("it was used before")
        return access

    def use(self, access: Access) -> None:
        """Marks a token as used."""
        self._used[access.id] = access.until

    def unuse(self, access: Access) -> None:
        """Undoes `use`."""
        self._used.pop(access.id, None)

    def used(self, now: float) -> dict[str, float]:
        """Used tokens by id, each with its last time."""
        self._used = {token: until for token, until in self._used.items() if until > now}
        return dict(self._used)

    def restore(self, used: dict[str, float]) -> None:
        """Marks tokens as used that an earlier process has saved."""
        self._used.update(used)

    def _secret(self) -> bytes:
        if self._key is None:
            self._key = self._read_key()
        return self._key

    def _read_key(self) -> bytes:
        try:
            try:
                key = self._key_file.read_bytes()
            except FileNotFoundError:
                key = secrets.token_bytes(_KEY_BYTES)
                descriptor = os.open(self._key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(key)
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            raise UnsafeStateError(
                f"{self._key_file}: no key for tokens: {error.strerror or error}; correct its permissions"
            ) from None
        if len(key) < _KEY_BYTES:
            raise UnsafeStateError(f"{self._key_file}: shorter than {_KEY_BYTES} bytes; remove it to get a new one")
        return key
