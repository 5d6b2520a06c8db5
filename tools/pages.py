"""Writes the pages that are made from code and data: ``python -m tools.pages`` (``make pages``)."""

from collections.abc import Callable
from pathlib import Path

from bench import page as performance
from distwall.audit import reference
from tests.attacks.corpus.page import page as attacks_page
from tools import cli_page, operation_pages, otp_results

TOP = Path(__file__).resolve().parents[1]

PAGES: dict[str, Callable[[], str]] = {
    "docs/events.md": reference.page,
    "docs/events.schema.json": reference.schema_file,
    "docs/attacks.md": attacks_page,
    "docs/api.md": operation_pages.api_page,
    "docs/cli.md": cli_page.page,
    "docs/erlang.md": operation_pages.erlang_page,
    "docs/performance.md": performance.page,
    "docs/testing.md": otp_results.page,
}
"""The maker of each page, by its path. (``scripts/service-pages`` makes a whole folder, and so stands apart.)"""


def main() -> None:
    """Write them all."""
    for path, make in PAGES.items():
        (TOP / path).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
