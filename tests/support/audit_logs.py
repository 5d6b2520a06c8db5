"""Logs for tests."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from distwall.audit.log import AuditLog
from distwall.audit.log_file import Rotation
from distwall.audit.schema import EventBase


class MadeUpEvent(EventBase):
    """An event of any kind, with any fields."""

    def __init__(self, kind: str, **fields: Any) -> None:
        self.kind = kind  # type: ignore[misc]
        self._fields = fields

    def fields(self) -> dict[str, Any]:
        return self._fields


def write_log(
    path: Path, events: Iterable[str], *, key: bytes | None = None, rotation: Rotation | None = None, batch: int = 1
) -> None:
    """Writes a log of events of these kinds, or goes on with one."""

    async def scenario() -> None:
        log = AuditLog(path, key=key, rotation=rotation, say=lambda _: None)
        for number, kind in enumerate(events):
            log.record(MadeUpEvent(kind, number=number, text="x" * (number % 7)))
            if number % batch == 0:
                await log.flush()
        await log.close()

    asyncio.run(asyncio.wait_for(scenario(), 30))


def log_lines(path: Path) -> list[bytes]:
    """The lines of a file, with their ends."""
    return path.read_bytes().splitlines(keepends=True)


def kill_log(log: Any) -> None:
    """Ends a log as ``kill -9`` would: nothing more is written, its locks are gone."""
    log._file.close()
