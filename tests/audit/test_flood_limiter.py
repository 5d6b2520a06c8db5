"""Floods are kept short, and no count is lost."""

from hypothesis import given, settings
from hypothesis import strategies as st

from distwall.audit.flood_limiter import FloodLimiter
from distwall.audit.schema import Flooding, HandshakeRefused


def _admit(folder: FloodLimiter, now: float, source: str = "10.0.0.1", reason: str = "cookie") -> list[Flooding]:
    return folder.admit(_refused(source, reason), now)


def _refused(source: str, reason: str) -> HandshakeRefused:
    return HandshakeRefused(source=source, peer=None, guard=None, opened_by="peer", reason=reason, detail="", folded=0)


def test_a_few_pass_as_they_are() -> None:
    folder = FloodLimiter()
    for _ in range(FloodLimiter.PER_SOURCE):
        (passed,) = _admit(folder, 0.0)
        assert (passed.kind, passed.fields()) == ("handshake_refused", _refused("10.0.0.1", "cookie").fields())
    assert _admit(folder, 0.1) == []


def test_the_rest_comes_out_as_one_when_the_window_ends() -> None:
    folder = FloodLimiter()
    for _ in range(FloodLimiter.PER_SOURCE + 7):
        _admit(folder, 0.0)
    assert folder.flush(0.5) == []
    assert [event.folded for event in folder.flush(1.0)] == [6]
    assert folder.flush(9.0) == []
    assert len(_admit(folder, 9.0)) == 1


def test_the_next_event_ends_the_window_too() -> None:
    folder = FloodLimiter()
    for _ in range(FloodLimiter.PER_SOURCE + 2):
        _admit(folder, 0.0)
    assert [event.folded for event in _admit(folder, 1.5)] == [1, 0]


def test_one_source_does_not_silence_another() -> None:
    folder = FloodLimiter()
    for port in range(100):
        _admit(folder, 0.0, f"10.0.0.1:{port}")
        _admit(folder, 0.0, f"[::1]:{port}")
    assert len(_admit(folder, 0.0, "10.0.0.2:1")) == 1
    assert len(_admit(folder, 0.0, "fe80::2")) == 1


def test_all_together_are_bounded() -> None:
    folder = FloodLimiter()
    passed = sum(len(_admit(folder, 0.0, f"10.0.{n}.1", f"reason {n}")) for n in range(500))
    assert passed == FloodLimiter.TOTAL
    assert len(folder.flush(2.0)) <= FloodLimiter.MAX_HELD + 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 0.6), st.integers(0, 200), st.integers(0, 80)), max_size=400))
def test_events_and_folded_counts_add_up(steps: list[tuple[float, int, int]]) -> None:
    folder, now, out = FloodLimiter(), 0.0, []
    for pause, source, reason in steps:
        now += pause
        out += _admit(folder, now, str(source), str(reason))
    out += folder.flush()
    assert sum(1 + event.folded for event in out) == len(steps)
