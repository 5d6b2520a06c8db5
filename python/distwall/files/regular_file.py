"""Opens a file that should be a small regular one, whatever has been put in its place."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class NotRegularError(OSError):
    """A directory, a FIFO or a device; ``strerror`` says which."""


@contextmanager
def opened(path: Path, *, follow: bool = True) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    """Open a regular file; yield it with its status, which is about the opened file and no later one.

    ``follow``: the path may be a symbolic link. Raises OSError, also for paths that no file can have.
    """
    try:
        # Opening a FIFO would wait for its writer; a device may give bytes without end.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error)) from None
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        kind = next((name for fits, name in _KINDS if fits(status.st_mode)), "not a file")
        raise NotRegularError(errno.EINVAL, f"it is {kind}")
    with os.fdopen(fd, "rb") as file:
        yield file, status
