"""Scenes as fixtures."""

from collections.abc import Iterator

import pytest

from tests.nodes.harness import Scene

pytest.register_assert_rewrite("tests.nodes.ordinary")


@pytest.fixture
def direct() -> Iterator[Scene]:
    """A scene without distwall."""
    with Scene(None) as scene:
        yield scene
