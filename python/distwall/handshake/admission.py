"""Decides when an unproved handshake may reach the guarded node.

Before a peer has proved anything, the guarded node has already seen its name: it makes an atom of the name, and holds a
pending connection under it. So a stranger who holds a handshake open could keep the real bearer of that name out. Hence
these rules for every (guarded node, name):

* One unproved handshake is relayed at a time; all others wait. The newest takes the place of the relayed handshake,
  after that has had `GRACE` seconds: enough for a real peer to answer. Without the grace, a flood under one name would
  always take the place of the real peer. A source with fewer failures takes the place at once. So does a source that
  has proved the name before, which no new address of a stranger has.
* Under some names the caller has peers prove their cookie before the guarded node hears of them. They wait for the same
  turn, and fail on the same budgets: else a flood of wrong cookies would shut out the address that it comes from.
* A source that keeps failing waits before it is relayed, longer each time up to `MAX_DELAY`.
* A source has budgets of failures: `FAILURES_PER_NAME` a minute under each name, and `FAILURES_PER_SOURCE` in all. Once
  a budget is spent, the source is shut out, of that name or altogether (`Admission.is_shut_out`).
* The real peer may have the same address, and an IPv6 network of 64 bits is one source. So the names proved from a
  source are not shut out with its other names. TLS handshakes take much CPU time: failures over TLS have a budget of
  their own, without exceptions.
* For the same reason a refusal while shut out costs nothing, and budgets refill steadily. A source that goes on failing
  may try again every few seconds; a source that stops is let in within a minute. A node that retries with a wrong
  cookie keeps out no other node of its host. Success forgives the failures under that name only: a peer with one cookie
  gains no guesses at another cookie.
* A handshake is turned away if the peer of its name has had too many channels lately, or too many failures. That is not
  a failure, but costs a quarter of a millisecond. A source with `TURNED_AWAY` of these at once, and then more than one
  each `TURNED_AWAY_REFILL` seconds, is shut out as well. Not so if another name was proved from there, and was not
  turned away in the last `TURNED_AWAY_FOR` seconds.
* If a glob lets any name in, new names have a budget: each is an atom, never collected. A name that gets a channel in
  the end costs nothing here: the channel's entry pays for it.

Sans-I/O: the caller passes the time, starts and aborts handshakes as `Admission.next` says, and reports their ends.
"""

import itertools
import math
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

GRACE = 0.3
"""Seconds that a relayed handshake has before a newer handshake under the same name takes its place."""

FREE_FAILURES = 3
"""Failures in a row that cost a source nothing: someone is trying out a cookie."""

MAX_DELAY = 1.0
"""Longest wait of a failing source, in seconds: a real peer behind the same address still fits into its 7 s."""

FORGET_FAILURES = 60.0
"""Seconds after which a source's failures are forgotten."""

FAILURES_PER_NAME = 30
"""Failures a minute under one name, after which a source is shut out of it: the rate at which it can guess a cookie."""

FAILURES_PER_SOURCE = 300
"""Failures a minute under all names, or before any name, after which a source is shut out. Health checks that connect
and hang up stay well below it."""

MAX_SHUT_OUT = 60.0
"""Longest time, in seconds, that a source stays shut out after its last failure. Only handshakes that fail at the same
time can overdraw the budget so far."""

NAMES_PER_SOURCE = 20
"""New names, matched by a glob, that one source address may use towards a guarded node before it proves its cookie."""

NAMES_TOTAL = 200
"""The same for all sources together."""

NAME_REFILL = 30.0
"""Seconds after which one more unproved name is allowed, to each source and in total."""

TURNED_AWAY = 20
"""Handshakes of one source that are refused by their names at once, before the source is shut out."""

TURNED_AWAY_REFILL = 0.1
"""Seconds after which it may send one more."""

TURNED_AWAY_FOR = 2.0
"""Seconds for which a name counts as turned away."""

MAX_REMEMBERED = 4096
"""Sources and names remembered; the oldest are forgotten."""

GuardAndPeer = tuple[str, str]
"""The guarded node's listener, and the peer's name."""


@dataclass(eq=False, slots=True)
class Ticket:
    """One handshake that waits to be relayed, or is relayed."""

    source: str
    name: str
    account: str
    key: GuardAndPeer
    not_before: float
    relayed_at: float | None = None
    paid: bool = False
    proved: bool = False
    aborted: bool = False


@dataclass(slots=True)
class _Slot:
    holder: Ticket | None = None
    waiting: list[Ticket] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class NextMove:
    """Decision about a (guarded node, name) now."""

    start: Ticket | None = None
    """Relay this handshake."""
    abort: Ticket | None = None
    """Abort this handshake; call `Admission.next` again when the guarded node has let go of it."""
    wake_at: float | None = None
    """Ask again at this time."""


