"""Questions about waiting commands: to module filters, handlers, and distwall's own name.

Each question is answered once, or with ``deny`` when its time is up. An error on the way (a handler raises or is
missing, a message can't be read) is ``deny``, too, with an event.
"""

import asyncio
import inspect
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from distwall._core import Ask
from distwall.audit.schema import HandlerFailed
from distwall.control.channel import ChannelHandle, EntryKey
from distwall.control.peer_requests import Answering, PeerRequests
from distwall.control.rulebook import Rulebook
from distwall.etf import DecodeError, encode
from distwall.handlers.api import Changed, Command, command
from distwall.handlers.loader import UnloadableError, load
from distwall.handlers.worker_thread import BusyError, WorkerThread
from distwall.policy import Policy
from distwall.policy.language.grammar import VERDICTS

if TYPE_CHECKING:
    from distwall._core import Verdict

TIMEOUT = 5.0
"""Seconds for an answer."""

MAX_WAITING = 1000
"""Questions about commands of one entry's peers that wait for a handler at a time; further commands are denied."""

Decision = tuple["Verdict", bytes | None]


class HandlerError(Exception):
    """A handler gave no answer; the text says why."""


class Asking(Answering, Protocol):
    """The firewall that asks: its policy, and the rules in force."""

    @property
    def policy(self) -> Policy:
        """The policy in force. Its handlers are loaded from the folder of its file."""

    @property
    def rulebook(self) -> Rulebook:
        """The rules in force."""


class HandlerDispatch:
    """All questions of one firewall."""

    def __init__(self, firewall: Asking) -> None:
        self._firewall = firewall
        self._worker = WorkerThread()
        self._own_name = PeerRequests(firewall)
        self._loaded: dict[str, Any] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: Counter[EntryKey] = Counter()

    def put(self, handle: ChannelHandle, asks: list[Ask]) -> None:
        """Takes the questions of a channel."""
        loop = asyncio.get_running_loop()
        for ask in asks:
            if ask.kind == "own":
                self._own_name.got(handle, ask.payload)
                continue
            if ask.kind == "guard":
                loop.call_later(TIMEOUT, self._give_up, handle, ask)
                continue
            if ask.kind == "who":
                loop.call_later(handle.ask_timeout, self._no_identity, handle, ask)
                continue
            key = handle.entry_key
            if self._waiting[key] >= MAX_WAITING:
                self._failed(handle, ask, f"{MAX_WAITING} commands of its entry's peers wait for handlers already")
                # Not now: the core has not told of all its questions yet.
                loop.call_soon(handle.answer, ask.ticket, "deny")
                continue
            self._waiting[key] += 1
            task = loop.create_task(self._answer(handle, ask))
            self._tasks.add(task)
            task.add_done_callback(partial(self._done, key))

    def _done(self, key: EntryKey, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._waiting[key] -= 1

    def load(self, name: str) -> Any:
        """Loads a handler or a filter in Python, fresh from its file. Raises UnloadableError."""
        found = load(name, self._firewall.policy.path.parent)
        made = found() if inspect.isclass(found) else found
        self._loaded[name] = made
        return made

    def _made(self, name: str) -> Any:
        return self._loaded[name] if name in self._loaded else self.load(name)

    def close(self) -> None:
        """Stops answering."""
        for task in self._tasks:
            task.cancel()
        self._worker.close()

    def _give_up(self, handle: ChannelHandle, ask: Ask) -> None:
        if handle.waits(ask.ticket):
            self._failed(handle, ask, f"no answer of the guarded node within {TIMEOUT:g} s")
            handle.answer(ask.ticket, "deny")

    def _no_identity(self, handle: ChannelHandle, ask: Ask) -> None:
        """Ends a channel whose guarded node does not say who a process is: what waits can't be judged."""
        if handle.waits(ask.ticket):
            handle.answer(ask.ticket, "deny")

    def _failed(self, handle: ChannelHandle, ask: Ask, why: str) -> None:
        handle.tell(
            HandlerFailed(
                peer=handle.peer, guard=handle.guard, command=ask.command, target=ask.target, detail=why, folded=0
            )
        )

    async def _answer(self, handle: ChannelHandle, ask: Ask) -> None:
        verdict: Verdict = "deny"
        changed: bytes | None = None
        try:
            async with asyncio.timeout(TIMEOUT):
                match ask.kind:
                    case "filter":
                        verdict = await self._filtered(handle, ask)
                    case _:
                        verdict, changed = await self._handled(handle, ask)
        except TimeoutError:
            self._failed(handle, ask, f"no answer within {TIMEOUT:g} s")
        except (HandlerError, UnloadableError, BusyError, DecodeError) as error:
            self._failed(handle, ask, str(error))
        except Exception as error:  # noqa: BLE001  # whatever a handler raises
            text = " ".join(str(error).split())[:200]
            self._failed(handle, ask, f"it raised {type(error).__name__}: {text}")
        handle.answer(ask.ticket, verdict, changed)

    async def _filtered(self, handle: ChannelHandle, ask: Ask) -> "Verdict":
        module = self._named(handle, "module_filter", None)
        made = self._made(module)
        function = getattr(made, "filter", made)
        told = self._told(handle, ask)
        shown = (told.name, told.to) if isinstance(told.to, str | tuple) else told.name
        verdict, _ = await self._run(handle, function, handle.peer, shown)
        return verdict

    async def _handled(self, handle: ChannelHandle, ask: Ask) -> Decision:
        told = self._told(handle, ask)
        module = self._named(handle, "handler", told.name)
        made = self._made(module)
        method = getattr(made, told.name, None)
        if method is None:
            raise HandlerError(f"{module} has no method {told.name}")
        return await self._run(handle, method, told)

    def _told(self, handle: ChannelHandle, ask: Ask) -> Command:
        return command(handle.peer, handle.guard, ask.command, ask.target, control=ask.control, payload=ask.payload)

    def _named(self, handle: ChannelHandle, kind: Any, about: str | None) -> str:
        found = self._firewall.rulebook.run_time.concerning(kind, handle.peer, handle.guard)
        names = [s.name for s in found if s.name and about in (None, s.command)]
        if not names:
            raise HandlerError("it was removed meanwhile")
        return names[-1]

    async def _run(self, handle: ChannelHandle, function: Callable[..., Any], *arguments: Any) -> Decision:
        async def call() -> Decision:
            result = function(*arguments)
            # A changed message is written here as well, and not on the loop of the channels.
            return _verdict(await result if inspect.isawaitable(result) else result, handle.handled_size)

        return await asyncio.wrap_future(self._worker.run(call()))


def _verdict(answer: Any, most: int) -> Decision:
    """The meaning of a handler's answer; a changed message has at most that many bytes. Raises HandlerError."""
    match answer:
        case Changed(message):
            changed = encode(message)
            if len(changed) > most:
                raise HandlerError(f"its message has {len(changed)} bytes, more than the limit handled_size")
            return "accept", changed
        case bool():
            return ("accept" if answer else "deny"), None
        case str() if answer in VERDICTS:
            return VERDICTS[answer], None
        case _:
            raise HandlerError(f"it returned {type(answer).__name__}, not a verdict or a changed message")
