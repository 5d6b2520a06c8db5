"""Temporary access, and its opposite: ``grant``, ``revoke``, ``grants``, ``disconnect``."""

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from distwall.cli.filters import TableArgument
from distwall.cli.output import ConfigOption, Output, OutputOption, console, print_json
from distwall.cli.remote import GuardOption, NodeArgument, TokenOption, UrlOption, ask, tell


def grant(
    node: NodeArgument,
    table: TableArgument,
    seconds: Annotated[float, typer.Argument(help="Seconds until it ends.", show_default=False)],
    *,
    reason: Annotated[str, typer.Option("--reason", help="The reason, for the audit log.", show_default=False)],
    guard: GuardOption = None,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Grant a table to a peer for a while; its rules decide before all others."""
    result = ask(
        lambda client: client.call("grant", node=node, table=table, seconds=seconds, reason=reason, guard=guard),
        config,
        url,
        token,
    )
    tell(result, output, f"{node}: table {table} is granted until {result['until']}")


def revoke(
    node: NodeArgument,
    table: TableArgument,
    *,
    guard: GuardOption = None,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """End a grant before its time."""
    result = ask(lambda client: client.call("revoke", node=node, table=table, guard=guard), config, url, token)
    tell(result, output, f"{node}: table {table} is revoked")


def grants(
    *,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """List the grants in force, each with its peer, reason, author and end."""
    found = ask(lambda client: client.get("grants"), config, url, token)
    if output is Output.JSON:
        print_json(found)
        return
    if not found:
        console().print("nothing is granted")
        return
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in ("NODE", "TABLE", "GUARD", "UNTIL", "BY", "REASON"):
        shown.add_column(column, no_wrap=column != "REASON")
    for each in found:
        columns = ("node", "table", "guard", "until", "actor", "reason")
        shown.add_row(*(Text(str(each[name] or "all")) for name in columns))
    console().print(shown)


def disconnect(
    node: NodeArgument,
    *,
    guard: GuardOption = None,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """End the channels of a peer; it may connect again."""
    result = ask(lambda client: client.call("disconnect", node=node, guard=guard), config, url, token)
    closed = result["closed"]
    tell(result, output, f"{node}: {closed} {'channel is' if closed == 1 else 'channels are'} closed")
