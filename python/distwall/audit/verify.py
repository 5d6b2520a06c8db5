"""Checks a log: its chain over all files, its start and its end."""

import gzip
import hashlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, cast

from distwall.audit.anchor import Anchor, is_written
from distwall.audit.anchor import read as read_head
from distwall.audit.chain import GENESIS, Line, Link, Seal, parse
from distwall.audit.log_file import MAX_LINE, rotated
from distwall.audit.recover import HARMLESS
from distwall.files.regular_file import open_file

MAX_FINDINGS = 1000
"""Most findings in a report; all others are only counted."""

_ANCHOR_TIMEOUT = 5.0
"""Seconds in which a running distwall anchors new lines."""


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A place where the log differs from the log as written."""

    file: str
    line: int | None
    """Number of the line in the file, from 1; None: the file as a whole."""
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}" if self.line is None else f"{self.file}:{self.line}: {self.what}"


@dataclass
class Report:
    """Result of a check."""

    files: list[str] = field(default_factory=list)
    lines: int = 0
    first: int | None = None
    """The number of the first line."""
    last: Link | None = None
    """The last line. Written down elsewhere, it anchors the log for a later check."""
    findings: list[Mismatch] = field(default_factory=list)
    more: int = 0
    """Number of further findings."""
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True if the log is whole and unchanged."""
        return not self.findings


class UnreadableError(Exception):
    """A file can't be read; the text says why."""


def log_files(path: Path) -> list[Path]:
    """The files of the log at ``path``: the rotated files, then the file in use."""
    return [*rotated(path), *([path] if path.exists() else [])]


def verify(
    files: Sequence[Path],
    *,
    log: Path | None = None,
    seal: Seal | None = None,
    anchors: Sequence[Link] = (),
    start: int | None = None,
) -> Report:
    """Checks the lines of ``files``, in the order of the chain.

    ``log`` is the path of the log, with an anchor beside it; None: there are only ``anchors``, lines that the log has
    to contain. ``start`` is the number of the first line; None: as in the anchor, else 1. Raises UnreadableError.
    """
    seal = seal or Seal()
    check = _Check(seal, anchors)
    head = None if log is None else _read_head(log, seal, check)
    if head is not None and head.seq:
        check.anchors.append(head.end)
    first = Link(head.first - 1, head.first_prev) if head else Link(0, GENESIS)
    check.begin(first if start is None else Link(start - 1, ""), exact=start is not None or head is None)
    for path in _in_order(files):
        check.file(path)
    check.end(log or (files[-1] if files else Path("-")), anchored=log is not None or bool(anchors))
    if log is not None and head is not None:
        _look_behind(check, log, seal, head)
    return check.report


def _read_head(log: Path, seal: Seal, check: "_Check") -> Anchor | None:
    try:
        head = read_head(log, seal)
    except FileNotFoundError:
        check.found(f"{log}.head", None, "is missing, so the check can't tell how far the log goes")
        return None
    except OSError as error:
        raise UnreadableError(f"{log}.head: {error.strerror}") from None
    if head is None:
        check.found(f"{log}.head", None, "was changed, or sealed with another key")
    return head


def _look_behind(check: "_Check", log: Path, seal: Seal, head: Anchor) -> None:
    """Checks lines behind the anchor, which a running distwall is about to anchor."""
    last = check.report.last
    if last is None or last.seq <= head.seq:
        return
    end = time.monotonic() + _ANCHOR_TIMEOUT
    while is_written(log) and time.monotonic() < end:
        now = read_head(log, seal)
        if now is not None and now.seq >= last.seq:
            return
        time.sleep(0.05)
    check.found(
        str(log),
        None,
        f"{last.seq - head.seq} lines follow the anchored end ({head.seq}): distwall was killed before it could anchor"
        " them and did not start again, or somebody has added them",
    )


def _in_order(files: Sequence[Path]) -> list[Path]:
    """The files sorted by their first line; files without a line keep their place at the end."""

    def number(path: Path) -> int:
        with _open(path) as file:
            for data in _lines(path, file):
                if line := parse(data):
                    return line.seq
        return 1 << 63

    return sorted(files, key=number)


def _open(path: Path) -> IO[bytes]:
    try:
        file = open_file(path)
    except OSError as error:
        raise UnreadableError(f"{path}: {error.strerror}") from None
    return cast("IO[bytes]", _Unpacked(fileobj=file)) if path.suffix == ".gz" else file


class _Unpacked(gzip.GzipFile):
    """The content of a packed file; both are closed together."""

    def close(self) -> None:
        packed = cast("IO[bytes] | None", self.fileobj)
        super().close()
        if packed is not None:
            packed.close()


