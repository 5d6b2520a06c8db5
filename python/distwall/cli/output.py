"""Common functions of the commands: printing and failing."""

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

VERDICTS = (("accept", "green"), ("deny", "red"), ("drop", "magenta"))
"""The verdicts, each with its colour."""

# Without a terminal, tables are as wide as they need to be.
_PIPE_WIDTH = 240


class Output(StrEnum):
    """Form in which a command prints its result."""

    HUMAN = "human"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("-o", "--output", help="Print for humans or as JSON.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        help="The policy file. Default: DISTWALL_CONFIG, ./distwall.toml, /etc/distwall/distwall.toml.",
    ),
]


class CommandError(Exception):
    """A command that failed. The text is for the user; several problems are several lines."""

    def __init__(self, text: str, *, exit_code: int = 1) -> None:
        super().__init__(text)
        self.exit_code = exit_code


class _ErrorConsole(Console):
    def on_broken_pipe(self) -> None:
        """Goes on in silence: nobody reads messages any more, but the command is not done."""
        self.quiet = True


def console(*, stderr: bool = False) -> Console:
    """A console on stdout or stderr."""
    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    make = _ErrorConsole if stderr else Console
    return make(stderr=stderr, highlight=False, width=None if terminal else _PIPE_WIDTH)


def say(text: str | Text) -> None:
    """Prints one line on stderr."""
    console(stderr=True).print(text if isinstance(text, Text) else Text(text), soft_wrap=True)


def complain(problem: object) -> None:
    """Prints one error on stderr."""
    say(Text.assemble(("distwall:", "bold red"), f" {problem}"))


def warn(problem: object) -> None:
    """Prints one warning on stderr."""
    say(Text.assemble(("warning", "yellow"), f": {problem}"))


def empty_table(*columns: str, wrapped: str | None = None) -> Table:
    """A table without rows. ``wrapped``: the column whose texts may take several lines."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=column != wrapped)
    return table


def count_text(number: int, style: str) -> Text:
    """A count in the colour of its verdict; zeros are faint."""
    return Text(str(number), style=style if number else "dim")


def print_json(value: Any) -> None:
    """Prints a result as JSON on stdout."""
    typer.echo(json.dumps(value, indent=2))
