"""The audit log: batches, trouble, and what is said about it."""

import asyncio
import json
import os
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from distwall.audit.event import Event
from distwall.audit.log import AuditLog
from tests.support.audit_logs import MadeUpEvent
from tests.support.waiting import eventually


def _run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, 20))


def _lines(path: Path) -> list[Event]:
    return [json.loads(line) for line in path.read_text().splitlines()]


class FullDisk:
    """Makes the files at one path unwritable while it is on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.on = False
        self._write = os.write
        monkeypatch.setattr("distwall.audit.log_file.os.write", self._limited)

    def _limited(self, fd: int, data: bytes) -> int:
        if self.on:
            raise OSError(28, "No space left on device")
        return self._write(fd, data)


def test_events_reach_the_file_by_themselves(tmp_path: Path) -> None:
    async def scenario() -> None:
        log = AuditLog(tmp_path / "log")
        log.record(MadeUpEvent("start", guards=["bar@h"]))
        log.record(MadeUpEvent("stop"))
        await eventually(lambda: len(_lines(tmp_path / "log")) == 2)
        await log.close()

    _run(scenario())
    assert [event["event"] for event in _lines(tmp_path / "log")] == ["start", "stop"]


def test_events_before_the_loop_are_kept_and_close_writes_what_waits(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "log")
    log.record(MadeUpEvent("one"))

    async def scenario() -> None:
        log.record(MadeUpEvent("two"))
        await log.close()
        await log.close()
        log.record(MadeUpEvent("lost"))

    _run(scenario())
    assert [event["event"] for event in _lines(tmp_path / "log")] == ["one", "two"]


def test_order_holds_under_load(tmp_path: Path) -> None:
    async def scenario() -> None:
        log = AuditLog(tmp_path / "log")
        for number in range(3000):
            log.record(MadeUpEvent("x", number=number))
            if number % 500 == 0:
                await asyncio.sleep(0.06)
            if number % 700 == 0:
                await log.flush()
        await log.close()

    _run(scenario())
    assert [event["number"] for event in _lines(tmp_path / "log")] == list(range(3000))


def test_listeners_see_events_at_once(tmp_path: Path) -> None:
    seen: list[Event] = []
    log = AuditLog(tmp_path / "log")
    log.subscribe(seen.append)
    log.record(MadeUpEvent("x", peer="foo@h"))
    assert seen[0]["peer"] == "foo@h"


def test_a_full_disk_is_told_once_and_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    troubles: list[str] = []
    disk = FullDisk(monkeypatch)
    monkeypatch.setattr(AuditLog, "RETRY_SECONDS", 0.02)

    async def scenario() -> None:
        log = AuditLog(tmp_path / "log", say=said.append)
        log.on_trouble = troubles.append
        disk.on = True
        log.record(MadeUpEvent("one"))
        assert not await log.flush()
        log.record(MadeUpEvent("two"))
        assert not await log.flush()
        assert log.trouble == "No space left on device"
        disk.on = False
        await eventually(lambda: log.trouble is None)
        await log.close()

    _run(scenario())
    assert troubles == ["No space left on device"]
    assert len(said) == 2
    assert "can't write the audit log: No space left on device; make room" in said[0]
    assert "written again; 0 events were lost" in said[1]
    events = _lines(tmp_path / "log")
    assert [event["event"] for event in events] == ["one", "two", "audit_resumed"]
    assert events[-1]["lost"] == 0


def test_what_waits_is_bounded_and_the_lost_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    disk = FullDisk(monkeypatch)
    monkeypatch.setattr(AuditLog, "MAX_WAITING", 1000)
    monkeypatch.setattr(AuditLog, "RETRY_SECONDS", 0.02)

    async def scenario() -> None:
        log = AuditLog(tmp_path / "log", say=said.append)
        disk.on = True
        for number in range(100):
            log.record(MadeUpEvent("x", number=number))
        assert log.trouble is not None
        disk.on = False
        await eventually(lambda: log.trouble is None)
        await log.close()

    _run(scenario())
    events = _lines(tmp_path / "log")
    kept = [event["number"] for event in events if event["event"] == "x"]
    assert kept == list(range(len(kept)))
    assert events[-1]["event"] == "audit_resumed"
    assert len(kept) + events[-1]["lost"] == 100


def test_closing_while_the_disk_is_full_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = FullDisk(monkeypatch)

    async def scenario() -> None:
        log = AuditLog(tmp_path / "log", say=lambda _: None)
        disk.on = True
        log.record(MadeUpEvent("one"))
        await log.close()

    _run(scenario())


def test_no_cause_of_events_takes_all_the_room(tmp_path: Path) -> None:
    async def scenario() -> None:
        log = AuditLog(tmp_path / "log", say=lambda _: None)
        for share in range(30):
            while log.has_room(share):
                assert log.record(MadeUpEvent("x", text="x" * 1000), share=share)
        assert log.trouble is None
        log.record(MadeUpEvent("own"))
        await log.flush()
        assert log.has_room(0), "the room is free again"
        await log.close()

    _run(scenario())
    assert _lines(tmp_path / "log")[-1]["event"] == "own"


def test_one_cause_takes_no_more_than_half_of_the_room(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "log", say=lambda _: None)
    size = 0
    while log.has_room("one"):
        size += log.record(MadeUpEvent("x", text="x" * 1000), share="one")
    assert size <= AuditLog.MAX_WAITING / 2 + 2000
    assert log.has_room("another")


def test_a_disk_that_takes_nothing_is_trouble_though_the_room_lasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AuditLog, "STUCK_SECONDS", 0.1)
    go_on = threading.Event()
    write = os.write

    def slow(fd: int, data: bytes) -> int:
        go_on.wait(10)
        return write(fd, data)

    monkeypatch.setattr("distwall.audit.log_file.os.write", slow)
    troubles: list[str] = []

    async def scenario() -> None:
        log = AuditLog(tmp_path / "log", say=lambda _: None)
        log.on_trouble = troubles.append
        log.record(MadeUpEvent("one"))
        await eventually(lambda: bool(troubles))
        go_on.set()
        await eventually(lambda: log.trouble is None)
        await log.close()

    _run(scenario())
    assert troubles == ["the disk has not taken it for 0.1 seconds"]
    assert [event["event"] for event in _lines(tmp_path / "log")] == ["one", "audit_resumed"]
