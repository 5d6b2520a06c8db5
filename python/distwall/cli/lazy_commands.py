"""Commands that are imported when they are called: each needs libraries of its own, and none needs all."""

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any, cast

import typer
from typer.core import TyperGroup

ClickCommand = Any
"""A command as Typer makes it. Typer brings its own copy of Click, whose classes it does not export."""

SETTINGS: dict[str, Any] = {"rich_markup_mode": None, "pretty_exceptions_enable": False, "add_completion": False}
"""Settings of all commands."""


class LazyCommands(Mapping[str, ClickCommand]):
    """The commands of a group by their names, in the order of the help.

    A module has the function of its command, the group ``app``, or a function ``named`` that makes the function of a
    command. It may have ``CONTEXT_SETTINGS`` for the command.
    """

    def __init__(self, modules: dict[str, str]) -> None:
        """``modules``: by name of each command its module."""
        self._modules = modules
        self._made: dict[str, ClickCommand] = {}

    def __getitem__(self, name: str) -> ClickCommand:
        if name not in self._made:
            self._made[name] = _made(name, import_module(self._modules[name]))
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


def _made(name: str, module: Any) -> ClickCommand:
    if hasattr(module, "app"):
        return typer.main.get_command(module.app)
    word = name.replace("-", "_")
    # The names of some commands are words of Python.
    function = module.named(word) if hasattr(module, "named") else vars(module).get(word) or vars(module)[f"{word}_"]
    alone = typer.Typer(**SETTINGS)
    alone.command(name, context_settings=getattr(module, "CONTEXT_SETTINGS", None))(function)
    return typer.main.get_command(alone)


def group_of(modules: dict[str, str]) -> type[TyperGroup]:
    """Return the class of a group with these commands."""

    class LazyGroup(TyperGroup):
        """A group that imports a command when it is called."""

        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings | {"commands": {}})
            self.commands = cast("MutableMapping[str, ClickCommand]", LazyCommands(modules))

    return LazyGroup
