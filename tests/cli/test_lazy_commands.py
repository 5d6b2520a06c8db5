"""Each command imports what it needs, and no more: a shell waits for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

LARGE = ["asyncio", "httpx", "uvloop", "distwall.control", "distwall.gateway", "distwall.policy"]


def imported(*words: str) -> set[str]:
    """The large modules that a command imports."""
    code = (
        "import sys\nfrom distwall.cli import main\n"
        f"try: main({list(words)!r})\nexcept SystemExit as end: assert end.code == 0, end.code\n"
        f"print('imported', *(set({LARGE!r}) & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        (["--version"], set()),
        (["check", "--help"], {"distwall.policy"}),
        (["peers", "--help"], {"distwall.policy", "httpx"}),
        (["add-filter", "--help"], {"distwall.policy", "httpx"}),
    ],
)
def test_a_command_imports_what_it_needs(words: list[str], needed: set[str]) -> None:
    assert imported(*words) <= needed


def test_the_help_of_all_commands_is_there() -> None:
    assert "distwall.control" in {*LARGE, *imported("--help")}
