"""The tables of docs/performance.md, from the results that are kept in ``bench/results``."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.instructions import GOALS
from tools.tables import filled, table

TOP = Path(__file__).resolve().parents[1]
RESULTS = TOP / "bench" / "results"
PAGE = TOP / "docs" / "performance.md"


def page() -> str:
    """Return the page with new tables; the text around them stays."""
    return filled(PAGE, TABLES)


def one_way() -> str:
    """Return the messages per second of each way, and the ratios."""
    head = ("", "raw, per second", "HAProxy", "distwall", "distwall / raw", "distwall / HAProxy")
    return table(
        head,
        (
            (
                name,
                *(f"{case['messages_per_second'][way]:,}" for way in ("raw", "haproxy", "distwall")),
                f"{case['distwall_to_raw']:.2f}",
                f"{case['distwall_to_haproxy']:.2f}",
            )
            for name, case in _cases()
            if "messages_per_second" in case
        ),
    )


def there_and_back() -> str:
    """Return the time of a round trip on each way, and what each proxy adds."""
    head = ("", "raw, µs", "HAProxy", "distwall", "HAProxy adds", "distwall adds", "ratio")
    return table(
        head,
        (
            (
                name.removesuffix(", there and back"),
                *(f"{case['round_trip_us'][way]:.1f}" for way in ("raw", "haproxy", "distwall")),
                *(f"{case['added_us'][way]:.1f}" for way in ("haproxy", "distwall")),
                f"{case['added_distwall_to_haproxy']:.2f}",
            )
            for name, case in _cases()
            if "round_trip_us" in case
        ),
    )


def cpu_time() -> str:
    """Return the CPU seconds that each proxy spends on a million messages or round trips."""
    rows = (
        (name, *(f"{case['cpu_seconds_per_million'][way]:.2f}" for way in ("haproxy", "distwall")))
        for name, case in _cases()
    )
    return table(("", "HAProxy", "distwall"), rows)


def core() -> str:
    """Return the instructions of the core for each command, and the commands that it judges in a second."""
    instructions = _read("core-instructions.json")["instructions"]
    rates = _read("core-rates.json")
    rows = (
        (name, f"{count:,.0f}", f"{GOALS[name]:,}" if name in GOALS else "", f"{rates[name]:,.0f}")
        for name, count in sorted(instructions.items(), key=lambda item: item[1])
    )
    return table(("command", "instructions", "goal", "per second"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "one way": one_way,
    "there and back": there_and_back,
    "CPU time": cpu_time,
    "core": core,
}
"""The makers of the tables, by the names that the page gives them."""


def _cases() -> list[tuple[str, Any]]:
    return list(_read("reference.json")["cases"].items())


def _read(name: str) -> Any:
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))
