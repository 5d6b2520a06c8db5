"""Waits for what happens by itself."""

import asyncio
from collections.abc import Callable


async def eventually(condition: Callable[[], bool]) -> None:
    """Returns once the condition holds; the caller bounds the time."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(0.01)
