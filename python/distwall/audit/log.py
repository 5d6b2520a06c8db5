"""The audit log: takes events at any rate, writes them in batches from a thread of its own, and reports trouble.

All state belongs to the event loop's thread. The writing thread gets one batch at a time, and returns it written or
not. Waiting events are bounded. If the file can't be written, or a batch takes too long, or the bound is reached, the
log is in trouble: ``trouble`` is the reason, ``on_trouble`` is called, and the log tries again every second. Events
beyond the bound are lost and counted, and the first event after the trouble has the count.

The room for waiting events is shared. A quarter is for what distwall itself has to record. Of the rest, each
cause of events (an entry, all strangers) may have as much waiting as there is room left (`has_room`): one cause alone
takes half, and leaves half to the others.
"""

import asyncio
import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from distwall.audit.chain import Link, Seal
from distwall.audit.event import Event, event, text
from distwall.audit.log_file import LogFile, Rotation
from distwall.audit.schema import AuditResumed, EventBase


def _say(text: str) -> None:
    with contextlib.suppress(OSError):
        print(f"distwall: {text}", file=sys.stderr, flush=True)  # noqa: T201


class AuditLog:
    """The log of one distwall process. ``record`` may be called before a loop runs; writing starts with the loop."""

    BATCH_SECONDS = 0.05
    RETRY_SECONDS = 1.0
    MAX_WAITING = 4 << 20
    """Bytes that may wait to be written."""
    STUCK_SECONDS = 10.0
    """Time for one batch, after which the log is in trouble."""

    def __init__(
        self,
        path: Path,
        *,
        key: bytes | None = None,
        rotation: Rotation | None = None,
        say: Callable[[str], None] = _say,
    ) -> None:
        """Opens the file, whose lines are sealed with ``key``; ``say`` prints trouble for the operator.

        Raises OSError.
        """
        self._seal = Seal(key)
        self._file = LogFile(path, self._seal, rotation)
        self._end = self._file.end
        self._say = say
        self._lines: list[bytes] = []
        self._size = 0
        self._shares: Counter[Hashable] = Counter()
        self._in_flight = 0
        self._shares_in_flight: Counter[Hashable] = Counter()
        self._lost = 0
        self._writer: ThreadPoolExecutor | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Future[None] | None = None
        self._stuck: asyncio.TimerHandle | None = None
        self._listeners: list[Callable[[Event], None]] = []
        self._closed = False
        self.trouble: str | None = None
        """The reason why the log can't be written; None: all is well."""
        self.on_trouble: Callable[[str], None] | None = None
        """Called once whenever trouble begins, with the reason."""
        if recovery := self._file.recovery:
            say(f"{path}: {recovery.detail}; see distwall audit verify")
            self.record(recovery)

    @property
    def path(self) -> Path:
        """The file."""
        return self._file.path

    @property
    def end(self) -> Link:
        """The last event in the log: its number and its hash."""
        return self._end

    def subscribe(self, listener: Callable[[Event], None]) -> None:
        """Calls ``listener`` with each event as it is recorded."""
        self._listeners.append(listener)

    def unsubscribe(self, listener: Callable[[Event], None]) -> None:
        """Ends the calls to ``listener``."""
        self._listeners.remove(listener)

    def has_room(self, share: Hashable) -> bool:
        """True if the cause ``share`` may add to the waiting events."""
        waiting = self._shares[share] + self._shares_in_flight[share]
        return waiting < self.MAX_WAITING * 3 // 4 - self._waiting

    def record(self, told: EventBase, share: Hashable = None) -> int:
        """Records an event; returns its size in bytes, 0 if it is lost. Never raises and never blocks.

        ``share``: see `has_room`, which is to be asked before.
        """
        made = event(told.kind, told.fields(), self._end.seq + 1)
        line, end = self._seal.line(text(made), self._end)
        full = self._waiting + len(line) > self.MAX_WAITING
        if full or self._closed:
            # The next event that the log takes has its number.
            made["seq"] = None
            self._lost += 1
        else:
            self._end = end
            self._lines.append(line)
            self._size += len(line)
            self._shares[share] += len(line)
        for listener in list(self._listeners):
            listener(made)
        if full and not self._closed:
            self._trouble(f"more than {self.MAX_WAITING >> 20} MiB of events wait to be written")
        self._schedule(self.BATCH_SECONDS)
        return 0 if full or self._closed else len(line)

    @property
    def _waiting(self) -> int:
        return self._size + self._in_flight

    async def flush(self) -> bool:
        """Waits until all recorded events are written; false if that failed."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self._writing:
            await asyncio.wait([self._writing])
        await self._write()
        return self.trouble is None

    async def close(self) -> None:
        """Writes the waiting events and closes the file; later events are lost."""
        if self._closed:
            return
        await self.flush()
        self._closed = True
        if self._timer:
            self._timer.cancel()
        if self._writer:
            self._writer.shutdown()
        self._file.close()

    def _schedule(self, delay: float) -> None:
        if self._timer or self._writing or self._closed:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return
        self._timer = loop.call_later(delay, self._start)

    def _start(self) -> None:
        self._timer = None
        self._writing = asyncio.ensure_future(self._write())
        self._stuck = asyncio.get_running_loop().call_later(self.STUCK_SECONDS, self._is_stuck)
        self._writing.add_done_callback(self._wrote)

    def _is_stuck(self) -> None:
        self._trouble(f"the disk has not taken it for {self.STUCK_SECONDS:g} seconds")

    def _wrote(self, _: asyncio.Future[None]) -> None:
        self._writing = None
        if self._stuck:
            self._stuck.cancel()
        if self.trouble:
            self._schedule(self.RETRY_SECONDS)
        elif self._lines:
            self._schedule(self.BATCH_SECONDS)

    async def _write(self) -> None:
        batch, self._lines = b"".join(self._lines), []
        self._in_flight, self._size = self._in_flight + self._size, 0
        self._shares_in_flight += self._shares
        self._shares.clear()
        if not batch and not self._file.unfinished:
            self._fine()
            return
        if self._writer is None:
            self._writer = ThreadPoolExecutor(1, thread_name_prefix="distwall-audit")
        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, self._file.write, batch, self._end)
        except OSError as error:
            self._in_flight = self._file.waiting
            self._trouble(error.strerror or str(error))
        else:
            self._in_flight = 0
            self._shares_in_flight.clear()
            self._fine()

    def _trouble(self, reason: str) -> None:
        if self.trouble is None:
            self.trouble = reason
            self._say(f"{self.path}: can't write the audit log: {reason}; make room or correct the path")
            if self.on_trouble:
                self.on_trouble(reason)
        self._schedule(self.RETRY_SECONDS)

    def _fine(self) -> None:
        if self.trouble is None:
            return
        lost, self._lost, reason = self._lost, 0, self.trouble
        self.trouble = None
        self._say(f"{self.path}: the audit log is written again; {lost} events were lost")
        self.record(AuditResumed(reason=reason, lost=lost))
