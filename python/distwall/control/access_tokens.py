"""Tokens with which a peer raises its own access: each for one peer, one table, and one use, within a time.

Their hashes are part of the saved state, so a token outlives a restart, and what is saved makes no token. The use of a
token is saved before its grant applies, and remembered until the token would have expired.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from distwall.control.errors import BadCallError, ControlError
from distwall.control.token_text import find, new_token

MAX_VALID = 7 * 24 * 3600
"""Longest time for the use of a token, in seconds."""

MAX_TOKENS = 1000
"""Most tokens that have not expired."""


class InvalidTokenError(ControlError):
    """A token that is not valid; the text has the reason, which the peer must not learn."""


@dataclass(frozen=True, slots=True)
class Access:
    """The access that a token gives."""

    id: str
    sha256: str
    node: str
    """The peer that may show the token."""
    table: str
    seconds: float
    reason: str
    issued_by: str
    until: float
    """The last time for its use, in seconds since 1970."""
    is_used: bool = False


class AccessTokens:
    """The tokens that have not expired. Clocks are arguments: seconds since 1970."""

    def __init__(self) -> None:
        self._tokens: dict[str, Access] = {}

    def issue(
        self, node: str, table: str, seconds: float, reason: str, *, actor: str, valid: float, now: float
    ) -> tuple[Access, str]:
        """Makes a token that gives ``node`` ``table`` for some seconds, if it is used within ``valid`` seconds."""
        if not 0 < valid <= MAX_VALID:
            raise BadCallError(f"{valid:g} seconds to use it; give more than 0 and at most {MAX_VALID}")
        if len(self.saved(now)) >= MAX_TOKENS:
            raise ControlError(f"{MAX_TOKENS} tokens have not expired yet; wait, or give less time to use them")
        token = new_token()
        access = Access(token.id, token.sha256, node, table, seconds, reason, actor, now + valid)
        self._tokens[access.id] = access
        return access, token.text

    def read(self, node: str, text: str, now: float) -> Access:
        """The access that a token gives ``node``. Raises InvalidTokenError if it is not valid, or was used before."""
        access = find(text, self._tokens.values())
        if access is None:
            raise InvalidTokenError("it is unknown, or has expired long ago")
        if access.node != node:
            raise InvalidTokenError(f"it is for {access.node}")
        if access.until <= now:
            raise InvalidTokenError("it has expired")
        if access.is_used:
            raise InvalidTokenError("it was used before")
        return access

    def use(self, access: Access) -> None:
        """Notes the use of a token."""
        self._tokens[access.id] = replace(access, is_used=True)

    def unuse(self, access: Access) -> None:
        """Takes a note of its use back."""
        self._tokens[access.id] = access

    def forget(self, access: Access) -> None:
        """Removes a token."""
        self._tokens.pop(access.id, None)

    def saved(self, now: float) -> list[Access]:
        """The tokens that have not expired, used ones included; others are forgotten."""
        self._tokens = {each.id: each for each in self._tokens.values() if each.until > now}
        return list(self._tokens.values())

    def restore(self, tokens: Iterable[Access]) -> None:
        """Takes over the tokens of an earlier process."""
        self._tokens.update((each.id, each) for each in tokens)
