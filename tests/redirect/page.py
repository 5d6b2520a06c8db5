"""The blocks of code on docs/redirect.md."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "redirect.md"


def blocks(language: str) -> list[str]:
    """The blocks of code on the page."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
