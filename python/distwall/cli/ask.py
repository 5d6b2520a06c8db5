"""``distwall peers`` and ``distwall stats``: ask the running firewall."""

from datetime import datetime
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from distwall.cli.output import ConfigOption, Output, OutputOption, console, print_json, say
from distwall.cli.remote import TokenOption, UrlOption, ask
from distwall.clock import utc

_VERDICTS = (("accept", "green"), ("deny", "red"), ("drop", "magenta"))


def peers(
    *,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """List the open channels of the running firewall."""
    found = ask(lambda client: client.peers(), config, url, token)
    if output is Output.JSON:
        print_json(found)
        return
    if not found:
        console().print("no peer is connected")
        return
    table = _table("PEER", "GUARD", "AT", "OPENED BY", "TLS", "FOR", "ENTRY")
    for verdict, style in _VERDICTS:
        table.add_column(verdict.upper(), justify="right", header_style=style)
    for peer in found:
        counts = [_count(peer[verdict], style) for verdict, style in _VERDICTS]
        about = ("peer", "guard", "source", "opened_by")
        columns = [*(peer[key] for key in about), "yes" if peer["tls"] else "no", _since(peer["since"]), peer["entry"]]
        table.add_row(*(Text(column) for column in columns), *counts)
    console().print(table)


def stats(
    peer: Annotated[str | None, typer.Argument(help="Only this peer.", show_default=False)] = None,
    *,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Count accepted, denied and dropped commands."""
    found = ask(lambda client: client.statistics(peer), config, url, token)
    if output is Output.JSON:
        print_json(found)
        return
    if not found.get("known", True):
        say(f"{peer} has not been connected since the start")
    table = _table("COMMAND")
    for direction in ("inbound", "outbound"):
        for verdict, style in _VERDICTS:
            table.add_column(f"{direction}\n{verdict.upper()}", justify="right", header_style=style)
    for command, inbound in found["inbound"].items():
        rows = (inbound, found["outbound"][command])
        table.add_row(command, *(_count(row[verdict], style) for row in rows for verdict, style in _VERDICTS))
    console().print(table)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        table.add_column(column, no_wrap=True)
    return table


def _count(number: int, style: str) -> Text:
    return Text(str(number), style=style if number else "dim")


def _since(start: str) -> str:
    seconds = int((utc() - datetime.fromisoformat(start)).total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{max(seconds, 0)}s"
