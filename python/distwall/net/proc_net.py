"""The tables of /proc/net, in the network namespace of the calling thread."""

from pathlib import Path

_NET = Path("/proc/thread-self/net")


def lines(name: str) -> list[str]:
    """The lines of one table; none if it can't be read."""
    try:
        return [line for line in (_NET / name).read_text().splitlines() if line.strip()]
    except OSError:
        return []
