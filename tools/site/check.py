"""Checks what the generator does not: that every page has a place in the nav, and what the built pages point at."""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


def outside_the_nav(nav: list[Any], pages: set[str]) -> list[str]:
    """Return the faults of the nav: pages that it lacks, and entries without a page."""
    named = list(_named(nav))
    lost = [f"{page}: not in the nav of zensical.toml" for page in sorted(pages - set(named))]
    void = [f"{page}: in the nav of zensical.toml, but no such page" for page in sorted(set(named) - pages)]
    twice = [
        f"{page}: more than once in the nav of zensical.toml" for page in sorted(set(named)) if named.count(page) > 1
    ]
    return lost + void + twice


def _named(entry: Any) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    else:
        for inner in entry.values() if isinstance(entry, dict) else entry:
            yield from _named(inner)


class _Page(HTMLParser):
    """The anchors of a page, what it links to, and what a browser loads for it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value for name, value in attrs if value}
        self.ids |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a":
            self.links += [given[name] for name in ("href",) if name in given]
        else:
            self.loads += [given[name] for name in ("href", "src") if name in given]


def broken(site: Path) -> list[str]:
    """Return the faults of the built pages: links to nowhere, and files that a browser would fetch from elsewhere."""
    pages = {file: _Page(file.read_text(encoding="utf-8")) for file in sorted(site.rglob("*.html"))}
    found = []
    for file, page in pages.items():
        where = file.relative_to(site)
        found += [f"{where}: loads {url}" for url in page.loads if urlsplit(url).netloc]
        for link in page.links + page.loads:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or file.name == "404.html":
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            target = target / "index.html" if target.is_dir() else target
            anchor = unquote(parts.fragment)
            if not target.is_file():
                found.append(f"{where}: {link} leads nowhere")
            elif anchor and target in pages and anchor not in pages[target].ids:
                found.append(f"{where}: {link} has no such anchor")
    return found
