"""Tables of a Markdown page that are made from results or declarations, between comments that name them."""

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

_TABLE = re.compile(r"(?<=<!-- table: )([\w ]+)( -->\n).*?(?=<!-- end of table -->)", re.DOTALL)


def filled(page: Path, tables: Mapping[str, Callable[[], str]]) -> str:
    """Return the text of the page with new tables; the text around them stays."""
    return _TABLE.sub(lambda match: f"{match[1]}{match[2]}\n{tables[match[1]]()}\n", page.read_text(encoding="utf-8"))


def table(head: Iterable[str], rows: Iterable[Iterable[str]], *, figures: bool = True) -> str:
    """Return a table. ``figures``: all columns but the first hold figures."""
    titles = list(head)
    lines = [titles, ["---"] + ["---:" if figures else "---"] * (len(titles) - 1), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
