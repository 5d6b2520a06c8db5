"""``distwall erlang-path``: the folder of the compiled Erlang modules."""

import typer

from distwall.cli.output import CommandError
from distwall.launch import NotGuardedError, erlang_folder


def erlang_path() -> None:
    """Print the folder with the compiled Erlang modules, for -pa."""
    try:
        typer.echo(erlang_folder())
    except NotGuardedError as refusal:
        raise CommandError(str(refusal)) from None
