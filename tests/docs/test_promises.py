"""Each promise of the threat model names the tests that would fail if it were broken."""

import ast
import functools
import re
from pathlib import Path

import pytest

from tests.docs.pages import TOP

PAGE = TOP / "docs" / "threat-model.md"
LINK = re.compile(r"\[([^\]]*)\]\(([^)]*)\)")


def section(text: str, title: str) -> str:
    """The text under a heading of the second level."""
    return re.split(r"^## ", text.partition(f"## {title}\n")[2], flags=re.MULTILINE)[0]


@functools.cache
def names_of_tests(path: Path) -> set[str]:
    """The names of the tests in a module."""
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def rows(text: str, title: str) -> list[list[str]]:
    """The cells of the table in a section."""
    lines = [line for line in section(text, title).splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def bad_links(row: str, named: str) -> list[str]:
    """What is wrong with a list of links to tests."""
    links = LINK.findall(named)
    found = []
    if not links or LINK.sub("", named).strip(", "):
        found.append(f"{row}: not a list of links")
    for name, target in links:
        file = (PAGE.parent / target).resolve()
        if not file.is_relative_to(TOP / "tests") or not file.is_file():
            found.append(f"{target}: no such file of tests")
        elif name.strip("`") not in names_of_tests(file):
            found.append(f"{target}: no {name}")
    return found


def faults(text: str) -> list[str]:
    """What is wrong with the tables."""
    promises = re.findall(r"^(\d+)\. \*\*", section(text, "Promises"), re.MULTILINE)
    behind = rows(text, "Tests behind the promises")
    found = [f"promise {number}: no test" for number in promises if number not in {row[0] for row in behind}]
    found += [f"promise {row[0]}: there is none" for row in behind if row[0] not in promises]
    for number, part, named in behind:
        found += bad_links(f"promise {number}, {part}", named)
    for *_, fault, named in rows(text, "What attackers found"):
        found += bad_links(fault, named)
    return found if promises else ["no promises"]


def test_each_promise_has_tests_and_they_exist() -> None:
    assert faults(PAGE.read_text()) == []


@pytest.mark.parametrize(
    ("change", "by", "found"),
    [
        (r"^\| 9 \|.*\n", "", "promise 9: no test"),
        (r"^\| 9 \|", "| 99 |", "promise 99: there is none"),
        (r"`test_a_grant_that_has_ended_stays_ended`", "`test_of_nothing`", "no `test_of_nothing`"),
        (r"control/test_wall_clock\.py", "control/test_no_clock.py", "test_no_clock.py: no such file of tests"),
        (r"\.\./tests/control/test_wall_clock\.py", "rules.md", "rules.md: no such file of tests"),
        (r"^(\| 9 \| the clock \|).*", r"\1 many |", "promise 9, the clock: not a list of links"),
        (r"^\d+\. \*\*", "", "no promises"),
        (r"^10\. \*\*", "11. **", "promise 11: no test"),
        (r"`test_an_alias_stays_its_processs`", "`test_of_no_alias`", "no `test_of_no_alias`"),
    ],
)
def test_a_fault_is_found(change: str, by: str, found: str) -> None:
    text, count = re.subn(change, by, PAGE.read_text(), flags=re.MULTILINE)
    assert count
    assert any(found in fault for fault in faults(text)), faults(text)
