"""``distwall run``: the firewall itself."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from distwall.cli.output import CommandError, ConfigOption, warn
from distwall.cli.policy_file import load_policy
from distwall.files.settled_file import is_open_for_writing
from distwall.policy import warnings

_MAX_WARNINGS = 10


def run(
    config: ConfigOption = None,
    shadow: Annotated[
        Path | None,
        typer.Option(help="A shadow policy: it judges without effect, and its differences are reported."),
    ] = None,
    events: Annotated[
        bool | None,
        typer.Option("--events/--no-events", help="Show events on stderr. Default: if stderr is a terminal."),
    ] = None,
) -> None:
    """Run the firewall until SIGTERM or SIGINT."""
    # The help of all commands needs neither sockets nor the HTTP server.
    from distwall.cli.foreground_run import serve  # noqa: PLC0415

    policy = load_policy(config)
    if is_open_for_writing(policy.path):
        raise CommandError(f"{policy.path}: somebody is still writing it; start distwall when that is over")
    found = warnings(policy)
    for warning in found[:_MAX_WARNINGS]:
        warn(warning)
    if (more := len(found) - _MAX_WARNINGS) > 0:
        warn(f"and {more} more; distwall check {policy.path} shows all")
    shadow_policy = None if shadow is None else load_policy(shadow)
    serve(policy, shadow=shadow_policy, show_events=sys.stderr.isatty() if events is None else events)
