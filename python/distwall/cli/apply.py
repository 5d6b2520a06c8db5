"""``distwall apply``: another policy for the running firewall, for good or on trial."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from distwall.cli.output import ConfigOption, Output, OutputOption, console, print_json, say
from distwall.cli.policy_file import given_seconds
from distwall.cli.remote import TokenOption, UrlOption, ask, policy_text

_STYLES = {"+": "green", "-": "red", "~": "yellow"}


def apply(
    file: Annotated[Path, typer.Argument(help="The policy.", show_default=False)],
    *,
    confirm_within: Annotated[
        str | None,
        typer.Option(
            "--confirm-within",
            help="On trial: without distwall confirm, the previous policy comes back after this time, as in 60s.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Check a policy, put it in force at once, and write it to the policy file of the running firewall."""
    seconds = None if confirm_within is None else given_seconds(confirm_within)
    text = policy_text(file)
    result = ask(lambda client: client.call("apply", text=text, confirm_within=seconds), config, url, token)
    if output is Output.JSON:
        print_json(result)
        return
    for line in result["changes"]:
        console().print(Text(line, _STYLES.get(line[:1], "")), soft_wrap=True)
    changes = result["changes"]
    what = "nothing changes" if not changes else f"{len(changes)} {'change' if len(changes) == 1 else 'changes'}"
    if seconds is None:
        say(f"revision {result['revision']} is in force: {what}")
    else:
        say(f"revision {result['revision']} is in force for {confirm_within}: {what}; distwall confirm keeps it")
