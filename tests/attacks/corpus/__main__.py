"""Writes docs/attacks.md."""

from pathlib import Path

from tests.attacks.corpus.page import page

if __name__ == "__main__":
    (Path(__file__).parents[3] / "docs" / "attacks.md").write_text(page())
