"""What all tests share."""

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pytest

from distwall.audit.event import Event, event
from distwall.audit.json_schema import validate

# Helpers assert, too, and a failure there has to show its values.
pytest.register_assert_rewrite("tests.support", "tests.nodes.ordinary", "tests.wire.expect")

from tests.support import recorder  # noqa: E402


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options that all tests have."""
    parser.addoption(
        "--record-channels", metavar="FOLDER", help="record what channels are given, for scripts/compare-cores"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Begins to record, before any test makes a channel."""
    if folder := config.getoption("--record-channels"):
        recorder.install(folder)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Deals the slow tests out to the workers, each of which starts with its own.

    Every worker is first given one run of neighbouring tests; without this, one of them would have all the slow ones.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    slow = [item for item in items if item.get_closest_marker("slow")]
    fast = [item for item in items if not item.get_closest_marker("slow")]
    size = len(items) // workers
    items.clear()
    for worker in range(workers):
        mine = slow[worker::workers]
        room = max(0, size - len(mine))
        items += mine + fast[:room]
        del fast[:room]
    items += fast


@pytest.fixture(autouse=True)
def only_known_events(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever is recorded in the test's own process has to be of the schema."""
    wrong: list[str] = []

    def checked(kind: str, fields: Mapping[str, Any], seq: int | None, now: datetime | None = None) -> Event:
        made = event(kind, fields, seq, now)
        try:
            validate(made)
        except ValueError as error:
            wrong.append(f"{made}\n{error}")
        return made

    monkeypatch.setattr("distwall.audit.log.event", checked)
    yield
    assert not wrong, "not of the schema (python/distwall/audit/schema.py):\n" + "\n".join(wrong)
