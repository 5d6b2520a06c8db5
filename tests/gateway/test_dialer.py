"""From where distwall dials."""

import pytest

from distwall.gateway.dialer import source_for


@pytest.mark.parametrize(
    ("address", "own", "expected"),
    [
        ("10.0.0.7", ["10.0.0.5"], "10.0.0.5"),
        ("10.0.0.7", ["fd00::5", "10.0.0.5"], "10.0.0.5"),
        ("fd00::7", ["10.0.0.5", "fd00::5"], "fd00::5"),
        ("fe80::7%2", ["fd00::5"], "fd00::5"),
        ("127.0.0.1", ["127.0.0.2"], "127.0.0.2"),
        ("127.0.0.1", ["10.0.0.5"], "10.0.0.5"),
        ("10.0.0.7", ["127.0.0.2"], None),
        ("fd00::7", ["::1"], None),
        ("10.0.0.7", ["0.0.0.0", "::"], None),
        ("10.0.0.7", ["fd00::5"], None),
        ("10.0.0.7", [], None),
    ],
)
def test_peers_are_dialled_from_where_they_reach_distwall(address: str, own: list[str], expected: str | None) -> None:
    assert source_for(address, own) == (expected and (expected, 0))
