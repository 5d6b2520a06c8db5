"""Tests of the log itself."""

import pytest


@pytest.fixture(autouse=True)
def only_known_events() -> None:
    """These tests make up kinds of events."""
