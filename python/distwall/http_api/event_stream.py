"""The live event stream: each subscriber has a bounded buffer, and is told exactly how many events it missed."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from distwall.audit.event import Event, event
from distwall.audit.event_selection import EventSelection
from distwall.audit.log import AuditLog


class TooManyError(Exception):
    """The stream has no room for another subscriber."""


class Subscriber:
    """A reader of the stream."""

    MAX_WAITING = 1000
    """Events that wait for a slow reader; further events are dropped and counted."""

    def __init__(self, chosen: EventSelection) -> None:
        self._chosen = chosen
        self._waiting: deque[Event] = deque()
        self._dropped = 0
        self._news = asyncio.Event()
        self._over = False

    def push(self, made: Event) -> None:
        """Adds an event."""
        if not self._chosen.matches(made):
            return
        if len(self._waiting) >= self.MAX_WAITING:
            self._dropped += 1
        else:
            self._tell_dropped()
            self._waiting.append(made)
        self._news.set()

    def end(self) -> None:
        """Ends the stream."""
        self._over = True
        self._news.set()

    async def events(self, idle: float) -> AsyncIterator[Event | None]:
        """Events as they come; None after each ``idle`` seconds without one."""
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._dropped:
                self._tell_dropped()
                continue
            if self._over:
                return
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), idle)
            except TimeoutError:
                yield None

    def _tell_dropped(self) -> None:
        if self._dropped:
            self._waiting.append(event("events_dropped", {"dropped": self._dropped}, None))
            self._dropped = 0


class EventStream:
    """Sends recorded events to all subscribers, and keeps the last events for late subscribers."""

    MAX_SUBSCRIBERS = 32
    MAX_KEPT = 1000

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit
        self._kept: deque[Event] = deque(maxlen=self.MAX_KEPT)
        self._subscribers: set[Subscriber] = set()
        audit.subscribe(self._push)

    def last(self, count: int, chosen: EventSelection) -> list[Event]:
        """The last ``count`` of the kept events that ``chosen`` selects, oldest first."""
        wanted = [made for made in self._kept if chosen.matches(made)]
        return wanted[len(wanted) - min(count, len(wanted)) :]

    def subscribe(self, chosen: EventSelection) -> Subscriber:
        """A new subscriber, from the next event on. Raises TooManyError."""
        if len(self._subscribers) >= self.MAX_SUBSCRIBERS:
            raise TooManyError(f"{self.MAX_SUBSCRIBERS} already follow the events; end one of them first")
        subscriber = Subscriber(chosen)
        self._subscribers.add(subscriber)
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Forgets a subscriber."""
        self._subscribers.discard(subscriber)

    def close(self) -> None:
        """Ends all."""
        self._audit.unsubscribe(self._push)
        for subscriber in self._subscribers:
            subscriber.end()

    def _push(self, made: Event) -> None:
        self._kept.append(made)
        for subscriber in self._subscribers:
            subscriber.push(made)
