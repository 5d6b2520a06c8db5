"""Tells whole files from files under way: somebody still writes them.

Nothing in a file says that it is whole: the first half of a policy may be a valid policy with fewer refusals. Its
writer shows in two ways. The system knows if any process has the file open for writing. And a file that is written bit
by bit, perhaps opened again each time, changes between two looks at it.
"""

import fcntl
import signal
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from distwall.files import regular_file


class Look(NamedTuple):
    """The state of a file at one moment; two equal looks are of one unchanged file."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int
    """Both times in nanoseconds."""


def look(path: Path) -> Look | None:
    """Return the state of a file now; None if it can't be seen."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return Look(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def is_open_for_writing(path: Path) -> bool:
    """True if any process has the file open for writing.

    False as well if the system can't tell: on file systems without leases, and for files of other users unless this
    process may take leases on them.
    """
    try:
        with regular_file.open_file(path) as file:
            # A writer that opens the file meanwhile causes a signal. The default signal would end this process.
            fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)
            try:
                # The system gives a read lease only while nobody can write.
                fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            except BlockingIOError:
                return True
            with suppress(OSError):
                fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError:
        pass
    return False


def read_if_settled(path: Path, before: Look | None) -> bytes | None:
    """Return the content of a file that has not changed since the look ``before``, and that nobody can write now.

    None: it has changed, or somebody writes. Raises OSError if the file can't be read.
    """
    if look(path) != before:
        return None
    data = regular_file.read(path)
    # A writer that came while it was read has changed it, or has it open still.
    return None if is_open_for_writing(path) or look(path) != before else data
