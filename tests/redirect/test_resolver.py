"""The name service: asked once, in threads, with limits, and never trusted to answer."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any
from unittest import mock

import pytest

from distwall.redirect import resolver as module
from distwall.redirect.resolver import Resolver


class Service:
    """Stands in for the system's getaddrinfo and getnameinfo."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.under_way = 0
        self.most = 0
        self.go = asyncio.Event()
        self.go.set()

    async def looked_up(self, question: partial[Any]) -> Any:
        answer: Any = self.getaddrinfo if question.func is socket.getaddrinfo else self.getnameinfo
        return await answer(*question.args, **question.keywords)

    async def getaddrinfo(self, host: str, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await self.go.wait()
        finally:
            self.under_way -= 1
        if host == "unknown":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        if len(host) > 63:
            raise UnicodeError("label too long")
        return [(2, 1, 6, "", ("10.0.0.1", 0)), (10, 1, 6, "", ("fe80::1%eth0", 0, 0, 2))]

    async def getnameinfo(self, address: tuple[str, int], _: int) -> tuple[str, str]:
        self.asked.append(address[0])
        if address[0] == "10.0.0.9":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return ("10.0.0.3" if address[0] == "10.0.0.8" else "b.test.", "0")


def play(scene: Callable[[Resolver, Service], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        service = Service()
        resolver = Resolver()
        with mock.patch.object(module, "looked_up", service.looked_up):
            await scene(resolver, service)
        resolver.close()

    asyncio.run(run())


def test_answers_are_plain_and_kept() -> None:
    async def scene(resolver: Resolver, service: Service) -> None:
        assert await resolver.addresses("b") == {"10.0.0.1", "fe80::1"}
        assert await resolver.names("10.0.0.1") == {"b.test", "b"}
        assert await resolver.addresses("b") == {"10.0.0.1", "fe80::1"}
        assert service.asked == ["b", "10.0.0.1"]

    play(scene)


def test_no_answer_is_an_empty_one_and_not_kept() -> None:
    async def scene(resolver: Resolver, service: Service) -> None:
        for _ in range(2):
            assert await resolver.addresses("unknown") == frozenset()
        assert service.asked == ["unknown", "unknown"]
        assert await resolver.addresses("x" * 70) == frozenset()
        assert await resolver.names("10.0.0.9") == frozenset()
        assert await resolver.names("10.0.0.8") == frozenset()  # an address is no name

    play(scene)


def test_the_same_question_is_asked_once_at_a_time() -> None:
    async def scene(resolver: Resolver, service: Service) -> None:
        service.go.clear()
        asked = asyncio.gather(*(resolver.addresses("b") for _ in range(10)))
        await asyncio.sleep(0.01)
        service.go.set()
        assert await asked == [frozenset({"10.0.0.1", "fe80::1"})] * 10
        assert service.asked == ["b"]

    play(scene)


def test_a_name_service_that_is_gone_holds_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.05)
    monkeypatch.setattr(module, "MAX_WAITING", 5)

    async def scene(resolver: Resolver, service: Service) -> None:
        service.go.clear()
        answers = await asyncio.gather(*(resolver.addresses(f"b{number}") for number in range(20)))
        assert answers == [frozenset()] * 20
        assert service.most <= module.MAX_AT_ONCE
        # Nothing new is asked until the old questions are answered; then all is well again.
        assert await resolver.addresses("late") == frozenset()
        service.go.set()
        await asyncio.sleep(0.05)
        assert await resolver.addresses("late") == {"10.0.0.1", "fe80::1"}
        assert len(service.asked) == 6

    play(scene)


def test_answers_are_bounded_and_grow_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KEPT", 2)

    async def scene(resolver: Resolver, service: Service) -> None:
        for host in ("b", "c", "d", "b"):
            await resolver.addresses(host)
        assert service.asked == ["b", "c", "d", "b"]
        monkeypatch.setattr(module, "KEPT", 0.0)
        await resolver.addresses("b")
        assert service.asked == ["b", "c", "d", "b", "b"]

    play(scene)
