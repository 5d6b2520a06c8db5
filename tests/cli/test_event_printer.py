"""Events on stderr: shown in order, never in the way."""

import threading
from typing import Any

import pytest

from distwall.cli.event_printer import EventPrinter


def _event(number: int) -> dict[str, Any]:
    return {"time": "2026-11-23T07:05:09.120Z", "event": "x", "number": number}


def test_events_are_shown_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    printer = EventPrinter()
    for number in range(3):
        printer.show(_event(number))
    printer.close()
    assert capsys.readouterr().err == "".join(f"07:05:09  x  number {number}\n" for number in range(3))


def test_a_stopped_terminal_stops_nobody(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(EventPrinter, "MAX_WAITING", 2)
    printer = EventPrinter()
    stopped = threading.Event()
    printing = printer._console.print

    def blocked(*args: Any, **options: Any) -> None:
        stopped.wait(20)
        printing(*args, **options)

    monkeypatch.setattr(printer._console, "print", blocked)
    for number in range(50):
        printer.show(_event(number))
    stopped.set()
    printer._events.put(None)
    printer._thread.join(20)
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) <= 5
    assert any("events were not shown" in line for line in shown)