@dataclass(slots=True)
class _Bucket:
    """A budget that refills steadily."""

    size: int
    refill: float
    """Seconds after which the budget grows by one."""
    used: float = 0.0
    at: float = 0.0

    def take(self, now: float) -> bool:
        """Takes one, and returns true; false if the budget is empty."""
        if self.is_spent(now):
            return False
        self.used += 1
        return True

    def charge(self, now: float, debt: float) -> None:
        """Takes one even from an empty budget, which then owes at most ``debt``."""
        self._settle(now)
        self.used = min(self.used + 1, self.size + debt)

    def is_spent(self, now: float) -> bool:
        """True if the budget is empty."""
        self._settle(now)
        return self.used + 1 > self.size

    def give_back(self) -> None:
        """Puts one back."""
        self.used = max(0.0, self.used - 1)

    def _settle(self, now: float) -> None:
        self.used = max(0.0, self.used - (now - self.at) / self.refill)
        self.at = now


class _Failures:
    """Budgets of failures by key, ``per_minute`` each."""

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._refill = 60.0 / per_minute
        self._buckets: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def count(self, key: Hashable, now: float) -> None:
        """Counts one more failure of ``key``."""
        bucket = self._buckets.setdefault(key, _Bucket(self._per_minute, self._refill, at=now))
        bucket.charge(now, MAX_SHUT_OUT / self._refill - 1)
        self._buckets.move_to_end(key)
        if len(self._buckets) > MAX_REMEMBERED:
            self._buckets.popitem(last=False)

    def are_too_many(self, key: Hashable, now: float) -> bool:
        """True if ``key`` has spent its budget."""
        bucket = self._buckets.get(key)
        return bucket is not None and bucket.is_spent(now)

    def forgive(self, key: Hashable) -> None:
        """Forgets the failures of ``key``."""
        self._buckets.pop(key, None)


