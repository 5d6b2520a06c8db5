"""Writes the pages that are made from code and data: ``python -m tools.pages`` (``make pages``)."""

from collections.abc import Callable
from pathlib import Path

from tools import attacks_page, cli_page, event_pages, operation_pages, otp_results, performance_page, service_pages

TOP = Path(__file__).resolve().parents[1]

PAGES: dict[str, Callable[[], str]] = {
    "docs/events.md": event_pages.page,
    "docs/events.schema.json": event_pages.schema_file,
    "docs/attacks.md": attacks_page.page,
    "docs/api.md": operation_pages.api_page,
    "docs/cli.md": cli_page.page,
    "docs/erlang.md": operation_pages.erlang_page,
    "docs/performance.md": performance_page.page,
    "docs/testing.md": otp_results.page,
}
"""The maker of each page, by its path. Services have a whole folder of pages."""


def main() -> None:
    """Write them all."""
    for path, make in PAGES.items():
        (TOP / path).write_text(make(), encoding="utf-8")
    service_pages.write()


if __name__ == "__main__":
    main()
