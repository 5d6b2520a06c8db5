"""Common functions of the commands: printing, failing, and finding the policy file."""

import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from distwall.policy import Policy, PolicyError, load
from distwall.policy.file.own_paths import find_path
from distwall.policy.language.units import seconds

CONFIG_VARIABLE = "DISTWALL_CONFIG"
CONFIG_PLACES = (Path("distwall.toml"), Path("/etc/distwall/distwall.toml"))

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


class BadPolicyError(CommandError):
    """A policy with errors."""

    def __init__(self, error: PolicyError) -> None:
        super().__init__(str(error), exit_code=2)
        self.problems = error.problems


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


def find_config(config: Path | None) -> Path:
    """The policy file: as given, else by the environment, else in one of the usual places. Raises CommandError."""
    if config is None and (named := os.environ.get(CONFIG_VARIABLE)):
        config = Path(named)
    if config is not None:
        return config
    for place in CONFIG_PLACES:
        if place.exists():
            return place
    raise CommandError(
        f"no policy file at {' or '.join(str(place) for place in CONFIG_PLACES)}; write one with distwall init,"
        f" or name it with --config or {CONFIG_VARIABLE}",
        exit_code=2,
    )


def load_policy(config: Path | None) -> Policy:
    """The policy. Raises CommandError if it is missing, can't be read or has errors."""
    path = find_config(config)
    try:
        return load(path)
    except PolicyError as error:
        raise BadPolicyError(error) from None
    except OSError as error:
        raise CommandError(unreadable(path, error), exit_code=2) from None


def own_path(
    config: Path | None, section: Literal["control", "audit"], key: Literal["socket", "tokens", "file"]
) -> Path:
    """A path of distwall's own, even if the policy file has errors elsewhere. Raises CommandError."""
    path = find_config(config)
    try:
        return find_path(path, section, key)
    except PolicyError as error:
        raise BadPolicyError(error) from None
    except OSError as error:
        raise CommandError(unreadable(path, error), exit_code=2) from None


def given_seconds(text: str) -> float:
    """The seconds of a span of time that a command was given. Raises CommandError."""
    found = seconds(text)
    if found is None:
        raise CommandError(f"`{text}` is not a span of time; write it as 90s, 15m, 12h or 30d", exit_code=2)
    return found


def unreadable(path: Path, error: OSError) -> str:
    """The reason why a policy file can't be read."""
    return f"{path}: can't read the policy file: {error.strerror}; correct the path or its permissions"
