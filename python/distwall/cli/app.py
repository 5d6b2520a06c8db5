"""Puts the commands together and turns every failure into one line and an exit code."""

import os
import sys
from collections.abc import Iterable
from typing import Annotated, NoReturn

import typer
from typer.exceptions import Abort, TyperException

from distwall import __version__
from distwall.cli.lazy_commands import SETTINGS, group_of
from distwall.cli.output import CommandError, console
from distwall.operations import FIREWALL, RELOADER, Operation

_OWN_MODULES = {"apply", "issue_token", "set_shadow"}
"""Operations of the API whose commands take files and spans of time."""


def _api(operations: Iterable[Operation]) -> dict[str, str]:
    """The commands that are made from operations of the API, each with its module."""
    names = (operation.name for operation in operations if operation.name not in _OWN_MODULES)
    return {name.replace("_", "-"): "made_commands" for name in names}


def _own(*names: str) -> dict[str, str]:
    """Commands with modules of their own."""
    return {name: name.replace("-", "_") for name in names}


MODULES = {
    **_own("init", "check", "fmt", "explain", "test", "run", "exec", "apply"),
    **_api(RELOADER),
    **_own("policy", "peers", "stats", "observe"),
    **_api(FIREWALL),
    **_own("grants", "doctor", "erlang-path", "shadow", "audit", "token", "redirect"),
}
"""All commands, in the order of the help, each with its module."""

app = typer.Typer(
    name="distwall",
    cls=group_of({name: f"distwall.cli.{module}" for name, module in MODULES.items()}),
    help="A firewall for Erlang distribution.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    **SETTINGS,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"distwall {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """A firewall for Erlang distribution."""


def main(args: list[str] | None = None) -> NoReturn:
    """Runs the command line and exits."""
    try:
        code = app(args, prog_name="distwall", standalone_mode=False)
    except CommandError as error:
        code = _fail(str(error), error.exit_code)
    except TyperException as error:
        code = _usage(error)
    except (Abort, KeyboardInterrupt):
        code = 1
    except BrokenPipeError:
        # The reader has seen enough. Python would complain again while it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _usage(error: TyperException) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message(), err=True)
        return error.exit_code
    command = context.command_path if context else "distwall"
    message = error.format_message().replace("Value error, ", "").strip().rstrip(".")
    return _fail(f"{message[:1].lower()}{message[1:]}; see {command} --help", error.exit_code)


def _fail(text: str, code: int) -> int:
    out = console(stderr=True)
    for line in text.splitlines():
        out.print("distwall:", style="bold red", end=" ")
        out.print(line, markup=False, soft_wrap=True)
    return code
