"""The grounds of the doctor's tests."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doctor.scene import DoctorScene, own_network
from tests.support.packages import need


@pytest.fixture
def scene() -> Iterator[DoctorScene]:
    """A network of its own, and a folder with a sound policy: one that other users can reach, unlike ``tmp_path``."""
    # Here, where there is a network.
    need("rabbitmq-server", "nftables")
    try:
        with (
            own_network(),
            tempfile.TemporaryDirectory(prefix="distwall-", ignore_cleanup_errors=True) as folder,
            DoctorScene(Path(folder)) as made,
        ):
            yield made
    except PermissionError as error:
        pytest.skip(str(error))
