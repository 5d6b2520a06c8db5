"""The log file: whole lines, private, rotated, and nothing repeated after a failure."""

import errno
import os
from pathlib import Path

import pytest

from distwall.audit.log_file import InUseError, LogFile


def test_it_appends_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for text in (b"a\n", b"b\n"):
        file = LogFile(path)
        file.write(text)
        file.close()
        file.close()
    assert path.read_bytes() == b"a\nb\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_line_that_was_left_open_is_ended(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'{"half":')
    file = LogFile(path)
    file.write(b"a\n")
    file.close()
    assert path.read_bytes() == b'{"half":\na\n'


def test_a_begun_line_is_ended_where_it_was_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    file = LogFile(path)
    write = os.write

    def halfway(fd: int, data: bytes) -> int:
        if len(data) > 3:
            return write(fd, data[:2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as full:
        full.setattr(os, "write", halfway)
        with pytest.raises(OSError, match="No space"):
            file.write(b"{{{{\n")
    path.rename(tmp_path / "log.1")
    file.write(b"b\n")
    file.close()
    assert (tmp_path / "log.1").read_bytes() == b"{{{{\n"
    assert path.read_bytes() == b"b\n"


def test_there_is_one_writer_at_a_time(tmp_path: Path) -> None:
    file = LogFile(tmp_path / "log")
    with pytest.raises(InUseError, match="in use by another distwall"):
        LogFile(tmp_path / "log")
    file.close()
    LogFile(tmp_path / "log").close()


@pytest.mark.parametrize("again", [True, False])
def test_it_follows_a_rotated_file(tmp_path: Path, again: bool) -> None:
    path = tmp_path / "log"
    file = LogFile(path)
    file.write(b"a\n")
    path.rename(tmp_path / "log.1")
    if again:
        path.touch()
    file.write(b"b\n")
    file.close()
    assert (tmp_path / "log.1").read_bytes() == b"a\n"
    assert path.read_bytes() == b"b\n"


def test_it_goes_on_where_a_full_disk_stopped_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    file = LogFile(path)
    room = 5
    write = os.write

    def limited(fd: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = write(fd, data[:room])
        room -= written
        return written

    monkeypatch.setattr(os, "write", limited)
    with pytest.raises(OSError, match="No space"):
        file.write(b"abc\ndef\n")
    assert file.waiting == 3
    with pytest.raises(OSError, match="No space"):
        file.write(b"ghi\n")
    room = 100
    file.write(b"")
    file.close()
    assert path.read_bytes() == b"abc\ndef\nghi\n"


def test_a_path_that_cannot_be_had_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LogFile(tmp_path / "none" / "log")
