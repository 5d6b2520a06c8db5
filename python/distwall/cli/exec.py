"""``distwall exec``: starts a program guarded."""

import os
from typing import Annotated

import typer

from distwall.cli.output import CommandError, ConfigOption
from distwall.cli.policy_file import find_config, unreadable
from distwall.launch import NotGuardedError, prepare, read_settings

CONTEXT_SETTINGS = {"allow_interspersed_args": False}
"""Words behind the program are the program's own, even if they look like options."""


def exec_(
    command: Annotated[list[str], typer.Argument(help="The program and its arguments.", show_default=False)],
    config: ConfigOption = None,
) -> None:
    """Start a program (erl, iex, a release, rabbitmq-server) whose node is guarded."""
    path = find_config(config)
    try:
        environment = prepare(command, os.environ, read_settings(path))
        os.execvpe(command[0], command, environment)  # noqa: S606
    except NotGuardedError as refusal:
        raise CommandError(str(refusal), exit_code=2) from None
    except OSError as error:
        if error.filename == str(path):
            raise CommandError(unreadable(path, error), exit_code=2) from None
        raise CommandError(f"{command[0]}: can't start it: {error.strerror}; correct its path", exit_code=2) from None
