"""Common functions of commands that ask a running firewall: its address, and its answers."""

from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.text import Text

from distwall.cli.output import CommandError, ConfigOption, Output, complain, console, print_json
from distwall.cli.policy_file import own_path, unreadable
from distwall.files import regular_file
from distwall.http_api.client import CallError, Client, NotRunningError

T = TypeVar("T")

UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="DISTWALL_URL",
        help="Ask over TCP, as in http://127.0.0.1:4380. Default: the socket of the policy file.",
        show_default=False,
    ),
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="DISTWALL_TOKEN",
        help="The token for --url; better in DISTWALL_TOKEN, since other users see command lines.",
        show_default=False,
        show_envvar=False,
    ),
]


def ask(question: Callable[[Client], T], config: ConfigOption, url: str | None, token: str | None) -> T:
    """Asks the running firewall. Raises CommandError."""
    where: Path | str = url or own_path(config, "control", "socket")
    try:
        return question(Client(where, token))
    except NotRunningError as error:
        raise CommandError(str(error)) from None
    except CallError as error:
        raise CommandError(str(error), exit_code=2 if error.status == HTTPStatus.BAD_REQUEST else 1) from None


def warn_of_refusal(refused: dict[str, Any] | None) -> None:
    """Says on stderr that the policy file is not in force, and ends the command with exit code 1, if it is refused."""
    if refused is None:
        return
    complain(f"the policy file is refused since {refused['at']}; the policy from before stays in force:")
    for problem in refused["problems"]:
        complain(problem)
    raise typer.Exit(1)


def policy_text(file: Path) -> str:
    """The text of a policy, for the running firewall to check. Raises CommandError."""
    try:
        return regular_file.read(file).decode("utf-8")
    except OSError as error:
        raise CommandError(unreadable(file, error), exit_code=2) from None
    except UnicodeDecodeError:
        raise CommandError(f"{file}: is not UTF-8 text; name a policy file", exit_code=2) from None


def tell(result: Any, output: Output, human: str | Text) -> None:
    """Prints the answer to a call."""
    if output is Output.JSON:
        print_json(result)
    else:
        console().print(human if isinstance(human, Text) else Text(human), soft_wrap=True)
