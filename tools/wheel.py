"""Checks a built wheel: ``python -m tools.wheel FILE`` (``make wheel``). Exit code 1 if it lacks a file of distwall."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from zipfile import ZipFile

from tools.pages import TOP

PACKAGE = "python/distwall/"


def missing(names: Iterable[str]) -> list[str]:
    """Return the files that a wheel with these files lacks: sources that git knows, modules made of them, the core."""
    listed = subprocess.run(["git", "ls-files", PACKAGE], cwd=TOP, check=True, capture_output=True, text=True).stdout
    sources = {line.removeprefix("python/") for line in listed.splitlines()}
    beams = {
        source.replace("distwall/erlang/", "distwall/erlang/ebin/").replace(".erl", ".beam")
        for source in sources
        if source.endswith(".erl")
    }
    return sorted((sources | beams | {"distwall/_core.abi3.so"}) - set(names))


def main(arguments: list[str]) -> int:
    """Check the wheels that are named; return the exit code."""
    faults = []
    for file in map(Path, arguments):
        with ZipFile(file) as wheel:
            faults += [f"{file.name}: {name} is missing" for name in missing(wheel.namelist())]
    for fault in faults:
        sys.stderr.write(f"wheel: {fault}\n")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
