"""Handlers of the tests, in Python."""

import asyncio
import time
from typing import Any

from distwall.etf import Atom
from distwall.handlers import Changed, Command

SEEN: list[Command] = []


class Orders:
    """Changes, refuses, dawdles and fails, by what a message says."""

    async def reg_send(self, command: Command) -> Any:
        SEEN.append(command)
        match command.message():
            case (Atom("order"), int(amount)) if amount > 1000:
                return "deny"
            case (Atom("order"), int(amount)):
                return Changed((Atom("order"), amount * 2))
            case (Atom("drop"), _):
                return "drop"
            case (Atom("slow"), int(milliseconds)):
                await asyncio.sleep(milliseconds / 1000)
                return "accept"
            case (Atom("block"), int(milliseconds)):
                time.sleep(milliseconds / 1000)  # noqa: ASYNC251  # what it shows
                return True
            case (Atom("swell"), int(size)):
                return Changed(bytes(size))
            case Atom("raise"):
                raise RuntimeError("a handler\nfails")
            case Atom("odd"):
                return 42
            case Atom("unfit"):
                return Changed(object())
            case _:
                pass
        return "accept"

    async def spawn_request(self, command: Command) -> Any:
        SEEN.append(command)
        if command.to == ("erlang", "+", 2):
            return Changed([40, 2])
        return command.to != ("erlang", "halt", 0)

    async def send(self, command: Command) -> Any:
        SEEN.append(command)
        return "accept"


def only_open(node: str, command: Any) -> str:
    """A module filter."""
    assert node.startswith("foo@")
    return "deny" if command == ("reg_send", "shut") else "accept"