class Admission:
    """Decides, for all guarded nodes, which unproved handshake is relayed when."""

    def __init__(self) -> None:
        self._serial = itertools.count()
        self._slots: dict[GuardAndPeer, _Slot] = {}
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._by_source = _Failures(FAILURES_PER_SOURCE)
        self._by_name = _Failures(FAILURES_PER_NAME)
        self._names: OrderedDict[GuardAndPeer, None] = OrderedDict()
        self._total_names: dict[str, _Bucket] = {}
        self._proved: OrderedDict[tuple[str, str], None] = OrderedDict()
        # The accounts in `_proved` of each source.
        self._sources_proved: dict[str, set[str]] = {}
        self._turned_away: OrderedDict[str, _Bucket] = OrderedDict()
        # Accounts that were proved from a source, and when they were last turned away.
        self._names_turned_away: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._source_names: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()

    def request(
        self,
        source: str,
        guard: str,
        name: str,
        now: float,
        *,
        account: str | None = None,
        budgeted: bool = False,
        dynamic: bool = False,
    ) -> Ticket | None:
        """Queues a handshake of ``name`` for ``guard``. Returns None if the budget of names is spent.

        Call `next` for the ticket's key. ``account`` tells apart the parties that may prove the name, each with another
        cookie: to prove one of them says nothing about another. None: there is one party. ``budgeted``: a glob let the
        name in. ``dynamic``: the guarded node will make up a new name each time, so the handshake keeps no other peer
        out.
        """
        key = (guard, f"{name} {next(self._serial)}" if dynamic else name)
        ticket = Ticket(source, name, account or name, key, now + self._delay(source, now))
        if budgeted and key not in self._names:
            if not self._spend(source, guard, now):
                return None
            ticket.paid = True
            if not dynamic:
                self._names[key] = None
                if len(self._names) > MAX_REMEMBERED:
                    self._names.popitem(last=False)
        self._slots.setdefault(key, _Slot()).waiting.append(ticket)
        return ticket

    def next(self, key: GuardAndPeer, now: float) -> NextMove:
        """Decides about ``key``. Call it after `request` and `finished`, and at ``wake_at``."""
        slot = self._slots.get(key)
        if slot is None or not slot.waiting:
            return NextMove()
        ready = [ticket for ticket in slot.waiting if ticket.not_before <= now]
        if not ready:
            return NextMove(wake_at=min(ticket.not_before for ticket in slot.waiting))
        # The least suspect source first, and of those the newest.
        best = min(reversed(ready), key=lambda ticket: self._suspicion(ticket, now))
        holder = slot.holder
        if holder is None:
            slot.waiting.remove(best)
            slot.holder = best
            best.relayed_at = now
            return NextMove(start=best)
        if holder.proved or holder.aborted or holder.relayed_at is None:
            return NextMove()
        release_at = holder.relayed_at + GRACE
        if now >= release_at or self._suspicion(best, now) < self._suspicion(holder, now):
            holder.aborted = True
            return NextMove(abort=holder)
        return NextMove(wake_at=release_at)

    def proved(self, ticket: Ticket) -> None:
        """Notes that the peer proved its cookie. It keeps its place, and its name and source are known as good."""
        ticket.proved = True
        self._failures.pop(ticket.source, None)
        self._by_name.forgive((ticket.source, ticket.account))
        self._proved[ticket.source, ticket.account] = None
        self._sources_proved.setdefault(ticket.source, set()).add(ticket.account)
        self._proved.move_to_end((ticket.source, ticket.account))
        if len(self._proved) > MAX_REMEMBERED:
            (oldest, account), _ = self._proved.popitem(last=False)
            self._sources_proved[oldest].discard(account)
            if not self._sources_proved[oldest]:
                del self._sources_proved[oldest]

    def established(self, ticket: Ticket) -> None:
        """Notes that a channel was opened for the peer, which pays for its name: it costs nothing here."""
        if ticket.paid:
            for bucket in (
                self._total_names.get(ticket.key[0]),
                self._source_names.get((ticket.source, ticket.key[0])),
            ):
                if bucket is not None:
                    bucket.give_back()

    def finished(self, ticket: Ticket) -> None:
        """Notes that ``ticket`` is over, and the guarded node holds nothing unproved for it.

        Call `next` for its key.
        """
        slot = self._slots.get(ticket.key)
        if slot is None:
            return
        if slot.holder is ticket:
            slot.holder = None
        elif ticket in slot.waiting:
            slot.waiting.remove(ticket)
        if slot.holder is None and not slot.waiting:
            del self._slots[ticket.key]

    def is_shut_out(self, source: str, now: float, account: str | None = None) -> bool:
        """True if a handshake of ``source`` is to be refused at once, because too many have failed.

        Ask when a connection is accepted, and again, with ``account``, when it has sent its name. A refusal for this
        reason is not a failure, except over TLS, which has cost its time: don't report it to `failed`.
        """
        if account is None:
            if self._is_turned_away(source, now):
                return True
            is_known = self.is_known(source)
        elif self._by_name.are_too_many((source, account), now):
            return True
        else:
            is_known = (source, account) in self._proved
        return not is_known and self._by_source.are_too_many((source, False), now)

    def is_known(self, source: str) -> bool:
        """True if a peer has proved some name from ``source``."""
        return source in self._sources_proved

    def is_shut_out_of_tls(self, source: str, now: float) -> bool:
        """True if a TLS handshake of ``source`` is to be refused at once. Ask before it begins."""
        return self._by_source.are_too_many((source, True), now)

    def turned_away(self, source: str, now: float, account: str) -> None:
        """Notes that a handshake of ``source`` was refused because of its name, which does not count as a failure."""
        bucket = self._turned_away.setdefault(source, _Bucket(TURNED_AWAY, TURNED_AWAY_REFILL, at=now))
        bucket.charge(now, debt=0)
        self._turned_away.move_to_end(source)
        if len(self._turned_away) > MAX_REMEMBERED:
            self._turned_away.popitem(last=False)
        if (source, account) in self._proved:
            self._names_turned_away[source, account] = now
            self._names_turned_away.move_to_end((source, account))
            if len(self._names_turned_away) > MAX_REMEMBERED:
                self._names_turned_away.popitem(last=False)

    def failed(self, source: str, now: float, account: str | None = None, *, tls: bool = False) -> None:
        """Counts a handshake of ``source`` that failed by the peer's fault.

        For ``account``, if it was relayed. ``tls``: a TLS handshake had begun.
        """
        self._by_source.count((source, tls), now)
        if account is not None:
            self._by_name.count((source, account), now)
        self._failures[source] = (self.failures(source, now) + 1, now)
        self._failures.move_to_end(source)
        if len(self._failures) > MAX_REMEMBERED:
            self._failures.popitem(last=False)

    def failures(self, source: str, now: float) -> int:
        """Number of failures of ``source`` since its last success."""
        count, last = self._failures.get(source, (0, now))
        return count if now - last < FORGET_FAILURES else 0

    def has_proved(self, ticket: Ticket) -> bool:
        """True if the ticket's source has proved its account before (and was not forgotten among very many)."""
        return (ticket.source, ticket.account) in self._proved

    def _is_turned_away(self, source: str, now: float) -> bool:
        """True if too many of its handshakes were turned away, and of all the names that were proved from there."""
        bucket = self._turned_away.get(source)
        if bucket is None or not bucket.is_spent(now):
            return False
        return all(
            now - self._names_turned_away.get((source, account), -math.inf) < TURNED_AWAY_FOR
            for account in self._sources_proved.get(source, ())
        )

    def _suspicion(self, ticket: Ticket, now: float) -> tuple[bool, int]:
        """Sorts sources: first by whether they have proved the name before, then by failures."""
        return not self.has_proved(ticket), self.failures(ticket.source, now)

    def _spend(self, source: str, guard: str, now: float) -> bool:
        total = self._total_names.setdefault(guard, _Bucket(NAMES_TOTAL, NAME_REFILL))
        mine = self._source_names.setdefault((source, guard), _Bucket(NAMES_PER_SOURCE, NAME_REFILL))
        self._source_names.move_to_end((source, guard))
        if len(self._source_names) > MAX_REMEMBERED:
            self._source_names.popitem(last=False)
        if not mine.take(now):
            return False
        if not total.take(now):
            mine.give_back()
            return False
        return True

    def _delay(self, source: str, now: float) -> float:
        excess = self.failures(source, now) - FREE_FAILURES
        return 0.0 if excess < 0 else min(MAX_DELAY, 0.05 * 2.0 ** min(excess, 10))
