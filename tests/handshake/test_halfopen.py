"""The bound on unproved connections."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distwall.handshake import HalfOpen
from distwall.handshake.halfopen import source_of


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_a_source_is_an_ipv4_address_or_an_ipv6_network(address: str, source: str) -> None:
    assert source_of(address) == source


def test_the_oldest_of_a_source_goes() -> None:
    bound: HalfOpen[int] = HalfOpen(per_source=2, total=10)
    assert [bound.add(each, "stranger") for each in (1, 2, 3, 4)] == [[], [], [1], [2]]
    assert bound.add(5, "peer") == []
    bound.remove(3, "stranger")
    assert bound.add(6, "stranger") == []


def test_in_all_the_fullest_source_pays() -> None:
    bound: HalfOpen[int] = HalfOpen(per_source=3, total=4)
    for each in (1, 2, 3):
        bound.add(each, "stranger")
    bound.add(4, "peer")
    assert bound.add(5, "another") == [1]
    assert len(bound) == 4
    bound.remove(1, "stranger")
    assert len(bound) == 4, "counted out already"


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=60))
def test_there_are_never_too_many(steps: list[tuple[int, bool]]) -> None:
    bound: HalfOpen[int] = HalfOpen(per_source=3, total=8)
    held: dict[int, str] = {}
    for number, (source, add) in enumerate(steps):
        if add:
            held[number] = str(source)
            for evicted in bound.add(number, str(source)):
                del held[evicted]
            assert number in held, "a newcomer always finds a place"
        elif held:
            item, origin = held.popitem()
            bound.remove(item, origin)
        assert len(bound) == len(held) <= 8
        assert all(list(held.values()).count(each) <= 3 for each in held.values())
