"""Instructions of the core for one command: ``python -m bench.instructions [--update]``.

A rate depends on who else uses the machine. Instructions, counted by valgrind's callgrind, are the same on a busy one.
Each case is played at two lengths, and the difference leaves out what setting up costs.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

TOP = Path(__file__).resolve().parents[1]
REFERENCE = TOP / "bench" / "results" / "core-instructions.json"
BUILD = ["cargo", "build", "--quiet", "--release", "--locked", "--package", "distwall-wire"]
BUILD += ["--example", "commands_per_second", "--message-format", "json"]
CALLGRIND = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]

CHUNKS = (4, 20)
"""The two lengths, in chunks of 64 KiB. Longer ones give the same figures to a tenth of an instruction."""
GROWTH = 1.03
"""Allowed growth of a case, as a part of its reference, with the reference's toolchain."""
GROWTH_ELSEWHERE = 1.25
"""Allowed growth with another toolchain, whose code differs a little."""
GOALS = {"send": 800, "reg_send": 800, "reg_send, gen_call": 1400, "spawn_request, erpc": 1600}

# libc chooses how it copies by what the CPU can do; so chosen, every x86-64 does it alike.
NO_EXTENSIONS = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-BMI2,-ERMS,-FSRM,-AVX_Fast_Unaligned_Load"

Counts = dict[str, float]


def main() -> None:
    """Measures, prints, and exits with 1 if a case grew; with ``--update`` writes a new reference."""
    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description=__doc__)
    parser.add_argument("--update", action="store_true", help="write the reference anew")
    options = parser.parse_args()

    console = Console(width=118)
    found, here = measure(), toolchain()
    if options.update:
        REFERENCE.write_text(json.dumps({"toolchain": here, "instructions": found}, indent=2) + "\n")
        console.print(f"written: {REFERENCE.relative_to(TOP)}; `make pages` takes it into docs/performance.md")
    reference = json.loads(REFERENCE.read_text())
    show(console, found, reference["instructions"])
    allowed = GROWTH
    if here != reference["toolchain"]:
        allowed = GROWTH_ELSEWHERE
        console.print(f"The reference was made with {_listed(reference['toolchain'])}; this is {_listed(here)}.")
        console.print(f"So a case fails here only if it grew by more than {allowed - 1:.0%}.")
    if complaints := compare(found, reference["instructions"], allowed):
        sys.exit("\n".join(complaints))


def measure() -> Counts:
    """Builds the example; returns the instructions for one command of every case."""
    example = _built()
    names = subprocess.run([example, "--names"], stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(names, pool.map(lambda name: _for_one_command(example, name), names), strict=True))


def _built() -> str:
    lines = subprocess.run(BUILD, cwd=TOP, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()
    made = [message["executable"] for line in lines if (message := json.loads(line)).get("executable")]
    return str(made[-1])


def _for_one_command(example: str, name: str) -> float:
    (few, short), (many, long) = (_counted(example, name, chunks) for chunks in CHUNKS)
    return round((long - short) / (many - few), 1)


def _counted(example: str, name: str, chunks: int) -> tuple[int, int]:
    """Commands that were judged, and instructions of the whole run."""
    environment = {**os.environ, "GLIBC_TUNABLES": NO_EXTENSIONS}
    done = subprocess.run(
        [*CALLGRIND, example, name, str(chunks)], env=environment, capture_output=True, text=True, check=False
    )
    collected = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not collected:
        raise RuntimeError(f"callgrind could not run the case {name!r} of {example}: {done.stderr[-2000:]}")
    return int(done.stdout), int(collected[1])


def toolchain() -> dict[str, str]:
    """Return the versions that the counts depend on besides the sources."""
    version = subprocess.run(["rustc", "--version"], cwd=TOP, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {"rustc": version.split()[1], "libc": " ".join(platform.libc_ver()), "machine": platform.machine()}


def compare(found: Counts, reference: Counts, allowed: float) -> list[str]:
    """List what is wrong: cases that grew too much, and cases that only one side has."""
    update = "; if that is meant, run: make bench-core UPDATE=1"
    grown = [
        f"{name}: {count:,.0f} instructions, {count / reference[name] - 1:.1%} more than {reference[name]:,.0f}{update}"
        for name, count in found.items()
        if name in reference and count > reference[name] * allowed
    ]
    unknown = [f"{name}: is measured, but has no reference{update}" for name in found.keys() - reference.keys()]
    gone = [f"{name}: has a reference, but is not measured{update}" for name in reference.keys() - found.keys()]
    return grown + sorted(unknown) + sorted(gone)


def show(console: Console, found: Counts, reference: Counts) -> None:
    """Prints the table."""
    table = Table(title="The core alone, instructions for one command", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("", "now", "reference", "change", "goal"):
        table.add_column(column, justify="right" if column else "left")
    for name, count in found.items():
        before = reference.get(name)
        table.add_row(
            name,
            with_goal(name, count),
            f"{before:,.0f}" if before else "",
            f"{count / before - 1:+.1%}" if before else "",
            f"{GOALS[name]:,}" if name in GOALS else "",
        )
    console.print(table)


def with_goal(name: str, count: float) -> Text:
    """Return the figure, in a colour that says if the goal is reached."""
    reached = name in GOALS and count <= GOALS[name]
    return Text(f"{count:,.0f}", "green" if reached else "yellow" if name in GOALS else "")


def _listed(versions: dict[str, Any]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


if __name__ == "__main__":
    main()
