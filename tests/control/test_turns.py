"""Turns of the channels of one entry."""

import asyncio
import itertools
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from distwall.control.turns import CALL, LITTLE, SHARE, Turns


def turns_of_work() -> Turns:
    """Turns for which all time is work."""
    return Turns(itertools.count(step=1.0).__next__)


async def another_round() -> None:
    """Waits until all that was due is done."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_the_channels_of_an_entry_have_one_share_of_a_round() -> None:
    async def main() -> None:
        turns = turns_of_work()
        assert not turns.is_over()
        turns.spend(SHARE - 2 * CALL)
        assert not turns.is_over()
        turns.spend(0)
        assert turns.is_over(), "also small pieces of work count"
        await another_round()
        assert not turns.is_over(), "the next round begins anew"
        turns.spend(0)
        assert not turns.is_over()

    asyncio.run(main())


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_a_new_timer_does_not_end_a_round(run: Callable[[Coroutine[Any, Any, None]], None]) -> None:
    """A timer sets the clock of uvloop. Peers can cause timers: each question who a process is has one."""

    async def main() -> None:
        loop, turns = asyncio.get_running_loop(), turns_of_work()
        for _ in range(10):
            turns.spend(SHARE / 4)
            time.sleep(0.002)  # noqa: ASYNC251  # the clock of the loop counts milliseconds
            loop.call_later(1, turns.is_over)
        assert turns.is_over()

    run(main())


def test_the_time_of_other_programs_does_not_count() -> None:
    async def main() -> None:
        turns = Turns()
        for _ in range(100):
            turns.spend(SHARE)
        assert not turns.is_over()

    asyncio.run(main())


def test_little_work_has_no_callback() -> None:
    async def main() -> int:
        loop, turns, called = asyncio.get_running_loop(), turns_of_work(), 0
        for _ in range(100):
            turns.spend(0)
            called += bool(loop._ready)  # type: ignore[attr-defined]
            await another_round()
        return called

    assert 0 < asyncio.run(main()) <= 100 * CALL / LITTLE


def test_who_waits_goes_on_in_order_and_in_as_many_rounds_as_it_takes() -> None:
    async def main() -> list[tuple[int, int]]:
        turns, told = turns_of_work(), list[tuple[int, int]]()
        rounds = 0

        def go_on(number: int, seconds: float) -> None:
            told.append((number, rounds))
            turns.spend(seconds)

        for number, seconds in enumerate([SHARE, SHARE / 2, SHARE / 2, 0, 0]):
            turns.wait(lambda number=number, seconds=seconds: go_on(number, seconds))  # type: ignore[misc]
            assert turns.is_over(), "who comes later is behind them"
        while turns.is_over():
            await asyncio.sleep(0)
            rounds += 1
        return told

    told = asyncio.run(main())
    assert [number for number, _ in told] == [0, 1, 2, 3, 4]
    assert told[1][1] > told[0][1]
    assert told[4][1] - told[1][1] <= 2, "small pieces of work share a round"


@pytest.mark.parametrize(("part", "most"), [(1, 1), (4, 4), (100, 40)])
def test_as_many_channels_are_invited_in_a_round_as_have_room_in_the_share(part: int, most: int) -> None:
    """By the time of the reads of others lately. Those that do not come hold nobody up."""

    async def main() -> list[int]:
        turns, invited = turns_of_work(), [0]

        def go_on() -> None:
            invited[-1] += 1
            turns.invite()

        for _ in range(100):
            turns.came(SHARE / part - CALL)
        for _ in range(40):
            turns.wait(go_on)
        while sum(invited) < 40:
            await asyncio.sleep(0)
            assert not turns.is_spent(), "who was invited has a turn, although others are in line"
            invited.append(0)
        return invited

    found = asyncio.run(main())
    assert most // 2 <= max(found) <= most
    assert len([count for count in found if count]) <= 40 // max(1, most // 2) + 1


@pytest.mark.parametrize("channels", [1, 5])
def test_who_has_more_to_do_waits_again_for_another_round(channels: int) -> None:
    async def main() -> list[int]:
        turns, done = turns_of_work(), [0]

        def go_on() -> None:
            done[-1] += 1
            turns.spend(SHARE)
            if sum(done) < 100:
                turns.wait(go_on)

        for _ in range(channels):
            turns.wait(go_on)
        while sum(done) < 100:
            await asyncio.sleep(0)
            done.append(0)
        return list(done)

    assert max(asyncio.run(main())) == 1


def test_others_in_line_have_their_turn_if_one_fails() -> None:
    async def main() -> list[str]:
        turns, told, failed = turns_of_work(), list[str](), list[object]()
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context["exception"]))

        def fail() -> None:
            raise ValueError("a defect")

        turns.wait(fail)
        turns.wait(lambda: told.append("the next one"))
        await asyncio.sleep(0.01)
        assert [str(error) for error in failed] == ["a defect"]
        return told

    assert asyncio.run(main()) == ["the next one"]
