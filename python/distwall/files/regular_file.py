"""Opens a file that should be a small regular one, whatever has been put in its place.

Every file that a user names is opened here. To open a FIFO would wait for its writer, and a device may never end. A
large file would stop the whole process while it is read.
"""

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


MAX_SIZE = 4 << 20
"""Most bytes of a file that `read` takes: a policy of many thousand lines, and no more than a second of work."""


class NotRegularError(OSError):
    """A directory, a FIFO or a device; ``strerror`` says which."""


def open_file(path: Path, *, follow: bool = True) -> BinaryIO:
    """Open a regular file for reading.

    ``follow``: the path may be a symbolic link. Raises OSError, also for paths that no file can have.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (0 if follow else os.O_NOFOLLOW))
    except ValueError as error:
        raise OSError(errno.EINVAL, str(error)) from None
    try:
        check_regular(fd)
    except NotRegularError:
        os.close(fd)
        raise
    return os.fdopen(fd, "rb")


def check_regular(fd: int) -> None:
    """Raise NotRegularError if a descriptor is not of a regular file."""
    mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode):
        kind = next((name for fits, name in _KINDS if fits(mode)), "not a file")
        raise NotRegularError(errno.EINVAL, f"it is {kind}")


@contextmanager
def opened(path: Path, *, follow: bool = True) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    """Open a regular file; yield it with its status, which is about the opened file and no later one.

    ``follow`` and errors are as in `open_file`.
    """
    with open_file(path, follow=follow) as file:
        yield file, os.fstat(file.fileno())


def read(path: Path, *, most: int = MAX_SIZE) -> bytes:
    """Return the content of a regular file of at most ``most`` bytes. Raises OSError."""
    with opened(path) as (file, _):
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it has more than {most} bytes")
    return data
