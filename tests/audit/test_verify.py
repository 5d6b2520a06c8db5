"""Whatever is done to a log is found."""

import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from distwall.audit.chain import Link, Seal, parse
from distwall.audit.log_file import LogFile, Rotation, rotated
from distwall.audit.verify import Report, log_files, verify
from tests.support.audit_logs import log_lines, write_log

KEY = b"a key of the tests' own"


def check(path: Path, *, key: bytes | None = None, **more: Any) -> Report:
    return verify(log_files(path), log=path, seal=Seal(key), **more)


def told(path: Path, **more: Any) -> list[str]:
    return [str(finding).replace(f"{path.parent}/", "") for finding in check(path, **more).findings]


@pytest.mark.parametrize("key", [None, KEY])
def test_a_log_is_whole_over_restarts_and_rotations(tmp_path: Path, key: bytes | None) -> None:
    path = tmp_path / "log"
    for _ in range(3):
        write_log(path, ["start", "x", "x", "stop"], key=key, rotation=Rotation(size=600))
    report = check(path, key=key)
    assert report.ok, report.findings
    assert (report.lines, report.first) == (12, 1)
    assert report.last is not None
    assert report.last.seq == 12
    assert len(report.files) > 3
    assert all(each.stat().st_mode & 0o777 == 0o600 for each in tmp_path.iterdir())


