"""How often one source may ask."""

from distwall.epmd.rate import BURST, MAX_SOURCES, PER_SECOND, Rate


def test_after_a_burst_a_source_has_a_steady_rate() -> None:
    rate = Rate()
    assert all(rate.admits("a", 0) for _ in range(int(BURST)))
    assert not rate.admits("a", 0)
    assert rate.admits("b", 0), "of another source"
    assert [rate.admits("a", 1) for _ in range(int(PER_SECOND) + 1)] == [True] * int(PER_SECOND) + [False]
    assert sum(rate.admits("a", 10_000) for _ in range(int(BURST) * 2)) == BURST


def test_sources_are_bounded() -> None:
    rate = Rate()
    while rate.admits("first", 0):
        pass
    for number in range(MAX_SOURCES):
        rate.admits(f"other {number}", 0)
    assert rate.admits("first", 0)
