"""Finds where a log goes on, after the process that wrote it last.

A killed process, or a machine that lost power, may leave half a line, and whole lines behind the anchor. Both are
ordinary. The next line notes them (`audit_recovered`): the chain goes on behind the last whole line, and the number of
bytes between the two lines is noted. Any other state means that somebody changed the log. The next line notes that,
too, but the chain goes on at the anchor, so that the break stays visible.
"""

import hashlib
import mmap
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from distwall.audit.anchor import Anchor
from distwall.audit.chain import START, Line, Link, Seal, parse
from distwall.audit.schema import AuditRecovered, RecoveryReason
from distwall.files.regular_file import opened

HARMLESS = frozenset({"torn", "unanchored"})
"""Reasons that a killed process explains. All others are tampering, or an accident that looks the same."""


@dataclass(frozen=True, slots=True)
class Left:
    """The place where a log goes on."""

    end: Link
    """The line that the next line follows."""
    first: Line | None
    """The file's first line; None: it can't be read."""
    open_line: bool
    """True if the last line has no line end."""
    recovery: AuditRecovered | None


def examine(fd: int, head: Anchor | None, *, head_is_new: bool, seal: Seal, moved: Iterable[Path] = ()) -> Left:
    """Looks at the file ``fd`` of a log with that anchor; None: the anchor is new or can't be read.

    ``moved`` are files that may be earlier files of the log: an empty log goes on behind one of them.
    """
    size = os.fstat(fd).st_size
    if size == 0:
        if head is None and not head_is_new:
            return Left(START, None, False, _found("no_anchor", "FILE.head can't be read, and the log is empty"))
        if head is not None and head.seq and not any(_ends_with(path, head.end, seal) for path in moved):
            what = f"the log is empty or missing, and had {head.seq} lines; no file beside it ends with the last line"
            return Left(head.end, None, False, _found("emptied", what))
        return Left(START if head is None else head.end, None, False, None)
    with mmap.mmap(fd, size, access=mmap.ACCESS_READ) as data:
        first = parse(data[: data.find(b"\n") + 1])
        last, end = _last(data, size, seal)
        torn = data[end:]
    if first is not None and not first.fits(seal):
        first = None
    open_line = torn[-1:] not in (b"\n", b"") or end > size
    # The next writer ends an open line first.
    noted = torn + b"\n" if torn and open_line else torn
    about = (len(noted), hashlib.sha256(noted).hexdigest()) if noted else (0, None)
    return _judge(first, last, head, about, open_line=open_line)


def _ends_with(path: Path, end: Link, seal: Seal) -> bool:
    """True if that line is the last whole line of a file."""
    try:
        with opened(path) as (file, status):
            if not status.st_size:
                return False
            with mmap.mmap(file.fileno(), status.st_size, access=mmap.ACCESS_READ) as data:
                last, _ = _last(data, status.st_size, seal)
    except OSError:
        return False
    return last is not None and last.link == end


def _found(reason: RecoveryReason, detail: str, torn_bytes: int = 0, torn_sha256: str | None = None) -> AuditRecovered:
    """Return a finding about the end of a log.

    ``torn_bytes`` are behind the last whole line, with the line end that distwall put behind them.
    """
    return AuditRecovered(reason=reason, detail=detail, torn_bytes=torn_bytes, torn_sha256=torn_sha256)


def _last(data: mmap.mmap, size: int, seal: Seal) -> tuple[Line | None, int]:
    """The last whole and sealed line, and the offset of its end: behind the file's end if its line end is missing."""
    end = size
    if data[size - 1 : size] != b"\n":
        start = data.rfind(b"\n") + 1
        line = parse(data[start:size] + b"\n")
        if line is not None and line.fits(seal):
            return line, size + 1
        end = start
    while end:
        start = data.rfind(b"\n", 0, end - 1) + 1
        line = parse(data[start:end])
        if line is not None and line.fits(seal):
            return line, end
        end = start
    return None, 0


def _judge(
    first: Line | None, last: Line | None, head: Anchor | None, torn: tuple[int, str | None], *, open_line: bool
) -> Left:
    if last is None:
        what = _found("unreadable", "no line of the log can be read, or it was made with another key", *torn)
        return Left(START if head is None else head.end, first, open_line, what)
    if head is None:
        return Left(last.link, first, open_line, _found("no_anchor", "FILE.head is missing or can't be read", *torn))
    if last.seq < head.seq:
        what = _found("cut", f"the log ends with line {last.seq}, and had {head.seq}", *torn)
        return Left(head.end, first, open_line, what)
    if last.seq == head.seq and last.hash != head.hash:
        what = _found("altered", f"line {last.seq} was changed", *torn)
        return Left(head.end, first, open_line, what)
    if torn[0]:
        return Left(last.link, first, open_line, _found("torn", "the last line was cut off", *torn))
    if last.seq > head.seq:
        what = _found("unanchored", f"{last.seq - head.seq} lines were written and not yet anchored")
        return Left(last.link, first, open_line, what)
    return Left(last.link, first, open_line, None)