def _lines(path: Path, file: IO[bytes]) -> Iterator[bytes]:
    try:
        while data := file.readline(MAX_LINE):
            yield data
    except (OSError, EOFError) as error:
        raise UnreadableError(f"{path}: {error}") from None


class _Check:
    def __init__(self, seal: Seal, anchors: Sequence[Link]) -> None:
        self.report = Report()
        self.anchors = list(anchors)
        self._seal = seal
        self._expected = Link(0, GENESIS)
        self._exact = True
        self._started = False
        # Bytes that are not a line, until the next line says that they are known.
        self._other = bytearray()
        self._other_line = 0
        self._other_lines = 0
        self._any_fits = False

    def begin(self, before: Link, *, exact: bool) -> None:
        """Checks the first line, which follows ``before``; unless ``exact``, the log may begin earlier."""
        self._expected = before
        self._exact = exact

    def found(self, file: str, line: int | None, what: str) -> None:
        if len(self.report.findings) < MAX_FINDINGS:
            self.report.findings.append(Mismatch(file, line, what))
        else:
            self.report.more += 1

    def file(self, path: Path) -> None:
        name = str(path)
        self.report.files.append(name)
        with _open(path) as file:
            for number, data in enumerate(_lines(path, file), 1):
                line = parse(data)
                if line is None:
                    if not self._other:
                        self._other_line = number
                    self._other += data
                    self._other_lines += 1
                    continue
                self._line(name, number, line)
        self._tell_other(name, "the last line is cut off" if self._other[-1:] != b"\n" else "is not a line of the log")

    def end(self, log: Path, *, anchored: bool) -> None:
        for anchor in self.anchors:
            if self._expected.seq < anchor.seq:
                begin = self._expected.seq + 1
                which = f"line {begin} is" if begin == anchor.seq else f"lines {begin} to {anchor.seq} are"
                self.found(str(log), None, f"the end is missing: {which} not there")
            else:
                self.found(str(log), None, f"line {anchor.seq} differs from the anchored line")
        if not anchored:
            self.found(str(log), None, "the check can't tell how far the log goes; give --head SEQ:HASH")
        if self.report.lines and not self._any_fits:
            self.report.notes.append("no line fits its hash: was the log sealed with another key?")

    def _line(self, name: str, number: int, line: Line) -> None:
        report = self.report
        report.lines += 1
        fits = line.fits(self._seal)
        self._any_fits |= fits
        if not self._started:
            self._started = True
            report.first = line.seq
            if not self._exact and line.seq <= self._expected.seq:
                self._expected = Link(line.seq - 1, line.prev)
        if fits and line.kind == "audit_recovered":
            self._recovered(name, number, line)
        skipped = self._other_lines
        self._tell_other(name, "is not a line of the log")
        expected = self._expected
        if not fits:
            self.found(name, number, "was changed: its hash does not fit")
            # What it claims to be is good enough to find what comes next.
            self._expected = Link(expected.seq + 1, line.hash)
            return
        if line.seq <= expected.seq:
            self.found(name, number, f"is repeated or out of place: line {line.seq} behind line {expected.seq}")
            return
        missing = line.seq - expected.seq - 1
        if missing and missing != skipped:
            which = f"line {line.seq - 1} is" if missing == 1 else f"lines {expected.seq + 1} to {line.seq - 1} are"
            self.found(name, number, f"{which} missing before it")
        elif not missing and expected.hash and line.prev != expected.hash:
            self.found(name, number, "does not follow the line before it")
        self._expected = report.last = line.link
        if line.link in self.anchors:
            self.anchors = [anchor for anchor in self.anchors if anchor != line.link]

    def _recovered(self, name: str, number: int, line: Line) -> None:
        event = line.event()
        torn, digest = event.get("torn_bytes"), event.get("torn_sha256")
        if torn:
            if len(self._other) == torn and hashlib.sha256(self._other).hexdigest() == digest:
                self._other.clear()
                self._other_lines = 0
            else:
                self.found(name, number, f"the {torn} bytes of a cut line that were before it are not there")
        if event.get("reason") in HARMLESS:
            self.report.notes.append(f"{name}:{number}: distwall went on here after it was killed: {event['detail']}")
        else:
            self.found(name, number, f"distwall found the log like this when it started: {event.get('detail')}")

    def _tell_other(self, name: str, what: str) -> None:
        if self._other:
            more = f" (nor are the {self._other_lines - 1} behind it)" if self._other_lines > 1 else ""
            self.found(name, self._other_line, what + more)
            self._other.clear()
        self._other_lines = 0
