"""The anchor beside the log, ``FILE.head``: it notes how far the log goes, so that a cut end is found.

It is one block of 512 bytes, overwritten in place. So it needs no new room on a full disk, and a disk writes a block
whole or not at all. The process that writes the log holds a lock on it, so two processes never write one log.
"""

import fcntl
import hmac
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from distwall.audit.chain import GENESIS, START, Link, Seal
from distwall.files.regular_file import opened

SIZE = 512


@dataclass(frozen=True, slots=True)
class Anchor:
    """The contents of an anchor: the first and the last line of the log."""

    seq: int = 0
    """Number of the last line that is safe on the disk; 0: the log is empty."""
    hash: str = GENESIS
    first: int = 1
    """Number of the first line that is still kept."""
    first_prev: str = GENESIS
    """The hash of the line before the first line."""

    @property
    def end(self) -> Link:
        """Sequence number and hash of the log's last line; START if it has none."""
        return Link(self.seq, self.hash) if self.seq else START


class AnchorFile:
    """The anchor of a log that this process writes."""

    def __init__(self, log: Path, seal: Seal) -> None:
        """Opens or makes the anchor, and locks it.

        Raises OSError, or BlockingIOError if another process holds the lock.
        """
        self.path = head_path(log)
        self._seal = seal
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._fd)
            raise
        data = os.pread(self._fd, SIZE + 1, 0)
        self.found = decode(data, seal)
        """The contents when the anchor was opened; None: new or unreadable."""
        self.is_new = not data

    def write(self, head: Anchor) -> None:
        """Notes how far the log goes, durably. Raises OSError."""
        os.pwrite(self._fd, encode(head, self._seal), 0)
        os.fdatasync(self._fd)

    def close(self) -> None:
        """Closes the anchor, and ends its lock."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def head_path(log: Path) -> Path:
    """The path of a log's anchor."""
    return log.with_name(log.name + ".head")


def encode(head: Anchor, seal: Seal) -> bytes:
    """The block for a head."""
    body = json.dumps({"v": 1, **asdict(head)}, separators=(",", ":")).encode()[:-1]
    data = body + b',"check":"%s"}' % seal.digest(body).encode()
    return data + b" " * (SIZE - len(data) - 1) + b"\n"


def decode(data: bytes, seal: Seal) -> Anchor | None:
    """Reads a block; None if it is not sealed with this key, or is not the block of a head."""
    try:
        values: dict[str, Any] = json.loads(data)
        seq, last, first, first_prev = (values[name] for name in ("seq", "hash", "first", "first_prev"))
    except (ValueError, KeyError, TypeError):
        return None
    if type(seq) is not int or type(first) is not int or min(seq, first) < 0:
        return None
    if not isinstance(last, str) or not isinstance(first_prev, str) or {len(last), len(first_prev)} != {len(GENESIS)}:
        return None
    head = Anchor(seq, last, first, first_prev)
    return head if hmac.compare_digest(encode(head, seal), data) else None


def read(log: Path, seal: Seal) -> Anchor | None:
    """The anchor of a log, which another process may write; None if it can't be read as an anchor. Raises OSError."""
    with opened(head_path(log)) as (file, _):
        return decode(file.read(SIZE + 1), seal)


def is_written(log: Path) -> bool:
    """True if a process has the log open for writing."""
    try:
        with opened(head_path(log)) as (file, _):
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
