"""Tables of ratios for people, JSON for comparing later."""

import json
import os
import platform
import statistics
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bench import instructions
from bench.measure import Case, Results, Series

THROUGHPUT_GOAL = 0.9
"""distwall's throughput is to be at least this part of HAProxy's."""
ROUND_TRIP_GOAL = 2.0
"""Most time that distwall may add to a round trip, as a multiple of HAProxy's."""
CORE_GOAL = 5_000_000
"""Small commands per second that the core alone is to judge on one CPU core."""


def machine() -> dict[str, Any]:
    """Facts about the machine, on which the figures depend."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    erlang = ["erl", "-noshell", "-eval", 'io:format("~s", [erlang:system_info(otp_release)]), halt().']
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": models[0].partition(": ")[2] if models else platform.machine(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "otp": subprocess.run(erlang, capture_output=True, text=True, check=True).stdout,
        "haproxy": subprocess.run(["haproxy", "-v"], capture_output=True, text=True, check=True).stdout.split()[2],
        "commit": _commit(),
    }


def _commit() -> str | None:
    try:
        done = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def summary(results: Results) -> dict[str, Any]:
    """The medians and the ratios of every case."""
    return {case.name: _case(case, series) for case, series in results.items()}


def _case(case: Case, series: dict[str, Series]) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "cpu_seconds_per_million": {way: round(s.cpu_per_million, 3) for way, s in series.items() if way != "raw"},
        "rounds": {way: [round(one, 3) for one in s.microseconds] for way, s in series.items()},
    }
    if case.senders:
        figures["messages_per_second"] = {way: round(1e6 / s.time) for way, s in series.items()}
        for one, other in (("distwall", "haproxy"), ("distwall", "raw"), ("haproxy", "raw")):
            # Of the same round: machines are not the same from one minute to the next.
            pairs = zip(series[one].microseconds, series[other].microseconds, strict=True)
            figures[f"{one}_to_{other}"] = round(statistics.median(theirs / its for its, theirs in pairs), 3)
    else:
        figures["round_trip_us"] = {way: round(s.time, 2) for way, s in series.items()}
        added = {}
        for way in ("haproxy", "distwall"):
            pairs = zip(series[way].microseconds, series["raw"].microseconds, strict=True)
            added[way] = statistics.median(its - raw for its, raw in pairs)
        figures["added_us"] = {way: round(one, 2) for way, one in added.items()}
        figures["added_distwall_to_haproxy"] = round(added["distwall"] / added["haproxy"], 3)
    return figures


def show(console: Console, cases: dict[str, Any]) -> None:
    """Prints the tables."""
    table = Table(title="One way, messages per second", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("", "raw", "HAProxy", "distwall", "distwall / raw", "distwall / HAProxy"):
        table.add_column(column, justify="right" if column else "left")
    for name, case in cases.items():
        if rates := case.get("messages_per_second"):
            ratio = case["distwall_to_haproxy"]
            table.add_row(
                name,
                *(f"{rates[way]:,}" for way in ("raw", "haproxy", "distwall")),
                f"{case['distwall_to_raw']:.2f}",
                _judged(ratio, ratio >= THROUGHPUT_GOAL),
            )
    console.print(table)
    table = Table(title="There and back, microseconds", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("", "raw", "HAProxy", "distwall", "HAProxy adds", "distwall adds", "distwall / HAProxy"):
        table.add_column(column, justify="right" if column else "left")
    for name, case in cases.items():
        if times := case.get("round_trip_us"):
            ratio = case["added_distwall_to_haproxy"]
            table.add_row(
                name,
                *(f"{times[way]:.1f}" for way in ("raw", "haproxy", "distwall")),
                *(f"{case['added_us'][way]:.1f}" for way in ("haproxy", "distwall")),
                _judged(ratio, ratio <= ROUND_TRIP_GOAL),
            )
    console.print(table)
    table = Table(title="CPU seconds of the proxy for a million", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("", "HAProxy", "distwall"):
        table.add_column(column, justify="right" if column else "left")
    for name, case in cases.items():
        cpu = case["cpu_seconds_per_million"]
        table.add_row(name, f"{cpu['haproxy']:.2f}", f"{cpu['distwall']:.2f}")
    console.print(table)
    console.print(
        f"Goals: throughput at least {THROUGHPUT_GOAL} of HAProxy's; what a round trip takes longer at most"
        f" {ROUND_TRIP_GOAL} times HAProxy's. Figures are medians of the rounds; ratios too, each within its round.",
        style="dim",
    )


def show_tls(console: Console, results: Results) -> None:
    """Prints how TLS through distwall compares with OTP's own from node to node."""
    table = Table(title="Over TLS", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("", "OTP", "distwall", "distwall / OTP", "distwall's CPU"):
        table.add_column(column, justify="right" if column else "left")
    for case, series in results.items():
        otp, wall = series["otp"], series["distwall"]
        pairs = zip(wall.microseconds, otp.microseconds, strict=True)
        if case.senders:
            figures = [f"{1e6 / one.time:,.0f} /s" for one in (otp, wall)]
            ratio = statistics.median(theirs / its for its, theirs in pairs)
        else:
            figures = [f"{one.time:.1f} µs" for one in (otp, wall)]
            ratio = statistics.median(its / theirs for its, theirs in pairs)
        table.add_row(case.name, *figures, f"{ratio:.2f}", f"{wall.cpu_per_million:.2f}")
    console.print(table)
    console.print(
        "CPU: seconds of distwall's process for a million. Figures and ratios: medians of the rounds.", style="dim"
    )


def show_core(console: Console, core: dict[str, Any]) -> None:
    """Prints the micro-benchmark of the core: rates, and beside them instructions."""
    table = Table(title="The core alone, on one CPU core", title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("", "commands per second", "instructions for one", "goal"):
        table.add_column(column, justify="right" if column else "left")
    for name, case in core.items():
        rate, goal = case["per_second"], instructions.GOALS.get(name)
        table.add_row(
            name,
            Text(f"{rate:,.0f}", "green" if rate >= CORE_GOAL else "yellow"),
            instructions.with_goal(name, case["instructions"]),
            f"{goal:,}" if goal else "",
        )
    console.print(table)
    console.print(f"Goal: {CORE_GOAL:,} small commands per second.", style="dim")


def save(folder: Path, report: dict[str, Any]) -> Path:
    """Writes the report; returns where."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{report['machine']['time'].replace(':', '').replace('+0000', 'Z')}.json"
    file.write_text(json.dumps(report, indent=2) + "\n")
    return file


def _judged(ratio: float, good: bool) -> Text:
    return Text(f"{ratio:.2f}", "bold green" if good else "bold red")
