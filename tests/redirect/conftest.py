"""What these tests need of the system: root, nftables, iproute2."""

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.redirect.space import Host, Pair

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def tools() -> None:
    """Installs ``nft`` and ``ip`` if they are missing."""
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    # Several workers of pytest come here at once, and apt wants to be alone.
    with (Path(tempfile.gettempdir()) / "distwall-test-tools").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (shutil.which("nft") and shutil.which("ip")):
            subprocess.run([TOP / "scripts" / "need", "nftables", "iproute2"], check=True)
    try:
        Host({}).close()
    except PermissionError as error:
        pytest.skip(str(error))


@pytest.fixture
def pair(tools: None) -> Iterator[Pair]:
    """Two hosts that know each other as ``a.test`` and ``b.test``."""
    with Pair({"a.test": "10.231.7.1", "b.test": "10.231.7.2"}) as hosts:
        yield hosts
