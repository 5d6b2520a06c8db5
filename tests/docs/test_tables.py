"""Tables in pages are made from kept results."""

import json
from pathlib import Path

import pytest

from tools.otp_results import record
from tools.tables import filled, table

JUNIT = """<?xml version="1.0"?>
<testsuites><testsuite name="pytest" errors="1" failures="2" skipped="4" tests="20" time="1.0"/></testsuites>
"""


def test_tables_are_filled_and_the_text_around_them_stays(tmp_path: Path) -> None:
    page = tmp_path / "x.md"
    page.write_text(
        "a\n<!-- table: one -->\nold\n<!-- end of table -->\nb\n<!-- table: two -->\n<!-- end of table -->\n"
    )
    new = filled(page, {"one": lambda: table(("", "x"), [("r", "1")]), "two": lambda: "| |\n"})
    assert new == (
        "a\n<!-- table: one -->\n\n|  | x |\n| --- | ---: |\n| r | 1 |\n\n<!-- end of table -->\nb\n"
        "<!-- table: two -->\n\n| |\n\n<!-- end of table -->\n"
    )
    page.write_text(new)
    assert filled(page, {"one": lambda: table(("", "x"), [("r", "1")]), "two": lambda: "| |\n"}) == new


def test_a_table_that_nobody_makes_is_an_error(tmp_path: Path) -> None:
    page = tmp_path / "x.md"
    page.write_text("<!-- table: other -->\n<!-- end of table -->\n")
    with pytest.raises(KeyError):
        filled(page, {})


def test_the_outcome_of_a_run_replaces_the_earlier_one_of_its_pair(tmp_path: Path) -> None:
    kept, junit = tmp_path / "kept.json", tmp_path / "junit.xml"
    old = {"date": "2000-01-01", "passed": 1, "failed": 0}
    kept.write_text(json.dumps({"b:b": old, "c:c": old}))
    junit.write_text(JUNIT)
    for pair in ("b:b", "a:a"):
        record(pair, junit, kept)
    results = json.loads(kept.read_text())
    assert list(results) == ["a:a", "b:b", "c:c"]
    assert results["c:c"] == old
    for pair in ("a:a", "b:b"):
        assert (results[pair]["passed"], results[pair]["failed"]) == (13, 3)
        assert results[pair]["date"] > old["date"]
