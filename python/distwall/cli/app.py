"""Puts the commands together and turns every failure into one line and an exit code."""

import os
import sys
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer
from typer.exceptions import Abort, TyperException

from distwall import __version__
from distwall.cli.apply import apply
from distwall.cli.audit import app as audit
from distwall.cli.check import check
from distwall.cli.doctor import doctor
from distwall.cli.erlang_path import erlang_path
from distwall.cli.exec import exec_
from distwall.cli.explain import explain
from distwall.cli.fmt import fmt
from distwall.cli.grants import grants
from distwall.cli.init import init
from distwall.cli.made_commands import commands
from distwall.cli.observe import observe
from distwall.cli.output import CommandError, console
from distwall.cli.peers import peers
from distwall.cli.policy import policy
from distwall.cli.redirect import app as redirect
from distwall.cli.run import run
from distwall.cli.shadow import app as shadow
from distwall.cli.stats import stats
from distwall.cli.test import test_
from distwall.cli.token import app as token
from distwall.operations import FIREWALL, RELOADER

app = typer.Typer(
    name="distwall",
    help="A firewall for Erlang distribution.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
offered: tuple[Callable[..., None], ...] = (
    init,
    check,
    fmt,
    explain,
    test_,
    run,
    exec_,
    apply,
    *commands(RELOADER),
    policy,
    peers,
    stats,
    observe,
    *commands(FIREWALL),
    grants,
    doctor,
    erlang_path,
)
for command in offered:
    # Words behind the program of exec are the program's own, even if they look like options.
    own_words = {"allow_interspersed_args": False} if command is exec_ else {}
    app.command(command.__name__.strip("_").replace("_", "-"), context_settings=own_words)(command)
for group in (shadow, audit, token, redirect):
    app.add_typer(group)


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
