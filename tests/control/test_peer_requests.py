"""Requests to distwall's own name, without a channel."""

import asyncio
import itertools
import time
from types import SimpleNamespace
from typing import Any

from distwall.control.peer_requests import PeerRequests
from distwall.control.turns import SHARE, Turns
from distwall.etf import Atom, Pid, Ref, encode

FOO = "foo@h"
CALLER = Pid(Atom(FOO), 1, 0, 3)


class FakeHandle(SimpleNamespace):
    """A channel of which only the answers matter."""

    def __init__(self, told: list[bytes]) -> None:
        super().__init__(peer=FOO, guard="bar@h", guard_creation=7, source="", entry_key=("foo@h", 0), is_open=True)
        self.turns = Turns(itertools.count(step=1.0).__next__)
        self.told = told

    def tell_peer(self, _: bytes, payload: bytes) -> None:
        self.told.append(payload)


def question(number: int) -> bytes:
    tag = Ref(Atom(FOO), 3, (number, 0, 0))
    return encode((Atom("$gen_call"), (CALLER, tag), (Atom("test_filter"), Atom("link"), Atom("_"))))


def slow_answer(*_: object, **__: object) -> str:
    time.sleep(SHARE / 2)
    return "deny"


def test_the_answers_to_many_requests_have_the_turns_of_their_entry() -> None:
    async def main() -> None:
        told: list[bytes] = []
        handle: Any = FakeHandle(told)
        requests = PeerRequests(SimpleNamespace(test_filter=slow_answer))
        for number in range(50):
            requests.got(handle, question(number))
        assert 0 < len(told) <= 2
        assert handle.turns.is_over()
        while handle.turns.is_over():
            before = len(told)
            await asyncio.sleep(0)
            assert len(told) - before <= 2
        assert len(told) == len(set(told)) == 50

    asyncio.run(main())


def test_who_has_gone_meanwhile_gets_no_answer() -> None:
    async def main() -> None:
        told: list[bytes] = []
        handle: Any = FakeHandle(told)
        requests = PeerRequests(SimpleNamespace(test_filter=lambda *_, **__: "deny"))
        handle.turns.spend(SHARE)
        requests.got(handle, question(1))
        handle.is_open = False
        for _ in range(5):
            await asyncio.sleep(0)
        assert not handle.turns.is_over()
        assert not told

    asyncio.run(main())
