"""Reads the end of a log, and follows it through rotations."""

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from distwall.audit.chain import parse
from distwall.audit.event import Event
from distwall.audit.event_selection import EventSelection
from distwall.audit.verify import log_files
from distwall.files.regular_file import open_file

POLL_SECONDS = 0.2


def last(path: Path, count: int, chosen: EventSelection) -> tuple[list[Event], int]:
    """The last ``count`` selected events, oldest first, and the number of the log's last line.

    Raises OSError.
    """
    found: deque[Event] = deque(maxlen=count)
    seq = 0
    # The newest file first: mostly it is enough.
    for file in reversed(log_files(path)):
        here: deque[Event] = deque(maxlen=count)
        for event in _events(file):
            seq = max(seq, event["seq"])
            if chosen.matches(event):
                here.append(event)
        for event in reversed(here):
            if len(found) < count:
                found.appendleft(event)
        if len(found) == count:
            break
    return list(found), seq


def follow(path: Path, seq: int, chosen: EventSelection) -> Iterator[Event]:
    """The selected events behind line ``seq``, for ever, as they are written. Raises OSError."""
    while True:
        for file in _since(path, seq):
            for event in _events(file):
                if event["seq"] > seq:
                    seq = event["seq"]
                    if chosen.matches(event):
                        yield event
        size, inode = _state(path)
        while _state(path) == (size, inode):
            time.sleep(POLL_SECONDS)


def _since(path: Path, seq: int) -> list[Path]:
    """The files that may hold lines behind ``seq``."""
    files = log_files(path)
    numbers = [int(file.suffix[1:]) if file != path else 1 << 63 for file in files]
    return [file for file, after in zip(files, [*numbers[1:], 1 << 63], strict=True) if after > seq + 1]


def _state(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_size, status.st_ino


def _events(file: Path) -> Iterator[Event]:
    with open_file(file) as lines:
        for data in lines:
            if line := parse(data):
                yield line.event()
