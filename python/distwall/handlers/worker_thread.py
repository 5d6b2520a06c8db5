"""The thread in which handlers in Python run.

It has an event loop of its own, so a handler that blocks delays only other handlers: distwall waits for an answer only
for a while. A thread that hangs for good can't be ended. It is left alone, and another thread takes its place.
"""

import asyncio
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any

HANGS = 5.0
"""Seconds without a turn of its loop after which a thread is given up."""

GOODBYE = 0.5
"""Seconds that a thread has to end when distwall does."""

MAX_GIVEN_UP = 16
"""Number of threads that may hang; then no handler runs any more."""


class BusyError(Exception):
    """Too many handlers hang."""


class WorkerThread:
    """Runs coroutines in another thread."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._turned = 0.0
        self._given_up = 0

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> "Future[Any]":
        """Starts a coroutine. Raises BusyError."""
        if self._loop is None or time.monotonic() - self._turned > HANGS:
            if self._loop is not None:
                self._given_up += 1
            if self._given_up > MAX_GIVEN_UP:
                coroutine.close()
                raise BusyError(f"handlers hang in {MAX_GIVEN_UP} threads; restart distwall")
            self._start()
        assert self._loop is not None  # noqa: S101
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def close(self) -> None:
        """Ends the thread, if it doesn't hang."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._loop = None
            self._thread.join(GOODBYE)

    def _start(self) -> None:
        loop = self._loop = asyncio.new_event_loop()
        self._turned = time.monotonic()

        def turn() -> None:
            if self._loop is loop:
                self._turned = time.monotonic()
                loop.call_later(0.5, turn)

        def main() -> None:
            asyncio.set_event_loop(loop)
            loop.call_soon(turn)
            try:
                loop.run_forever()
            finally:
                loop.close()

        self._thread = threading.Thread(target=main, name="distwall handlers", daemon=True)
        self._thread.start()
