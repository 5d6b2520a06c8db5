"""Made-up ports: bounded, stable, and not given to another node while anybody may remember them."""

import pytest

from distwall.redirect import ports as module
from distwall.redirect.ports import REMEMBERED, MadeUpPorts, Stand

ONE, OTHER = "10.0.0.1", "10.0.0.2"


def stand(alive: str, port: int = 5000) -> Stand:
    return Stand(f"{alive}@host", port)


def test_a_node_keeps_its_port_and_its_newest_place() -> None:
    ports = MadeUpPorts((64000, 64003))
    port = ports.port_for(ONE, stand("foo"), 0)
    assert port == 64000
    assert ports.port_for(ONE, stand("bar"), 1) == 64001
    assert ports.port_for(ONE, stand("foo", 5001), 2) == port
    assert ports.stand(ONE, port, 3) == stand("foo", 5001)


def test_an_address_has_all_ports_to_itself() -> None:
    ports = MadeUpPorts((64000, 64000))
    assert ports.port_for(ONE, stand("foo"), 0) == 64000
    assert ports.port_for(OTHER, stand("bar"), 0) == 64000
    assert ports.stand(ONE, 64000, 0) == stand("foo")
    assert ports.stand(OTHER, 64000, 0) == stand("bar")
    assert ports.stand("10.0.0.3", 64000, 0) is None


def test_a_port_is_given_away_only_when_it_was_not_used_for_long() -> None:
    ports = MadeUpPorts((64000, 64001))
    assert ports.port_for(ONE, stand("foo"), 0) == 64000
    assert ports.port_for(ONE, stand("bar"), 0) == 64001
    ports.stand(ONE, 64000, 100)  # dialled
    assert ports.port_for(ONE, stand("new"), REMEMBERED - 1) is None
    assert ports.port_for(ONE, stand("new"), REMEMBERED) == 64001
    assert ports.stand(ONE, 64001, REMEMBERED) == stand("new")
    assert ports.port_for(ONE, stand("bar"), REMEMBERED + 1) is None
    assert ports.port_for(ONE, stand("bar"), REMEMBERED + 100) == 64000
    assert ports.stand(ONE, 64000, REMEMBERED + 100) == stand("bar")


def test_all_addresses_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PLACES", 3)
    ports = MadeUpPorts((64000, 64999))
    for number in range(3):
        assert ports.port_for(f"10.0.0.{number}", stand("foo"), number) == 64000
    assert ports.port_for(OTHER + "9", stand("foo"), 10) is None
    assert ports.port_for("10.0.0.0", stand("foo"), 10) == 64000
    assert ports.port_for(OTHER + "9", stand("foo"), REMEMBERED + 1) == 64000
    assert ports.stand("10.0.0.1", 64000, REMEMBERED + 1) is None
