"""Events and their lines: safe whatever a peer put into a name."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distwall.audit.event import MAX_ITEMS, MAX_TEXT, event, text

NOW = datetime(2026, 11, 23, 7, 5, 9, 120_999, tzinfo=UTC)


def test_time_and_kind_come_first() -> None:
    made = event("refused", {"peer": "foo@h", "folded": 0}, 7, NOW)
    assert list(made.items()) == [
        ("v", 1),
        ("seq", 7),
        ("time", "2026-11-23T07:05:09.120Z"),
        ("event", "refused"),
        ("peer", "foo@h"),
        ("folded", 0),
    ]


def test_time_is_utc() -> None:
    assert event("x", {}, 1, NOW.astimezone(timezone(timedelta(hours=5))))["time"] == "2026-11-23T07:05:09.120Z"
    assert event("x", {}, 1)["time"].endswith("Z")


def test_what_is_no_text_becomes_some() -> None:
    made = event("x", {"a": b"\xff\xe2\x82\xac", "b": "\udcff", "c": ("d", {"e": b"f"}), "g": None, "h": 1.5}, 1)
    assert made["a"] == "\\xff€"
    assert made["b"] == "\\udcff"
    assert made["c"] == ["d", {"e": "f"}]
    assert (made["g"], made["h"]) == (None, 1.5)


def test_long_texts_are_cut() -> None:
    assert event("x", {"a": "é" * (MAX_TEXT + 1)}, 1)["a"] == "é" * MAX_TEXT + "…"
    assert len(event("x", {"a": b"a" * (1 << 20)}, 1)["a"]) == MAX_TEXT + 1


def test_long_lists_are_cut() -> None:
    assert event("x", {"a": ["b"] * (MAX_ITEMS + 2)}, 1)["a"] == ["b"] * MAX_ITEMS + ["…"]


def test_a_line_is_printable_ascii() -> None:
    data = text(event("x", {"a": '\x00\x1b[31m\x7f\x85\u2028\n"\\é'}, 1, NOW))
    assert all(0x20 <= byte < 0x7F for byte in data)
    assert json.loads(data)["a"] == '\x00\x1b[31m\x7f\x85\u2028\n"\\é'


@settings(deadline=None)
@given(st.recursive(st.none() | st.integers() | st.text() | st.binary(), lambda inner: st.lists(inner, max_size=3)))
def test_any_value_is_one_line_of_json(value: Any) -> None:
    data = text(event("x", {"value": value}, 1))
    assert b"\n" not in data
    json.loads(data)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_lacks_are_texts(number: float) -> None:
    made = event("api_call", {"arguments": {"seconds": number, "all": [number]}}, 1)
    assert json.loads(text(made))["arguments"] == {"seconds": str(number), "all": [str(number)]}
