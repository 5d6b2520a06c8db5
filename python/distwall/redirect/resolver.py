"""Asks the name service in threads, with limits: it may be slow or gone, and the names come from peers."""

import asyncio
import ipaddress
import socket
from collections import OrderedDict
from collections.abc import Coroutine
from functools import partial
from typing import Any

from distwall.net.name_lookup import looked_up

TIMEOUT = 2.0
"""Seconds to wait for one answer: a node waits 7 for its connection."""

KEPT = 30.0
"""Seconds for which an answer is kept."""

MAX_KEPT = 1024
"""Most answers kept."""

MAX_AT_ONCE = 64
"""Most questions in threads at a time: dialling needs some of the threads, too."""

MAX_WAITING = 1024
"""Most questions under way, also waiting for a thread; further questions are not asked."""

LookupResult = frozenset[str]


class Resolver:
    """Asks and remembers answers. Never raises: a missing answer is an empty answer."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._threads = asyncio.Semaphore(MAX_AT_ONCE)
        self._kept: OrderedDict[tuple[str, str], tuple[float, LookupResult]] = OrderedDict()
        self._asked: dict[tuple[str, str], asyncio.Task[LookupResult]] = {}

    async def addresses(self, host: str) -> LookupResult:
        """The IP addresses of ``host``."""
        return await self._answer(("addresses", host), self._addresses(host))

    async def names(self, address: str) -> LookupResult:
        """The names that the name service has for an IP address. The owner of the address can choose them freely."""
        return await self._answer(("names", address), self._names(address))

    def close(self) -> None:
        """Ends all waiting."""
        for task in list(self._asked.values()):
            task.cancel()

    async def _answer(self, key: tuple[str, str], question: Coroutine[Any, Any, LookupResult]) -> LookupResult:
        """Asks once for all callers with the same question at the same time."""
        now = self._loop.time()
        kept = self._kept.get(key)
        if kept is not None and now - kept[0] < KEPT:
            question.close()
            return kept[1]
        task = self._asked.get(key)
        if task is not None or len(self._asked) >= MAX_WAITING:
            question.close()
            if task is None:
                return frozenset()
        else:
            task = self._asked[key] = self._loop.create_task(self._bounded(key, question))
            task.add_done_callback(lambda _: self._asked.pop(key, None))
        # Not wait_for: a question can't be taken back, and the thread is busy with it until it is answered.
        done, _ = await asyncio.wait([task], timeout=TIMEOUT)
        return task.result() if done and not task.cancelled() else frozenset()

    async def _bounded(self, key: tuple[str, str], question: Coroutine[Any, Any, LookupResult]) -> LookupResult:
        async with self._threads:
            try:
                answer = await question
            except (OSError, UnicodeError):
                # Unknown; or no host name at all, which the codec for host names finds.
                answer = frozenset()
        if answer:
            self._kept[key] = (self._loop.time(), answer)
            self._kept.move_to_end(key)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return answer

    async def _addresses(self, host: str) -> LookupResult:
        found = await looked_up(partial(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM))
        return frozenset(str(ipaddress.ip_address(str(address[0]).partition("%")[0])) for *_, address in found)

    async def _names(self, address: str) -> LookupResult:
        name, _ = await looked_up(partial(socket.getnameinfo, (address, 0), socket.NI_NAMEREQD))
        name = name.rstrip(".")
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return frozenset({name, name.partition(".")[0]} - {""})
        # An address is not a name, even if the name service says so.
        return frozenset()
