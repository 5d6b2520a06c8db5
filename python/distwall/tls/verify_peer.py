"""The policy's own check of certificates: ``verify_peer = "module:function"``.

The function gets the certificate and the full node name that its holder claims, and returns True or False. Any other
result is a refusal. It runs in a thread of its own, so that it may block, and may be ``async``. A thread that hangs
can't be ended, so the number of threads is limited.
"""

import asyncio
import inspect
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from cryptography import x509

from distwall.files.user_module import run_module

TIMEOUT = 2.0
"""Seconds for the function."""

MAX_THREADS = 32
"""Most calls at once, also calls that hang."""


class Verifier:
    """The function that a policy names."""

    def __init__(self, name: str, folder: Path, *, timeout: float = TIMEOUT) -> None:
        """``name`` is ``module:function``; the policy's ``folder`` is searched for the module first.

        Runs the module, afresh if it is a file of the folder. Raises ValueError if there is no such function.
        """
        self.name = name
        self._timeout = timeout
        self._running = threading.BoundedSemaphore(MAX_THREADS)
        module_name, _, function = name.partition(":")
        self._function = _function(_module(module_name, folder), function, name)

    async def verify(self, certificate: x509.Certificate, node: str) -> bool:
        """True if the function returned True."""
        return await self.fault(certificate, node) is None

    async def fault(self, certificate: x509.Certificate, node: str) -> str | None:
        """The reason why the function refuses ``certificate`` for ``node``; None if it returned True."""
        if not self._running.acquire(blocking=False):
            return f"verify_peer {self.name} hangs in {MAX_THREADS} threads; restart distwall"
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[str | None] = loop.create_future()
        thread = threading.Thread(
            target=self._run, args=(loop, answer, certificate, node), name="verify_peer", daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:
            self._running.release()
            return f"verify_peer {self.name} can't be asked: {error}"
        try:
            return await asyncio.wait_for(answer, self._timeout)
        except TimeoutError:
            return f"verify_peer {self.name} gave no answer within {self._timeout:g} s"

    def _run(
        self,
        loop: asyncio.AbstractEventLoop,
        answer: "asyncio.Future[str | None]",
        certificate: x509.Certificate,
        node: str,
    ) -> None:
        try:
            fault = self._ask(certificate, node)
        finally:
            self._running.release()
        try:
            loop.call_soon_threadsafe(_set, answer, fault)
        except RuntimeError:
            # The loop is closed: distwall has ended.
            return

    def _ask(self, certificate: x509.Certificate, node: str) -> str | None:
        try:
            result = self._function(certificate, node)
            if inspect.isawaitable(result):
                # The waiting caller gives up before; this ends the thread.
                result = asyncio.run(_awaited(result, 2 * self._timeout))
        except (Exception, SystemExit) as error:  # noqa: BLE001
            return f"verify_peer {self.name} raised {type(error).__name__}: {_line(str(error))}"
        if result is True:
            return None
        if result is False:
            return f"verify_peer {self.name} says no"
        return f"verify_peer {self.name} returned {type(result).__name__}, not True or False"


async def _awaited(result: Awaitable[object], seconds: float) -> object:
    async with asyncio.timeout(seconds):
        return await result


def _set(answer: "asyncio.Future[str | None]", fault: str | None) -> None:
    if not answer.done():
        answer.set_result(fault)


def _module(name: str, folder: Path) -> ModuleType:
    if str(folder) not in sys.path:
        # Behind all others, so that nothing in it can stand for a module of Python's or distwall's.
        sys.path.append(str(folder))
    try:
        return run_module(name, folder, "distwall_policy_")
    except (Exception, SystemExit) as error:
        what = f"verify_peer: the module {name} can't be loaded: {type(error).__name__}: {_line(str(error))}"
        raise ValueError(what) from error


def _function(module: ModuleType, function: str, name: str) -> Callable[[x509.Certificate, str], Any]:
    found: Callable[[x509.Certificate, str], Any] | None = getattr(module, function, None)
    if found is None or not callable(found):
        remedy = f"write def {function}(certificate, node) in {module.__file__}"
        raise ValueError(f"verify_peer: {name} is no function; {remedy}")
    return found


def _line(text: str) -> str:
    """The text of a user's error as a part of one line."""
    return " ".join(text.split())[:200]
