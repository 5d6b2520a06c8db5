"""What the peers of an entry cause is kept short, and no count is lost."""

from hypothesis import given, settings
from hypothesis import strategies as st

from distwall.audit.entry_limiter import ENTRY, MAX_HELD, PEER, EntryLimiter
from distwall.audit.schema import Disconnect, PeerCaused, TokenRefused

SIZE = 1000


class Log:
    """Events as they would be recorded, of one size each."""

    def __init__(self) -> None:
        self.events: list[PeerCaused] = []
        self.room = True
        self.limiter = EntryLimiter(self._record, lambda: self.room)

    def _record(self, event: PeerCaused) -> int:
        self.events.append(event)
        return SIZE

    def refused(self, now: float, peer: str = "foo@h", reason: str = "unknown", folded: int = 0) -> None:
        self.limiter.take(TokenRefused(peer=peer, guard="bar@h", source="", reason=reason, folded=folded), now)

    def ended(self, now: float, folded: int) -> None:
        self.limiter.take(
            Disconnect(peer="foo@h", guard="bar@h", source="", reason="closed", seconds=0, folded=folded, others=0), now
        )


def test_a_peer_has_a_burst_and_a_rate_and_its_entry_too() -> None:
    log = Log()
    for _ in range(2000):
        log.refused(0.0)
    assert len(log.events) == -(-PEER.burst // SIZE)
    for peer in range(20):
        for _ in range(200):
            log.refused(0.0, f"foo{peer}@h")
    assert len(log.events) == -(-ENTRY.burst // SIZE)
    before = len(log.events)
    for tick in range(100):
        log.limiter.flush(10.0 + tick / 10)
        for peer in range(20):
            log.refused(10.0 + tick / 10, f"foo{peer}@h")
    assert (len(log.events) - before) * SIZE <= 20 * ENTRY.per_second + SIZE


def test_without_room_in_the_log_events_wait_for_it() -> None:
    log = Log()
    log.room = False
    for _ in range(10):
        log.refused(0.0)
    log.limiter.flush(1.0)
    assert log.events == []
    assert log.limiter.holds
    log.room = True
    log.limiter.flush(2.0)
    assert [event.folded for event in log.events] == [9]
    assert not log.limiter.holds


def test_ends_that_are_left_out_keep_both_their_counts() -> None:
    log = Log()
    log.room = False
    for folded in (5, 0, 7):
        log.ended(0.0, folded)
    log.limiter.flush(None)
    (end,) = log.events
    assert isinstance(end, Disconnect)
    assert (end.folded, end.others) == (12, 2)


def test_reasons_kept_apart_are_bounded() -> None:
    log = Log()
    log.room = False
    for number in range(1000):
        log.refused(0.0, reason=f"reason {number}")
    log.limiter.flush(None)
    assert len(log.events) == MAX_HELD + 1
    assert sum(1 + event.folded for event in log.events) == 1000


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 20), st.integers(0, 5), st.integers(0, 40), st.integers(0, 1500)), max_size=60))
def test_events_and_folded_counts_add_up(steps: list[tuple[float, int, int, int]]) -> None:
    log, now, happened = Log(), 0.0, 0
    for pause, peer, reason, count in steps:
        now += pause
        log.limiter.flush(now)
        for _ in range(count):
            log.refused(now, f"foo{peer}@h", f"reason {reason}", folded=2)
        happened += 3 * count
    log.limiter.flush(None)
    assert sum(1 + event.folded for event in log.events) == happened
