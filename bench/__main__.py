"""Runs the benchmark: ``python -m bench [--rounds N] [--seconds S] [--no-core | --tls]``."""

import argparse
import json
import subprocess
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import instructions, measure, paths, report

MakeWay = Callable[[], AbstractContextManager[paths.Way]]

TOP = Path(__file__).resolve().parents[1]
CORE = ["cargo", "run", "--quiet", "--release", "--package", "distwall-wire", "--example", "commands_per_second"]


def main() -> None:
    """Measures, prints, saves."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="measured rounds, of which the median counts (default 7)")
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="length of one measurement on the raw way (default 1)"
    )
    parser.add_argument("--no-core", action="store_true", help="leave the core's own benchmark out")
    parser.add_argument(
        "--tls", action="store_true", help="compare TLS through distwall with OTP's own, and nothing else"
    )
    options = parser.parse_args()

    console = Console(width=118)
    if options.tls:
        report.show_tls(console, _measured(console, [paths.otp_tls, paths.distwall_tls], options))
        return
    facts = report.machine()
    console.print(
        f"{facts['cores']} × {facts['cpu']}; OTP {facts['otp']}, HAProxy {facts['haproxy']} (TCP mode, one thread),"
        f" distwall with {paths.FILTERS:,} filters for the peer"
    )
    cases = report.summary(_measured(console, [paths.raw, paths.haproxy, paths.distwall], options))
    report.show(console, cases)
    core: dict[str, Any] | None = None
    if not options.no_core:
        rates = json.loads(subprocess.run(CORE, cwd=TOP, stdout=subprocess.PIPE, text=True, check=True).stdout)
        counts = instructions.measure()
        core = {name: {"per_second": rates[name], "instructions": counts[name]} for name in rates}
        report.show_core(console, core)
    file = report.save(TOP / "bench" / "results", {"machine": facts, "cases": cases, "core": core})
    console.print(f"saved: {file.relative_to(TOP)}")


def _measured(console: Console, ways: Sequence[MakeWay], options: argparse.Namespace) -> measure.Results:
    with ExitStack() as stack:
        started = [stack.enter_context(way()) for way in ways]
        with console.status("starting") as status:
            return measure.measure(started, rounds=options.rounds, seconds=options.seconds, progress=status.update)


if __name__ == "__main__":
    main()
