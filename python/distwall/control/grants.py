"""Temporary access: tables granted to a node for a while (break-glass).

Theory of operation. A grant ends at the earlier of two times: some seconds later on the monotonic clock, and a moment
of the wall clock. A wall clock that is set back can't prolong it, and neither can a machine that slept (a monotonic
clock may stand still then). Only the wall clock survives a restart. A later process may find a grant from the future,
or with more time left than it was given: somebody has turned the clock, so the grant has expired.

A grant is for the entries by which its node may come when it is given. It opens nothing for a peer that proves the same
name by another entry. The caller makes sure that all these entries ask for the same proof. A later process knows the
party by a digest of that proof: entries of the same names may ask for another one by then.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypedDict

from distwall.clock import rfc3339
from distwall.control.channel import EntryKey
from distwall.policy import Entry

MAX_SECONDS = 30 * 24 * 3600
"""Longer access is not temporary: it belongs in the policy."""


class GrantJson(TypedDict):
    """A grant as JSON."""

    node: str
    table: str
    guard: str | None
    seconds: float
    reason: str
    actor: str
    given: str
    until: str
    entries: list[str]


@dataclass(frozen=True, slots=True)
class Grant:
    """One table, granted to one node. Times of the wall clock are seconds since 1970."""

    node: str
    table: str
    guard: str | None
    """The guarded node that the grant is for; None: all."""
    seconds: float
    reason: str
    actor: str
    """The caller that gave it."""
    given: float
    until: float
    deadline: float
    """On the monotonic clock of this process, in seconds."""
    entries: tuple[EntryKey, ...] = ()
    """The entries that it is for."""
    party: str = ""
    """The digest of the proof that these entries ask for (`party_digest`)."""

    def has_expired(self, wall: float, monotonic: float) -> bool:
        """True if the grant is over, by either clock."""
        return wall >= self.until or monotonic >= self.deadline

    def left(self, wall: float, monotonic: float) -> float:
        """Seconds until the grant is over; 0 if it is."""
        return max(0.0, min(self.until - wall, self.deadline - monotonic))

    def to_json(self) -> GrantJson:
        """The grant as JSON."""
        return {
            "node": self.node,
            "table": self.table,
            "guard": self.guard,
            "seconds": self.seconds,
            "reason": self.reason,
            "actor": self.actor,
            "given": rfc3339(self.given, "seconds"),
            "until": rfc3339(self.until, "seconds"),
            "entries": list(dict.fromkeys(node for node, _ in self.entries)),
        }


@dataclass(frozen=True, slots=True)
class Revoked:
    """Result of a revocation: the ended grants, and grants of the same table to the same node that go on."""

    ended: tuple[Grant, ...]
    left: tuple[Grant, ...]

    def to_json(self) -> dict[str, Any]:
        """The guarded nodes of both kinds as JSON; null stands for all guarded nodes."""
        return {
            "ok": True,
            "revoked": [grant.guard for grant in self.ended],
            "left": [grant.guard for grant in self.left],
        }


class Grants:
    """The grants in force. Clocks are arguments."""

    def __init__(self) -> None:
        self._grants: dict[tuple[str, str, str | None], Grant] = {}

    def __iter__(self) -> Iterator[Grant]:
        return iter(sorted(self._grants.values(), key=lambda grant: (grant.node, grant.table, grant.guard or "")))

    def give(
        self,
        node: str,
        table: str,
        *,
        guard: str | None,
        seconds: float,
        reason: str,
        actor: str,
        wall: float,
        monotonic: float,
        entries: tuple[EntryKey, ...],
        party: str,
    ) -> Grant:
        """Gives a grant; a grant of the same table to the same node is renewed, and ends with the new one."""
        grant = Grant(
            node,
            table,
            guard,
            seconds,
            reason,
            actor,
            given=wall,
            until=wall + seconds,
            deadline=monotonic + seconds,
            entries=entries,
            party=party,
        )
        self._grants[node, table, guard] = grant
        return grant

    def get(self, node: str, table: str, guard: str | None) -> Grant | None:
        """The grant of a table to a node; None: there is no such grant."""
        return self._grants.get((node, table, guard))

    def put_back(self, grant: Grant) -> None:
        """Restores a grant that another grant has replaced."""
        self._grants[grant.node, grant.table, grant.guard] = grant

    def of(self, node: str, table: str) -> list[Grant]:
        """The grants of a table to a node, each for a guarded node or for all."""
        return [grant for grant in self if (grant.node, grant.table) == (node, table)]

    def take_back(self, node: str, table: str, guard: str | None) -> Grant | None:
        """Ends a grant before its time; returns it, or None if there is no such grant."""
        return self._grants.pop((node, table, guard), None)

    def restore(self, grant: Grant, wall: float, monotonic: float) -> bool:
        """Takes up a grant from an earlier process; false if it is over."""
        left = grant.until - wall
        if left <= 0 or left > grant.seconds or wall < grant.given:
            return False
        self.put_back(replace(grant, deadline=monotonic + left))
        return True

    def expire(self, wall: float, monotonic: float) -> list[Grant]:
        """Ends grants whose time is over; returns them."""
        over = [grant for grant in self if grant.has_expired(wall, monotonic)]
        for grant in over:
            del self._grants[grant.node, grant.table, grant.guard]
        return over

    def next_end(self, wall: float, monotonic: float) -> float | None:
        """Seconds until the next grant is over; None: there are no grants."""
        return min((grant.left(wall, monotonic) for grant in self), default=None)

    def tables_for(self, node: str, guard: str | None, entry: EntryKey) -> list[str]:
        """The tables granted to a node that comes by an entry to a guarded node."""
        return [
            grant.table
            for grant in self
            if grant.node == node and grant.guard in (None, guard) and entry in grant.entries
        ]


def party_digest(entry: Entry, salt: str) -> str:
    """Return a digest of the proof that an entry asks for.

    It takes some milliseconds, so that nobody who reads it tries many cookies.
    """
    proof = json.dumps([entry.cookie.reveal().hex(), entry.tls, entry.certificate]).encode()
    return hashlib.scrypt(proof, salt=salt.encode(), n=1 << 12, r=8, p=1, dklen=16).hex()
