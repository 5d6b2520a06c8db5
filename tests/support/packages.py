"""What tests need of the system."""

import subprocess
from functools import cache

from tests.support.node import TOP


@cache
def need(*packages: str) -> None:
    """Installs Debian packages that are missing. Raises CalledProcessError if they can't be had."""
    subprocess.run([TOP / "scripts" / "need", *packages], check=True)
