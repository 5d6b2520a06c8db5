"""Spans of time and sizes."""

from datetime import timedelta

import pytest

from distwall.policy.language.units import size, span


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("15m", 900), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600)]
)
def test_spans_are_read(text: str, seconds: int) -> None:
    assert span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "0s", "5", "d", "1.5h", "-1s", "1 d", "1dd", "9999999999s", "１d"])
def test_what_is_no_span_is_none(text: str) -> None:
    assert span(text) is None


@pytest.mark.parametrize(("text", "count"), [("65536", 65_536), ("5kB", 5000), ("100MB", 10**8), ("2GiB", 2 << 30)])
def test_sizes_are_read(text: str, count: int) -> None:
    assert size(text) == count


@pytest.mark.parametrize("text", ["", "0", "MB", "1TB", "1mb", "1.5GB", "-1", "1kkB", "99999999999999"])
def test_what_is_no_size_is_none(text: str) -> None:
    assert size(text) is None
