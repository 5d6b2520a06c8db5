"""Waits for what happens by itself."""

import asyncio
import time
from collections.abc import Callable


async def eventually(condition: Callable[[], bool]) -> None:
    """Returns once the condition holds; the caller bounds the time."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def wait_until(condition: Callable[[], object], timeout: float = 60) -> None:
    """Waits until a condition holds."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
