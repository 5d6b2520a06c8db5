"""What all tests share."""

import os

import pytest


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
