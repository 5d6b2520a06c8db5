"""``make demo`` shows what it says."""

import subprocess
import sys

from tests.support.node import TOP


def test_the_demo_is_as_it_should_be() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "demo"], cwd=TOP, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "As it should be" in done.stdout
