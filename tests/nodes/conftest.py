"""Scenes as fixtures."""

from collections.abc import Iterator

import pytest

from tests.support.scene import Scene


@pytest.fixture
def direct() -> Iterator[Scene]:
    """A scene without distwall."""
    with Scene(None) as scene:
        yield scene
