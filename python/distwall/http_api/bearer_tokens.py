"""Tokens for the HTTP API over TCP: made by ``distwall token``, kept as hashes in a file beside the policy.

A changed file is read again. If the file is invalid, or others could have written it, no token is valid.
"""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from distwall.clock import rfc3339
from distwall.control.token_text import find, new_token
from distwall.files.permissions import writers
from distwall.files.regular_file import MAX_SIZE, opened
from distwall.files.replacement import Replacement
from distwall.operations import ROLES, Role

VERSION = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class TokenFileError(Exception):
    """An operation on tokens that is not possible: one line with what, where and what to do."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token, without its secret part."""

    id: str
    """Public part, which finds the token."""
    name: str
    role: str
    sha256: str
    """Hash of the secret part."""
    created: str
    expires: str
    """RFC 3339, UTC, as ``created``."""

    def has_expired(self, now: datetime) -> bool:
        """True if the token's time is over."""
        return now >= datetime.fromisoformat(self.expires)


class TokenFile:
    """The file of tokens. Several processes may use it: each change holds a lock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._seen: tuple[int, ...] | None = None
        self._tokens: tuple[Token, ...] = ()

    def tokens(self) -> tuple[Token, ...]:
        """The tokens in the file now, oldest first. Raises TokenFileError."""
        try:
            with opened(self.path, follow=False) as (file, status):
                seen = (status.st_ino, status.st_mtime_ns, status.st_size, status.st_mode, status.st_uid, status.st_gid)
                if seen == self._seen:
                    return self._tokens
                if who := writers(status):
                    raise TokenFileError(f"{self.path}: {who} can change the tokens; run chmod 600 {self.path}")
                data = file.read(MAX_SIZE)
        except FileNotFoundError:
            self._seen, self._tokens = None, ()
            return ()
        except OSError as error:
            raise TokenFileError(
                f"{self.path}: can't read the tokens: {error.strerror}; correct its permissions"
            ) from None
        self._tokens = self._parsed(data)
        self._seen = seen
        return self._tokens

    def _parsed(self, data: bytes) -> tuple[Token, ...]:
        try:
            content = json.loads(data)
            if content["version"] != VERSION:
                raise ValueError(f"version {content['version']}")
            tokens = tuple(Token(**each) for each in content["tokens"])
            if not all(token.role in ROLES and datetime.fromisoformat(token.expires).tzinfo for token in tokens):
                raise ValueError("a role or a time that is not valid")
        except (ValueError, TypeError, KeyError) as error:
            raise TokenFileError(
                f"{self.path}: not a valid file of tokens ({error}); remove it to begin without tokens"
            ) from None
        return tokens

    def find(self, text: str, now: datetime) -> Token | None:
        """The token with that text; None: unknown or expired. Raises TokenFileError."""
        found = find(text, self.tokens())
        return None if found is None or found.has_expired(now) else found

    def create(self, role: Role, lifetime: timedelta, name: str | None, now: datetime) -> tuple[Token, str]:
        """Makes a token; returns it and its text, which is shown only this once. Raises TokenFileError."""
        new = new_token()
        name = name or f"{role}-{new.id}"
        if not _NAME.fullmatch(name):
            raise TokenFileError(
                f"`{name}` is not a valid name for a token; use letters, digits, and . _ @ - (at most 64)"
            )
        token = Token(new.id, name, str(role), new.sha256, rfc3339(now, "seconds"), rfc3339(now + lifetime, "seconds"))
        with self._changing() as tokens:
            if any(each.name == name and not each.has_expired(now) for each in tokens):
                raise TokenFileError(f"there is a token `{name}` already; revoke it, or choose another name")
            tokens[:] = [*(each for each in tokens if not each.has_expired(now)), token]
        return token, new.text

    def revoke(self, name: str) -> Token:
        """Removes a token, by its name or id; the next request with it is refused. Raises TokenFileError."""
        with self._changing() as tokens:
            found = [each for each in tokens if name in (each.name, each.id)]
            if not found:
                raise TokenFileError(f"no token `{name}`; see distwall token list")
            tokens.remove(found[0])
        return found[0]

    @contextmanager
    def _changing(self) -> Iterator[list[Token]]:
        try:
            with Replacement(self.path, wait=True) as new:
                tokens = list(self.tokens())
                yield tokens
                data = {"version": VERSION, "tokens": [asdict(token) for token in tokens]}
                new.write(json.dumps(data, indent=1).encode())
                new.put_in_place()
        except OSError as error:
            raise TokenFileError(f"{self.path}: can't write the tokens: {error.strerror}; correct the path") from None
