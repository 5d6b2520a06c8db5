"""The file behind the audit log: appends whole batches, survives full disks and rotation."""

import os
from pathlib import Path


class LogFile:
    """An append-only file. A batch that could not be written whole is continued, not repeated."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the file, readable by its owner alone. Raises OSError."""
        self.path = path
        self._fd = -1
        self._rest = b""
        self._open()

    def write(self, data: bytes) -> None:
        """Appends what is left of earlier batches, then ``data``.

        Raises OSError; what is not written then waits for the next call.
        """
        self._rest += data
        self._reopen_if_moved()
        while self._rest:
            written = os.write(self._fd, self._rest)
            self._rest = self._rest[written:]

    @property
    def waiting(self) -> int:
        """Bytes that were taken and are not written."""
        return len(self._rest)

    def close(self) -> None:
        """Closes the file; what is not written by now is lost."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(fd).st_size
            # A process that was killed may have left half a line.
            if size and os.pread(fd, 1, size - 1) != b"\n" and not self._rest:
                self._rest = b"\n"
        except OSError:
            os.close(fd)
            raise
        self._fd = fd

    def _reopen_if_moved(self) -> None:
        """Follows the path if the file was rotated away from under it."""
        try:
            here = self.path.stat()
            ours = os.fstat(self._fd)
            if (here.st_dev, here.st_ino) == (ours.st_dev, ours.st_ino):
                return
        except FileNotFoundError:
            pass
        old = self._fd
        self._open()
        os.close(old)
