"""Files that are replaced at once, by one writer at a time."""

import stat
import threading
from pathlib import Path

import pytest

from distwall.files.replacement import Replacement, replace_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.json"
    path.write_bytes(b"old and long")
    return path


def test_the_file_has_the_new_text_and_the_mode(path: Path) -> None:
    replace_file(path, b"new", mode=0o640)
    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", 0o640)
    assert [each.name for each in path.parent.iterdir()] == ["a.json"]


def test_what_is_not_put_in_place_leaves_nothing(path: Path) -> None:
    with Replacement(path) as new:
        new.write(b"new")
    assert path.read_bytes() == b"old and long"
    assert [each.name for each in path.parent.iterdir()] == ["a.json"]


def test_what_an_ended_writer_left_behind_is_overwritten(path: Path) -> None:
    path.with_name("a.json.new").write_bytes(b"the longer half of some text")
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_second_writer_is_refused_or_waits(path: Path) -> None:
    def second() -> None:
        with Replacement(path, wait=True) as new:
            new.write(path.read_bytes() + b", second")
            new.put_in_place()

    with Replacement(path) as new:
        with pytest.raises(BlockingIOError):
            replace_file(path, b"other")
        waiting = threading.Thread(target=second)
        waiting.start()
        new.write(b"first")
        new.put_in_place()
    waiting.join(30)
    assert path.read_bytes() == b"first, second"


def test_a_link_in_the_way_is_not_followed(path: Path) -> None:
    victim = path.with_name("victim")
    victim.write_bytes(b"precious")
    path.with_name("a.json.new").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        replace_file(path, b"new")
    assert (victim.read_bytes(), path.read_bytes()) == (b"precious", b"old and long")
