"""Shows events on stderr from a thread of its own: a terminal that is stopped, or gone, must not stop the firewall."""

import contextlib
import queue
import threading

from rich.text import Text

from distwall.audit.event import Event
from distwall.audit.render import describe
from distwall.cli.output import console


class EventPrinter:
    """Prints events in their order; events that are too many for the terminal are counted and left out."""

    MAX_WAITING = 1000

    def __init__(self, kinds: frozenset[str] | None = None) -> None:
        """``kinds``: the kinds of events to show; None: all."""
        self._kinds = kinds
        self._events: queue.Queue[Event | None] = queue.Queue(self.MAX_WAITING)
        self._skipped = 0
        self._console = console(stderr=True)
        self._thread = threading.Thread(target=self._print_all, name="distwall-events", daemon=True)
        self._thread.start()

    def show(self, event: Event) -> None:
        """Shows an event soon, or never. Does not block."""
        if self._kinds is not None and event["event"] not in self._kinds:
            return
        try:
            self._events.put_nowait(event)
        except queue.Full:
            self._skipped += 1

    def close(self) -> None:
        """Waits a moment for events that are not shown yet."""
        with contextlib.suppress(queue.Full):
            self._events.put_nowait(None)
        self._thread.join(timeout=1)

    def _print_all(self) -> None:
        while (event := self._events.get()) is not None:
            skipped, self._skipped = self._skipped, 0
            with contextlib.suppress(OSError):
                self._console.print(describe(event), soft_wrap=True)
                if skipped:
                    self._console.print(Text(f"{skipped} events were not shown", "yellow"))
