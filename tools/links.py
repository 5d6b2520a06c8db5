"""The links and headings of a Markdown page, as GitHub understands them."""

import posixpath
import re
from collections import Counter
from collections.abc import Callable

_CODE = re.compile(r"(^```.*?^```$|``.+?``|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<=\]\()(?!\w+:)([^)#\s]*)(#[^)\s]+)?(?=\))")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def links(text: str) -> list[tuple[str, str]]:
    """Return target and anchor of every link that leads to a place in the repository."""
    return [(match[1], (match[2] or "").removeprefix("#")) for match in _LINK.finditer(_CODE.sub("", text))]


def relinked(text: str, place: Callable[[str], str]) -> str:
    """Return the page with each target replaced by what ``place`` makes of it."""
    parts = _CODE.split(text)
    # A code span may be the text of a link, so links are found across the pieces between code: "](" stands behind it.
    return "".join(
        part if number % 2 else _LINK.sub(lambda match: (match[1] and place(match[1])) + (match[2] or ""), part)
        for number, part in enumerate(parts)
    )


def anchors(text: str) -> set[str]:
    """Return the anchors that the headings of the page have."""
    seen: Counter[str] = Counter()
    found = set()
    for heading in _HEADING.findall(re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)):
        words = re.sub(r"\[(.*?)\]\(.*?\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return found


def resolved(page: str, target: str) -> str:
    """Return the path in the repository that ``target`` means on ``page``."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), target)) if target else page
