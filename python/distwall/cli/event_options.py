"""The common options of ``observe`` and ``audit tail`` that select events, and the printing of events."""

import functools
import inspect
import json
from collections.abc import Callable
from typing import Annotated, Any

import typer

from distwall.audit.event import Event
from distwall.audit.event_selection import FIELDS
from distwall.audit.render import describe
from distwall.cli.made_parameters import option, with_parameters
from distwall.cli.output import Output, console

LastOption = Annotated[int, typer.Option("--last", "-n", min=0, help="Begin with this many earlier events.")]
FollowOption = Annotated[bool, typer.Option("--follow", "-f", help="Follow: go on as events happen.")]


def selecting(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that select events; it gets ``wanted``, values by field, and ``unwanted``."""

    @functools.wraps(command)
    def run(**given: Any) -> None:
        wanted = {name: given.pop(name) or [] for name in FIELDS}
        command(wanted=wanted, unwanted=given.pop("unwanted") or [], **given)

    selection = [
        option(name, Annotated[list[str] | None, typer.Option(f"--{name}", help=meaning, show_default=False)], None)
        for name, meaning in FIELDS.items()
    ]
    leave_out = typer.Option("--not", help="Leave out, as in --not command=link.", metavar="FIELD=VALUE")
    selection.append(option("unwanted", Annotated[list[str] | None, leave_out], None))
    own = inspect.signature(command).parameters.values()
    return with_parameters(run, [*selection, *(each for each in own if each.name not in ("wanted", "unwanted"))])


def show(event: Event, output: Output) -> None:
    """Prints one event: a line for humans, or JSON on one line."""
    if output is Output.JSON:
        typer.echo(json.dumps(event))
    else:
        console().print(describe(event), soft_wrap=True)
