"""The files of the audit log: appends whole batches, anchors and rotates them, and survives full disks.

A file that is too large or too old is renamed to ``FILE.SEQ``, after the number of its first line. The chain goes on in
a new file. Another program (logrotate) may rename the file, too: each batch begins with a look at the path.
"""

import glob
import os
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from distwall.audit.anchor import Anchor, AnchorFile, head_path
from distwall.audit.chain import Line, Link, Seal, parse
from distwall.audit.recover import examine
from distwall.audit.schema import AuditRecovered
from distwall.clock import utc
from distwall.files.regular_file import NotRegularError, check_regular, open_file

_DIGITS = 12
_LOOKED_AT = 16

MAX_LINE = 1 << 24
"""Most bytes of one line."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """Limits of a file, and the number of full files to keep."""

    size: int | None = None
    """Bytes of a full file; None: no limit."""
    age: timedelta | None = None
    """Time since the first line of a full file; None: no limit."""
    keep: int | None = None
    """Number of full files to keep; None: all."""


class InUseError(OSError):
    """Another process writes this log; the text is for users."""


class LogFile:
    """An append-only log. If a batch can't be written whole, its rest is written later; no byte is repeated."""

    def __init__(self, path: Path, seal: Seal | None = None, rotation: Rotation | None = None) -> None:
        """Opens or makes the files, readable by their owner only. Raises OSError."""
        self.path = path
        self._seal = seal or Seal()
        self._rotation = rotation or Rotation()
        self._fd = -1
        try:
            self._head_file = AnchorFile(path, self._seal)
        except BlockingIOError:
            raise InUseError(
                f"{path} is in use by another distwall; stop that one, or set [audit] file to another path"
            ) from None
        try:
            self._fd = self._open()
            found = self._head_file.found
            is_new = self._head_file.is_new
            left = examine(self._fd, found, head_is_new=is_new, seal=self._seal, moved=_moved(path))
            self._size = os.fstat(self._fd).st_size
            if self._head_file.is_new and not self._size:
                # From the first line on there is an anchor: if it is missing later, it was taken away.
                self._head_file.write(Anchor())
        except BaseException:
            self.close()
            raise
        self._rest = b"\n" if left.open_line else b""
        self._within = left.open_line
        self.end: Link = left.end
        """The line that the next line follows."""
        self.recovery: AuditRecovered | None = left.recovery
        """Finding about the end of the log when it was opened."""
        self._written = left.end
        self._head = found or Anchor(
            first=left.first.seq if left.first else left.end.seq + 1,
            first_prev=left.first.prev if left.first else left.end.hash,
        )
        self._first: Line | None = left.first

    def write(self, data: bytes, end: Link | None = None) -> None:
        """Appends the rest of earlier batches, then ``data``, whose last line is ``end``; then anchors them.

        Raises OSError; unwritten bytes then wait for the next call.
        """
        self._rest += data
        if end is not None:
            self._written = end
        # A line that was begun is ended in the same file, even if that was renamed.
        self._finish_line()
        self._reopen_if_moved()
        if self._rest:
            self._rotate_if_full()
            if self._first is None:
                self._first = parse(self._rest[: self._rest.find(b"\n") + 1])
        while self._rest:
            self._append(self._rest)
        self._anchor()

    @property
    def waiting(self) -> int:
        """Number of bytes that are not written yet."""
        return len(self._rest)

    @property
    def unfinished(self) -> bool:
        """True if some bytes are not written, or not anchored."""
        return bool(self._rest) or self._head.end != self._written

    def close(self) -> None:
        """Closes the files; unwritten bytes are lost."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
        self._head_file.close()

    def _append(self, data: bytes) -> None:
        written = os.write(self._fd, data)
        self._size += written
        self._within = data[written - 1 : written] != b"\n"
        self._rest = self._rest[written:]

    def _finish_line(self) -> None:
        while self._within and self._rest:
            self._append(self._rest[: self._rest.find(b"\n") + 1])

    def _anchor(self) -> None:
        if self._head.end == self._written:
            return
        os.fdatasync(self._fd)
        head = replace(self._head, seq=self._written.seq, hash=self._written.hash)
        self._head_file.write(head)
        self._head = head

    def _open(self) -> int:
        # A pipe would take some lines, and then stop the writer for good.
        fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o600)
        try:
            check_regular(fd)
        except NotRegularError:
            os.close(fd)
            raise
        return fd

    def _reopen_if_moved(self) -> None:
        """Opens a new file if another program has renamed the old one."""
        try:
            here = self.path.stat()
            ours = os.fstat(self._fd)
            if (here.st_dev, here.st_ino) == (ours.st_dev, ours.st_ino):
                return
        except FileNotFoundError:
            pass
        old, self._fd = self._fd, self._open()
        os.close(old)
        self._size = os.fstat(self._fd).st_size
        self._first = None

    def _rotate_if_full(self) -> None:
        if not self._size or self._first is None or not (self._is_large() or self._is_old(self._first)):
            return
        full = rotated_name(self.path, self._first.seq)
        if full.exists():
            # Two files can't begin with the same line, unless somebody put one there.
            raise FileExistsError(0, f"{full} is in the way")
        os.fdatasync(self._fd)
        self.path.rename(full)
        self._reopen_if_moved()
        self._drop_oldest()

    def _is_large(self) -> bool:
        return self._rotation.size is not None and self._size >= self._rotation.size

    def _is_old(self, first: Line) -> bool:
        if self._rotation.age is None:
            return False
        with suppress(ValueError):
            return utc() - datetime.fromisoformat(first.time) >= self._rotation.age
        return False

    def _drop_oldest(self) -> None:
        if self._rotation.keep is None:
            return
        full = rotated(self.path)
        kept = full[len(full) - self._rotation.keep :] if self._rotation.keep else []
        gone = full[: len(full) - len(kept)]
        if not gone:
            return
        # The anchor first: a log may go back further than its anchor says, but not less far.
        line = first_line(kept[0]) if kept else parse(self._rest[: self._rest.find(b"\n") + 1])
        if line is None:
            return
        self._head_file.write(replace(self._head, first=line.seq, first_prev=line.prev))
        self._head = replace(self._head, first=line.seq, first_prev=line.prev)
        for path in gone:
            path.unlink()


def rotated_name(path: Path, seq: int) -> Path:
    """The name of a full file whose first line is number ``seq``."""
    return path.with_name(f"{path.name}.{seq:0{_DIGITS}}")


def rotated(path: Path) -> list[Path]:
    """The full files of a log, as named by distwall itself, oldest first."""
    prefix = path.name + "."
    return sorted(
        each
        for each in path.parent.iterdir()
        if each.name.startswith(prefix)
        and len(each.name) == len(prefix) + _DIGITS
        and each.name[len(prefix) :].isdecimal()
    )


def _moved(path: Path) -> list[Path]:
    """The files beside a log that were renamed last, by distwall or another program."""
    beside = [each for mark in ".-" for each in path.parent.glob(f"{glob.escape(path.name)}{mark}*")]
    logs = [each for each in beside if each != head_path(path) and each.suffix not in (".gz", ".new")]
    return sorted(logs, key=_changed, reverse=True)[:_LOOKED_AT]


def _changed(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


def first_line(path: Path) -> Line | None:
    """The first line of a file; None if it can't be read."""
    with open_file(path) as file:
        return parse(file.readline(MAX_LINE))
