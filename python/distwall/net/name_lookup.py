"""Questions to the name service, each in a thread of its own.

The event loop has only two threads for such questions. A server that does not answer would occupy one for 20 s: two
such names would delay all other questions, and the end of distwall as well.
"""

import asyncio
import errno
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")

MAX_AT_ONCE = 256
"""Most questions under way, also abandoned ones: a thread that asks can't be ended."""

_running = threading.BoundedSemaphore(MAX_AT_ONCE)


async def looked_up(question: Callable[[], T]) -> T:
    """The answer to ``question``, which may be slow. Raises its errors, and OSError for too many questions."""
    if not _running.acquire(blocking=False):
        raise OSError(errno.EAGAIN, f"the name service has not answered {MAX_AT_ONCE} questions")
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()
    try:
        threading.Thread(target=_ask, args=(loop, answer, question), name="lookup", daemon=True).start()
    except RuntimeError as error:
        _running.release()
        raise OSError(errno.EAGAIN, f"the name service can't be asked: {error}") from None
    return await answer


def _ask(loop: asyncio.AbstractEventLoop, answer: "asyncio.Future[T]", question: Callable[[], T]) -> None:
    try:
        deliver = partial(answer.set_result, question())
    except Exception as error:  # noqa: BLE001  # raised where it is waited for
        deliver = partial(answer.set_exception, error)
    finally:
        _running.release()
    try:
        loop.call_soon_threadsafe(_unless_given_up, answer, deliver)
    except RuntimeError:
        # The loop is closed: distwall has ended.
        return


def _unless_given_up(answer: "asyncio.Future[Any]", deliver: Callable[[], None]) -> None:
    if not answer.done():
        deliver()
