"""CI and the commit hooks run commands that exist, and actions whose code can't change under them."""

import re

from tools.pages import TOP

WORKFLOWS = [*(TOP / ".github" / "workflows").glob("*.yml"), *(TOP / ".github" / "actions").rglob("*.yml")]
TARGETS = set(re.findall(r"^([a-z-]+):", (TOP / "Makefile").read_text(), re.MULTILINE))


def test_actions_of_others_are_pinned_to_a_commit() -> None:
    used = [use for file in WORKFLOWS for use in re.findall(r"uses: (.*)", file.read_text())]
    assert [use for use in used if "/checkout@" in use]
    pinned = re.compile(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+|\./\.github/actions/\w+")
    assert [use for use in used if not pinned.fullmatch(use)] == []


def test_targets_of_make_exist_wherever_they_are_named() -> None:
    """In CI as commands; in the pages as ``make NAME`` between backquotes, or at the head of a line."""
    scripts = [*WORKFLOWS, TOP / ".ci" / "run"]
    pages = [*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md"), *(TOP / ".github").rglob("*.md")]
    run = {name for file in scripts for name in _named(r"^(?:\s*- run: )?make ([a-z -]+)$", file.read_text())}
    told = {name for page in pages for name in _named(r"(?:`|^)make ([a-z-]+(?: [a-z-]+)*)", page.read_text())}
    assert {"check", "test", "docs", "wheel", "deny"} <= run
    assert run | told <= TARGETS


def _named(pattern: str, text: str) -> list[str]:
    return " ".join(re.findall(pattern, text, re.MULTILINE)).split()


def test_hooks_call_files_that_exist() -> None:
    entries = re.findall(r"entry: (.*)", (TOP / ".pre-commit-config.yaml").read_text())
    assert entries
    for entry in entries:
        for word in re.findall(r"(?:scripts|tests)/[\w./-]+", entry):
            assert (TOP / word).exists(), entry
