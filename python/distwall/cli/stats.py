"""``distwall stats``: the commands that the running firewall has counted."""

from typing import Annotated

import typer

from distwall.cli.output import (
    VERDICTS,
    ConfigOption,
    Output,
    OutputOption,
    console,
    count_text,
    empty_table,
    print_json,
    say,
)
from distwall.cli.remote import TokenOption, UrlOption, ask


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
    table = empty_table("COMMAND")
    for direction in ("inbound", "outbound"):
        for verdict, style in VERDICTS:
            table.add_column(f"{direction}\n{verdict.upper()}", justify="right", header_style=style)
    for command, inbound in found["inbound"].items():
        rows = (inbound, found["outbound"][command])
        table.add_row(command, *(count_text(row[verdict], style) for row in rows for verdict, style in VERDICTS))
    console().print(table)
