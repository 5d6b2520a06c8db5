"""The common options of ``observe`` and ``audit tail`` that select events, and the printing of events."""

import json
from typing import Annotated

import typer

from distwall.audit import Event, describe
from distwall.cli.output import Output, console


def _option(name: str, what: str) -> typer.models.OptionInfo:
    return typer.Option(f"--{name}", help=what, show_default=False)  # type: ignore[no-any-return]


EventOption = Annotated[list[str] | None, _option("event", "Only events of this kind.")]
PeerOption = Annotated[list[str] | None, _option("peer", "Only of this peer; a name or a glob.")]
GuardsOption = Annotated[list[str] | None, _option("guard", "Only about this guarded node; a name or a glob.")]
VerdictOption = Annotated[list[str] | None, _option("verdict", "Only commands with this verdict.")]
CommandOption = Annotated[list[str] | None, _option("command", "Only this command.")]
DirectionOption = Annotated[list[str] | None, _option("direction", "inbound or outbound.")]
ReasonOption = Annotated[list[str] | None, _option("reason", "Only with this reason.")]
NotOption = Annotated[
    list[str] | None, typer.Option("--not", help="Leave out, as in --not command=link.", metavar="FIELD=VALUE")
]
LastOption = Annotated[int, typer.Option("--last", "-n", min=0, help="Begin with this many earlier events.")]
FollowOption = Annotated[bool, typer.Option("--follow", "-f", help="Follow: go on as events happen.")]


def show(event: Event, output: Output) -> None:
    """Prints one event: a line for humans, or JSON on one line."""
    if output is Output.JSON:
        typer.echo(json.dumps(event))
    else:
        console().print(describe(event), soft_wrap=True)
