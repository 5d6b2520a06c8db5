"""Files that are opened with care."""

import os
from pathlib import Path

import pytest

from distwall.files.regular_file import MAX_SIZE, NotRegularError, opened, read


def test_a_regular_file_is_read_with_its_status(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"text")
    with opened(path) as (file, status):
        path.unlink()
        assert (file.read(), status.st_size) == (b"text", 4)


def test_what_is_not_a_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path, kind in ((tmp_path, "directory"), (tmp_path / "fifo", "FIFO"), (Path("/dev/zero"), "device")):
        with pytest.raises(NotRegularError, match=kind), opened(path):
            pass


@pytest.mark.parametrize("name", ["missing", "a\0b"])
def test_a_path_without_a_file_is_an_os_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(OSError, match=r"No such file|embedded null"), opened(tmp_path / name):
        pass


def test_a_link_is_followed_only_if_it_may_be(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"text")
    (tmp_path / "link").symlink_to("a")
    with opened(tmp_path / "link") as (file, _):
        assert file.read() == b"text"
    with pytest.raises(OSError, match="symbolic links"), opened(tmp_path / "link", follow=False):
        pass


def test_a_file_is_read_whole_up_to_the_limit_and_not_beyond(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * MAX_SIZE)
    assert len(read(path)) == MAX_SIZE
    path.write_bytes(b"x" * (MAX_SIZE + 1))
    with pytest.raises(OSError, match=f"more than {MAX_SIZE} bytes"):
        read(path)
