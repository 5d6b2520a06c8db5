"""All pages of the documentation, and their blocks of code."""

import re
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
PAGES = [*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md")]


def blocks(language: str) -> list[tuple[str, str]]:
    """``(page, text)`` of the code blocks in a language."""
    return [
        (page.name, text)
        for page in PAGES
        for text in re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    ]
