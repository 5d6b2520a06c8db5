"""``distwall peers``: the open channels of the running firewall."""

from datetime import datetime
from typing import Any

from rich.text import Text

from distwall.audit.plain_words import word
from distwall.cli.output import (
    VERDICTS,
    ConfigOption,
    Output,
    OutputOption,
    console,
    count_text,
    empty_table,
    print_json,
)
from distwall.cli.remote import TokenOption, UrlOption, ask, warn_of_refusal
from distwall.clock import utc


def peers(
    *,
    config: ConfigOption = None,
    url: UrlOption = None,
    token: TokenOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """List the open channels of the running firewall.

    Exit code 1: the policy file has errors, and another policy than the file's is in force.
    """
    found, refused = ask(lambda client: (client.peers(), client.get("policy")["refused"]), config, url, token)
    if output is Output.JSON:
        print_json(found)
    else:
        _show(found)
    warn_of_refusal(refused)


def _show(found: list[dict[str, Any]]) -> None:
    if not found:
        console().print("no peer is connected")
        return
    table = empty_table("PEER", "GUARD", "AT", "OPENED BY", "TLS", "FOR", "ENTRY")
    for verdict, style in VERDICTS:
        table.add_column(verdict.upper(), justify="right", header_style=style)
    for peer in found:
        counts = [count_text(peer[verdict], style) for verdict, style in VERDICTS]
        about = ("peer", "guard", "source", "opened_by")
        columns = [*(peer[key] for key in about), "yes" if peer["tls"] else "no", _since(peer["since"]), peer["entry"]]
        table.add_row(*(Text(word(column)) for column in columns), *counts)
    console().print(table)


def _since(start: str) -> str:
    seconds = int((utc() - datetime.fromisoformat(start)).total_seconds())
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{max(seconds, 0)}s"
