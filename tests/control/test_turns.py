"""Turns of the channels of one entry."""

import asyncio

import pytest

from distwall.control.turns import CALL, SHARE, Turns


def test_the_channels_of_an_entry_have_one_share_of_a_round() -> None:
    turns = Turns()
    assert not turns.is_over(1.0)
    turns.spend(SHARE - 2 * CALL, 1.0)
    assert not turns.is_over(1.0)
    turns.spend(1, 1.0)
    assert turns.is_over(1.0), "also small pieces of work count"
    assert not turns.is_over(1.001), "the next round begins anew"
    turns.spend(1, 1.001)
    assert not turns.is_over(1.001)


def test_who_waits_goes_on_in_order_and_in_as_many_rounds_as_it_takes() -> None:
    async def main() -> list[tuple[int, int]]:
        loop, turns, told = asyncio.get_running_loop(), Turns(), list[tuple[int, int]]()
        rounds = 0

        def go_on(number: int, steps: int) -> None:
            told.append((number, rounds))
            turns.spend(steps, loop.time())

        for number, steps in enumerate([SHARE, SHARE // 2, SHARE // 2, 1, 1]):
            turns.wait(lambda number=number, steps=steps: go_on(number, steps))  # type: ignore[misc]
            assert turns.is_over(loop.time()), "who comes later is behind them"
        while turns.is_over(0.0):
            await asyncio.sleep(0)
            rounds += 1
        return told

    told = asyncio.run(main())
    assert [number for number, _ in told] == [0, 1, 2, 3, 4]
    assert told[1][1] > told[0][1]
    assert told[4][1] - told[1][1] <= 2, "small pieces of work share a round"


@pytest.mark.parametrize("channels", [1, 5])
def test_who_has_more_to_do_waits_again_for_another_round(channels: int) -> None:
    async def main() -> list[int]:
        loop, turns, done = asyncio.get_running_loop(), Turns(), [0]

        def go_on() -> None:
            done[-1] += 1
            turns.spend(SHARE, loop.time())
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
        turns, told, failed = Turns(), list[str](), list[object]()
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failed.append(context["exception"]))

        def fail() -> None:
            raise ValueError("a defect")

        turns.wait(fail)
        turns.wait(lambda: told.append("the next one"))
        await asyncio.sleep(0.01)
        assert [str(error) for error in failed] == ["a defect"]
        return told

    assert asyncio.run(main()) == ["the next one"]


@pytest.mark.parametrize("steps", [0, SHARE])
def test_a_share_is_counted_in_the_round_of_the_clock(steps: int) -> None:
    turns = Turns()
    turns.spend(steps, 5.0)
    assert turns.is_over(5.0) == (steps == SHARE)
    assert not turns.is_over(5.001)
