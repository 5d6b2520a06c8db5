"""``distwall grants``: temporary access in force."""

from rich.table import Table
from rich.text import Text

from distwall.cli.output import ConfigOption, Output, OutputOption, console, print_json
from distwall.cli.remote import TokenOption, UrlOption, ask


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