def test_files_are_named_after_their_first_line_and_the_oldest_go(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write_log(path, ["x"] * 20, rotation=Rotation(size=300, keep=2))
    kept = rotated(path)
    assert len(kept) == 2
    for each in kept:
        first = parse(log_lines(each)[0])
        assert first is not None
        assert each.name == f"log.{first.seq:012}"
    report = check(path)
    assert report.ok, report.findings
    assert report.first is not None
    assert report.first > 10
    # What goes missing now was not taken by distwall.
    kept[0].unlink()
    assert "missing before it" in told(path)[0]


def test_files_are_rotated_by_age(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write_log(path, ["x"] * 3, rotation=Rotation(age=timedelta(0)))
    assert len(rotated(path)) == 2
    write_log(path, ["x"] * 3, rotation=Rotation(age=timedelta(days=1)))
    assert len(rotated(path)) == 2
    assert check(path).ok


def test_somebody_else_may_rotate(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write_log(path, ["x", "x"])
    path.rename(tmp_path / "log.1")
    write_log(path, ["x"])
    (tmp_path / "log.1.gz").write_bytes(gzip.compress((tmp_path / "log.1").read_bytes()))
    for older in ("log.1", "log.1.gz"):
        assert verify([path, tmp_path / older], log=path).ok
    assert told(path) == ["log:1: lines 1 to 2 are missing before it"]


def test_with_a_key_nobody_else_can_make_the_chain(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write_log(path, ["x", "x"], key=KEY)
    assert [finding.what for finding in check(path, key=b"another").findings][:2] == [
        "was changed, or sealed with another key",
        "was changed: its hash does not fit",
    ]
    assert "another key" in check(path, key=b"another").notes[-1]
    assert not check(path).ok


def test_each_finding_says_where(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write_log(path, ["x"] * 6)
    whole = log_lines(path)

    def having(new: list[bytes]) -> list[str]:
        path.write_bytes(b"".join(new))
        return told(path)

    assert having(whole) == []
    assert having([*whole[:2], whole[2].replace(b"xx", b"xy"), *whole[3:]]) == [
        "log:3: was changed: its hash does not fit"
    ]
    assert having([*whole[:2], *whole[3:]]) == ["log:3: line 3 is missing before it"]
    assert having(whole[2:]) == ["log:1: lines 1 to 2 are missing before it"]
    assert having(whole[:4]) == ["log: the end is missing: lines 5 to 6 are not there"]
    assert having([]) == ["log: the end is missing: lines 1 to 6 are not there"]
    assert having([*whole[:3], whole[2], *whole[3:]]) == ["log:4: is repeated or out of place: line 3 behind line 3"]
    assert having([whole[0], whole[2], whole[1], *whole[3:]]) == [
        "log:2: line 2 is missing before it",
        "log:3: is repeated or out of place: line 2 behind line 3",
    ]
    assert having([whole[0], b"{}\n", *whole[1:]]) == ["log:2: is not a line of the log"]
    assert having([*whole[:5], whole[5][:-9]]) == [
        "log:6: the last line is cut off",
        "log: the end is missing: line 6 is not there",
    ]


def test_added_lines_are_found_even_if_their_hashes_fit(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write_log(path, ["x"] * 3)
    last = parse(log_lines(path)[-1])
    assert last is not None
    more, _ = Seal().line(b'{"v":1,"seq":4,"time":"","event":"x"}', last.link)
    path.write_bytes(path.read_bytes() + more)
    (finding,) = told(path)
    assert finding.startswith("log: 1 lines follow the anchored end (3): distwall was killed")


def test_a_line_that_was_noted_elsewhere_has_to_be_there(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write_log(path, ["x"] * 3)
    noted = check(path).last
    assert noted is not None
    write_log(path, ["x"] * 3)
    assert check(path, anchors=[noted]).ok
    # A log that was made anew, anchor and all.
    for each in (path, tmp_path / "log.head"):
        each.unlink()
    write_log(path, ["y"] * 6)
    assert told(path) == []
    assert told(path, anchors=[noted]) == ["log: line 3 differs from the anchored line"]
    assert told(path, anchors=[Link(9, "0" * 64)]) == ["log: the end is missing: lines 7 to 9 are not there"]


def test_a_part_of_a_log_needs_to_be_told_its_start_and_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write_log(path, ["x"] * 6)
    part = tmp_path / "part"
    part.write_bytes(b"".join(log_lines(path)[3:]))
    assert not verify([part]).ok
    (finding,) = verify([part], start=4).findings
    assert finding.what == "the check can't tell how far the log goes; give --head SEQ:HASH"
    end = check(path).last
    assert end is not None
    assert verify([part], start=4, anchors=[end]).ok
    assert not verify([part], start=5, anchors=[end]).ok


class TestHead:
    def _log(self, tmp_path: Path) -> Path:
        path = tmp_path / "log"
        write_log(path, ["x"] * 2)
        return path

    def test_without_it_nothing_says_how_far_the_log_goes(self, tmp_path: Path) -> None:
        path = self._log(tmp_path)
        (tmp_path / "log.head").unlink()
        assert told(path) == ["log.head: is missing, so the check can't tell how far the log goes"]
        # To start distwall again doesn't hide it.
        write_log(path, ["x"])
        assert told(path) == [
            "log:3: distwall found the log like this when it started: FILE.head is missing or can't be read"
        ]

    def test_no_byte_of_it_can_be_changed(self, tmp_path: Path) -> None:
        path = self._log(tmp_path)
        head = tmp_path / "log.head"
        data = head.read_bytes()
        for index in range(len(data)):
            head.write_bytes(data[:index] + bytes([data[index] ^ 1]) + data[index + 1 :])
            assert not check(path).ok, index
        head.write_bytes(data + b" ")
        assert not check(path).ok

    @pytest.mark.parametrize("key", [None, KEY])
    def test_without_the_key_no_other_can_be_made(self, tmp_path: Path, key: bytes | None) -> None:
        path = tmp_path / "log"
        write_log(path, ["x"] * 4, key=key)
        kept = log_lines(path)[:2]
        path.write_bytes(b"".join(kept))
        last = parse(kept[-1])
        assert last is not None
        values = {"v": 1, "seq": 2, "hash": last.hash, "first": 1, "first_prev": "0" * 64}
        body = json.dumps(values, separators=(",", ":")).encode()[:-1]
        made = body + b',"check":"%s"}' % Seal().digest(body).encode()
        (tmp_path / "log.head").write_bytes(made.ljust(511) + b"\n")
        assert check(path, key=key).ok is (key is None)


Edit = Callable[[bytes, Callable[[int], int]], bytes]


def _edits(data: st.DataObject, text: bytes) -> bytes:
    """One edit of a file's bytes."""
    all_lines = text.splitlines(keepends=True)
    at = data.draw(st.integers(0, len(all_lines) - 1), label="line")
    match data.draw(
        st.sampled_from(["flip", "remove", "swap", "repeat", "truncate", "insert", "byte out", "byte in", "front"])
    ):
        case "flip":
            index = data.draw(st.integers(0, len(text) - 1))
            return text[:index] + bytes([text[index] ^ (1 << data.draw(st.integers(0, 7)))]) + text[index + 1 :]
        case "remove":
            upto = data.draw(st.integers(at + 1, len(all_lines)))
            return b"".join(all_lines[:at] + all_lines[upto:])
        case "swap":
            other = data.draw(st.integers(0, len(all_lines) - 1))
            all_lines[at], all_lines[other] = all_lines[other], all_lines[at]
            return b"".join(all_lines)
        case "repeat":
            to = data.draw(st.integers(0, len(all_lines)))
            return b"".join([*all_lines[:to], all_lines[at], *all_lines[to:]])
        case "truncate":
            return text[: data.draw(st.integers(0, len(text) - 1))]
        case "insert":
            new = data.draw(st.binary(min_size=1, max_size=40)) + b"\n"
            return b"".join([*all_lines[:at], new, *all_lines[at:]])
        case "byte out":
            index = data.draw(st.integers(0, len(text) - 1))
            return text[:index] + text[index + 1 :]
        case "byte in":
            index = data.draw(st.integers(0, len(text)))
            return text[:index] + data.draw(st.binary(min_size=1, max_size=1)) + text[index:]
        case _:
            return text[data.draw(st.integers(1, len(text))) :]


@pytest.fixture(scope="module", params=[None, KEY], ids=["hash", "hmac"])
def valid(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes | None]:
    """A log in several files, with a line that a crash has cut."""
    path = tmp_path_factory.mktemp("valid") / "log"
    write_log(path, ["x"] * 5, key=request.param, rotation=Rotation(size=700))
    # Killed in the middle of a line.
    file = LogFile(path, Seal(request.param))
    file._append(b'{"v":1,"seq":6,"ti') if file.recovery is None else None
    file.close()
    write_log(path, ["x"] * 6, key=request.param, rotation=Rotation(size=900))
    assert check(path, key=request.param).ok
    assert check(path, key=request.param).notes
    return path, request.param


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_single_edit_is_found(valid: tuple[Path, bytes | None], data: st.DataObject) -> None:
    path, key = valid
    file = data.draw(st.sampled_from(log_files(path)), label="file")
    before = file.read_bytes()
    edited = _edits(data, before)
    if edited == before:
        return
    file.write_bytes(edited)
    try:
        assert not check(path, key=key).ok
    finally:
        file.write_bytes(before)
    assert check(path, key=key).ok
