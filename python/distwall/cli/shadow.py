"""``distwall shadow``: another policy that judges beside the policy in force, without effect."""

from pathlib import Path
from typing import Annotated, Any

import typer

from distwall.cli.event_options import LastOption, show
from distwall.cli.output import ConfigOption, Output, OutputOption, console, print_json
from distwall.cli.remote import TokenOption, UrlOption, ask, policy_text, tell
from distwall.http_api.client import Client

_REASONS = ("shadow:accept", "shadow:deny", "shadow:drop")

app = typer.Typer(name="shadow", help="Try a policy without effect, beside the policy in force.", no_args_is_help=True)


@app.command("set")
def set_(
    file: Annotated[Path, typer.Argument(help="The policy.", show_default=False)],
    *,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Add a shadow policy: it judges without effect; differences from the policy in force are counted and shown."""
    text = policy_text(file)
    result = ask(lambda client: client.call("set_shadow", text=text), config, url, token)
    tell(
        result,
        output,
        f"revision {result['revision']} is the shadow policy; distwall shadow show shows its different decisions",
    )


@app.command()
def clear(
    *,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Remove the shadow policy."""
    result = ask(lambda client: client.call("set_shadow", text=None), config, url, token)
    tell(result, output, "the shadow policy is removed")


@app.command("show")
def show_(
    *,
    last: LastOption = 20,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Show how often the shadow policy differed, and the latest differences."""

    def question(client: Client) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        events = client.events({"reason": _REASONS, "last": last, "follow": False})
        return client.get("shadow"), list(events)

    found, events = ask(question, config, url, token)
    if output is Output.JSON:
        print_json({**found, "latest": events})
        return
    if found["revision"] is None:
        console().print("there is no shadow policy")
        return
    for event in events:
        show(event, output)
    console().print(f"revision {found['revision']}: {found['differences']} different decisions")
