"""Tokens with which a peer raises its own access: signed, expiring, each for one peer, one table, and one use.

A token is a JSON web token (HS256). Its key is in a file beside the state, made at the first use; who has the key can
make tokens. That a token was used is saved before what it grants holds, and kept until the token would have expired.
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
MAX_VALID = 7 * 24 * 3600
"""Seconds that a token may wait to be used."""


class InvalidTokenError(ControlError):
    """A token that does not hold; the text says why, and is not for who has shown it."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a token gives."""

    id: str
    table: str
    seconds: float
    reason: str
    issued_by: str
    until: float
    """Until when it may be used: seconds since 1970."""


class AccessTokens:
    """Makes tokens and takes them."""

    def __init__(self, key_file: Path) -> None:
        self._key_file = key_file
        self._key: bytes | None = None
        self._used: dict[str, float] = {}

    def issue(self, node: str, table: str, seconds: float, reason: str, *, actor: str, valid: float) -> str:
        """A token that gives ``node`` ``table`` for so many seconds, if it is shown within ``valid`` seconds."""
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
        """What a token gives that ``node`` shows. Raises TokenError if it doesn't hold, or was used before."""
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
        """From now on it was used."""
        self._used[access.id] = access.until

    def unuse(self, access: Access) -> None:
        """It was not used after all."""
        self._used.pop(access.id, None)

    def used(self, now: float) -> dict[str, float]:
        """Those that must not be taken again, and until when they would hold."""
        self._used = {token: until for token, until in self._used.items() if until > now}
        return dict(self._used)

    def restore(self, used: dict[str, float]) -> None:
        """Takes up what an earlier process has noted."""
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
                key = secrets.token_bytes(32)
                descriptor = os.open(self._key_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(key)
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as error:
            raise UnsafeStateError(
                f"{self._key_file}: no key for tokens: {error.strerror or error}; correct its permissions"
            ) from None
        if len(key) < 32:
            raise UnsafeStateError(f"{self._key_file}: shorter than 32 bytes; remove it to get a new one")
        return key
