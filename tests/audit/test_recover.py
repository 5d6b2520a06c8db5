"""How a log goes on after whatever has happened to it."""

import subprocess
import sys
from pathlib import Path

import pytest

from distwall.audit.anchor import Anchor, AnchorFile
from distwall.audit.chain import Seal, parse
from distwall.audit.verify import log_files, verify
from tests.support.audit_logs import log_lines, write_log


def recovered(path: Path) -> list[tuple[str, int]]:
    """What was noted, and how many bytes were no line."""
    found = [line.event() for line in map(parse, log_lines(path)) if line and line.kind == "audit_recovered"]
    return [(event["reason"], event["torn_bytes"]) for event in found]


def findings(path: Path) -> list[str]:
    return [finding.what for finding in verify(log_files(path), log=path).findings]


def test_an_ordinary_end_needs_no_word(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write_log(path, ["x"])
    write_log(path, ["x"])
    assert recovered(path) == []
    assert [line.seq for line in map(parse, log_lines(path)) if line] == [1, 2]


@pytest.mark.parametrize("torn", [b'{"v":1,', b"\0\0\0", b'{"half":"line"}\n\n\0', b"\n"])
def test_what_is_torn_stays_and_is_noted(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "log"
    write_log(path, ["x"] * 3)
    path.write_bytes(path.read_bytes() + torn)
    write_log(path, ["x"])
    assert torn in path.read_bytes()
    assert recovered(path) == [("torn", len(torn) + (not torn.endswith(b"\n")))]
    assert findings(path) == []
    write_log(path, ["x"])
    assert len(recovered(path)) == 1
    path.write_bytes(path.read_bytes().replace(torn, b"?" + torn, 1))
    assert findings(path) != []


def test_only_the_line_end_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write_log(path, ["x"] * 3)
    path.write_bytes(path.read_bytes()[:-1])
    write_log(path, ["x"])
    assert recovered(path) == []
    assert findings(path) == []
    assert len(log_lines(path)) == 4


def test_lines_that_were_not_anchored_are_noted(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write_log(path, ["x"] * 3)
    third = parse(log_lines(path)[1])
    assert third is not None
    head = AnchorFile(path, Seal())
    head.write(Anchor(2, third.hash))
    head.close()
    assert "distwall was killed before it could anchor" in findings(path)[0]
    write_log(path, ["x"])
    assert recovered(path) == [("unanchored", 0)]
    assert findings(path) == []


def test_a_cut_end_stays_missing(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write_log(path, ["x"] * 5)
    path.write_bytes(b"".join(log_lines(path)[:3]))
    write_log(path, ["x"])
    assert recovered(path) == [("cut", 0)]
    assert findings(path) == [
        "distwall found the log like this when it started: the log ends with line 3, and had 5",
        "lines 4 to 5 are missing before it",
    ]


def test_a_log_that_is_gone_stays_missing(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write_log(path, ["x"] * 5)
    path.unlink()
    write_log(path, ["x"])
    told, missing = findings(path)
    assert "the log is empty or missing, and had 5 lines" in told
    assert missing == "lines 1 to 5 are missing before it"


def test_another_last_line_is_found(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write_log(path, ["x"] * 2)
    first, _ = log_lines(path)
    before = parse(first)
    assert before is not None
    made, _ = Seal().line(b'{"v":1,"seq":2,"time":"","event":"y"}', before.link)
    path.write_bytes(first + made)
    write_log(path, ["x"])
    assert recovered(path) == [("altered", 0)]
    assert len(findings(path)) == 2


def test_a_log_of_something_else_stays_and_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"a log of\nanother kind\n")
    write_log(path, ["x"])
    assert recovered(path) == [("unreadable", 22)]
    assert path.read_bytes().startswith(b"a log of\nanother kind\n")
    (finding,) = findings(path)
    assert finding.endswith("no line of the log can be read, or it was made with another key")


WRITER = """
import asyncio, sys
from pathlib import Path
from distwall.audit.log import AuditLog
from distwall.audit.schema import StateTrouble

async def main():
    log = AuditLog(Path(sys.argv[1]), say=lambda _: None)
    log.BATCH_SECONDS = 0
    print("writing", flush=True)
    number = 0
    while True:
        log.record(StateTrouble(detail="x" * (number % 300)))
        number += 1
        if number % 50 == 0:
            await asyncio.sleep(0)

asyncio.run(main())
"""


def test_a_log_stays_whole_however_often_its_writer_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for _ in range(6):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            size = path.stat().st_size
            while path.stat().st_size < size + 20_000:
                assert process.poll() is None
            process.kill()
    write_log(path, ["stop"])
    assert findings(path) == []
    seqs = [line.seq for line in map(parse, log_lines(path)) if line]
    assert seqs == list(range(1, len(seqs) + 1))
    assert {reason for reason, _ in recovered(path)} <= {"torn", "unanchored"}


@pytest.mark.parametrize("how", ["emptied", "removed"])
def test_an_emptied_log_is_noted_at_the_start(tmp_path: Path, how: str) -> None:
    path = tmp_path / "log"
    write_log(path, ["x"] * 3)
    if how == "emptied":
        path.write_bytes(b"")
    else:
        path.unlink()
    write_log(path, ["x"])
    assert recovered(path) == [("emptied", 0)]
    assert findings(path) != []


@pytest.mark.parametrize("name", ["log.1", "log-20261128", "log.000000000001"])
def test_a_log_that_was_moved_beside_itself_is_not_emptied(tmp_path: Path, name: str) -> None:
    path = tmp_path / "log"
    write_log(path, ["x"] * 3)
    path.rename(tmp_path / name)
    write_log(path, ["x"])
    assert recovered(path) == []


def test_another_log_beside_it_does_not_stand_for_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write_log(path, ["x"] * 3)
    path.rename(tmp_path / "log.1")
    (tmp_path / "log.1").write_bytes(b"".join(log_lines(tmp_path / "log.1")[:-1]))
    write_log(path, ["x"])
    assert recovered(path) == [("emptied", 0)]
