"""What one source may spend, at once and in the long run."""

from distwall.rate import MAX_SOURCES, Allowance, Rates

PER_SECOND, BURST = 50, 500
ALLOWANCE = Allowance(per_second=PER_SECOND, burst=BURST)


def test_after_a_burst_a_source_has_a_steady_rate() -> None:
    rate = Rates(ALLOWANCE)
    assert all(rate.admits("a", 0) for _ in range(BURST))
    assert not rate.admits("a", 0)
    assert rate.admits("b", 0), "of another source"
    assert [rate.admits("a", 1) for _ in range(PER_SECOND + 1)] == [True] * PER_SECOND + [False]
    assert sum(rate.admits("a", 10_000) for _ in range(BURST * 2)) == BURST


def test_sources_are_bounded() -> None:
    rate = Rates(ALLOWANCE)
    while rate.admits("first", 0):
        pass
    for number in range(MAX_SOURCES):
        rate.admits(f"other {number}", 0)
    assert rate.admits("first", 0)


def test_a_source_that_overspends_owes_the_rest() -> None:
    rate = Rates(ALLOWANCE)
    rate.spend("a", 0, BURST + 10 * PER_SECOND)
    assert not rate.has_room("a", 10)
    assert rate.has_room("a", 10.1)
