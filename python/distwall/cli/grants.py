"""``distwall grants``: temporary access in force."""

from rich.text import Text

from distwall.audit.plain_words import word
from distwall.cli.output import ConfigOption, Output, OutputOption, console, empty_table, print_json
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
    shown = empty_table("NODE", "TABLE", "GUARD", "UNTIL", "BY", "REASON", wrapped="REASON")
    for each in found:
        columns = ("node", "table", "guard", "until", "actor", "reason")
        shown.add_row(*(Text(word(each[name] or "all")) for name in columns))
    console().print(shown)
