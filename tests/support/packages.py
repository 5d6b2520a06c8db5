"""Installs packages that tests need."""

import subprocess
from functools import cache
from pathlib import Path

from tests.support.node import TOP

RABBITMQ = Path("/usr/lib/rabbitmq/bin")
"""The folder of RabbitMQ's own scripts, once its package is installed."""


@cache
def need(*packages: str) -> None:
    """Installs Debian packages that are missing. Raises CalledProcessError if they are not available."""
    subprocess.run([TOP / "scripts" / "need", *packages], check=True)
