"""Carries calls of the runtime API from any thread to the event loop's thread, and waits for their results."""

import asyncio
import functools
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Concatenate, ParamSpec, Protocol, TypeVar, cast

from distwall.control.errors import ControlError

TIMEOUT = 30.0
"""Seconds after which a call that has not begun is given up."""

P = ParamSpec("P")
R = TypeVar("R")


class LoopBound(Protocol):
    """The thread that owns an object's state."""

    loop: asyncio.AbstractEventLoop | None
    """The loop whose thread alone touches the state; None: only one thread uses the object so far."""
    thread: int


S = TypeVar("S", bound=LoopBound)


def on_loop_thread(function: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Makes a method callable from any thread. In the loop's own thread it runs at once: tasks need no lock."""

    @functools.wraps(function)
    def call(self: S, *args: P.args, **kwargs: P.kwargs) -> R:
        if self.loop is None or threading.get_ident() == self.thread:
            return function(self, *args, **kwargs)
        done: Future[R] = Future()

        def run() -> None:
            if not done.set_running_or_notify_cancel():
                return
            try:
                done.set_result(function(self, *args, **kwargs))
            except BaseException as error:  # noqa: BLE001  # the caller gets it
                done.set_exception(error)

        try:
            self.loop.call_soon_threadsafe(run)
        except RuntimeError:
            raise ControlError("distwall has ended; nothing changed") from None
        if not wait([done], TIMEOUT).done and done.cancel():
            raise ControlError(f"distwall did not begin with it within {TIMEOUT:g} s; nothing changed")
        return done.result()

    return cast("Callable[Concatenate[S, P], R]", call)
