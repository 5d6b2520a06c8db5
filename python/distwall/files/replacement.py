"""Replaces a file at once: a reader finds the old text or the new one, and the disk has one of them after a crash.

The new text is written beside the file, as ``FILE.new``, and renamed when it is on the disk. A writer holds a lock on
``FILE.new``, so two processes never write one file at the same time.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self


class Replacement:
    """A new text for a file. As a context manager, it is removed again unless it was put in place."""

    def __init__(
        self, path: Path, *, mode: int = 0o600, owner: tuple[int, int] | None = None, wait: bool = False
    ) -> None:
        """Begins an empty text, with ``mode`` and perhaps another ``owner`` (user and group).

        ``wait``: another process that replaces the file is waited for. Raises OSError, which is BlockingIOError if
        another process replaces the file and is not waited for.
        """
        self._path = path
        self._beside = path.with_name(path.name + ".new")
        self._fd = _locked(self._beside, wait=wait)
        try:
            os.truncate(self._fd, 0)
            os.fchmod(self._fd, mode)
            if owner is not None and owner != (os.geteuid(), os.getegid()):
                os.fchown(self._fd, *owner)
        except OSError:
            self.drop()
            raise

    def write(self, data: bytes) -> None:
        """Writes the text to the disk; only a rename is left to do. Raises OSError, and has dropped the text then."""
        try:
            with os.fdopen(self._fd, "wb", closefd=False) as file:
                file.write(data)
            os.fsync(self._fd)
        except OSError:
            self.drop()
            raise

    def put_in_place(self) -> None:
        """Makes the text the content of the file. Raises OSError."""
        self._beside.replace(self._path)
        self._close()
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def drop(self) -> None:
        """Removes the text, unless it was put in place; the file stays as it is."""
        if self._fd >= 0:
            self._beside.unlink(missing_ok=True)
            self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drop()

    def _close(self) -> None:
        os.close(self._fd)
        self._fd = -1


def replace_file(path: Path, data: bytes, *, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
    """Replaces the content of a file, or makes the file. Raises OSError, and the file is as before."""
    with Replacement(path, mode=mode, owner=owner) as new:
        new.write(data)
        new.put_in_place()


def _locked(path: Path, *, wait: bool) -> int:
    """Open or make a file and lock it. Raises OSError."""
    while True:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            # The last holder of the lock may have renamed the file meanwhile.
            if os.path.samestat(os.fstat(fd), path.stat()):
                return fd
        except FileNotFoundError:
            pass
        except OSError:
            os.close(fd)
            raise
        os.close(fd)
