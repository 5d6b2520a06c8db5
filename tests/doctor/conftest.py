"""The grounds of the doctor's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doctor.ground import Ground, own_network


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """A network of its own, and a folder with a sound policy."""
    try:
        with own_network(), Ground(tmp_path) as made:
            yield made
    except PermissionError as error:
        pytest.skip(str(error))
