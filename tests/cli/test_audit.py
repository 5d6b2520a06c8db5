"""``distwall audit``: checks and reads the log."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.audit_logs import log_lines, write_log
from tests.support.command_line import ENV, Commands, running_distwall, write_policy


@pytest.fixture(autouse=True)
def only_known_events() -> None:
    """These tests make up kinds of events."""


@pytest.fixture
def distwall(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Commands:
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "key").write_text("a key of 32 bytes or even more..\n")
    (tmp_path / "key").chmod(0o600)
    top = '[audit]\nfile = "log"\nkey_file = "key"\nrotate_size = "1kB"\nrotate_age = "30d"\nkeep = 50\n'
    return Commands(write_policy(tmp_path, top=top), capsys)


def test_the_log_of_a_distwall_that_ran_twice_is_whole(tmp_path: Path, distwall: Commands) -> None:
    for _ in range(2):
        with running_distwall(distwall.config) as process:
            assert distwall("set-filter", "foo@h", "link", "deny").code == 0
            # While it runs, too.
            assert distwall("audit", "verify").code == 0
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    told = distwall("audit", "verify", "-o", "json")
    report = json.loads(told.out)
    assert (told.code, report["ok"], report["findings"]) == (0, True, [])
    assert len(report["files"]) > 1
    assert report["lines"] == int(report["last"].partition(":")[0]) == 8
    assert distwall("audit", "verify").out.startswith("fine: 8 lines in ")
    assert distwall("audit", "verify", "--head", report["last"]).code == 0
    # Another key is not the key.
    files = [str(file) for file in tmp_path.glob("log*") if file.name != "log.head"]
    assert distwall("audit", "verify", *files, "--key-file", str(tmp_path / "key"), config=False).code == 0
    assert distwall("audit", "verify", *files, config=False).code == 1

    log = tmp_path / "log"
    log.write_bytes(log.read_bytes().replace(b'"event":"stop"', b'"event":"STOP"'))
    told = distwall("audit", "verify")
    assert told.code == 1
    assert "was changed: its hash does not fit" in told.out
    assert f"{log}:" in told.out

    told = distwall("audit", "tail", "--event", "setting", "-o", "json")
    assert [json.loads(line)["set"] for line in told.out.splitlines()] == ["foo@h: deny link"] * 2
    assert len(distwall("audit", "tail", "-n", "3").out.splitlines()) == 3


def test_tail_follows_through_rotations(tmp_path: Path, distwall: Commands) -> None:
    from distwall.audit.log_file import Rotation

    log = tmp_path / "log"
    write_log(log, ["one"])
    with subprocess.Popen(
        [sys.executable, "-m", "distwall", "audit", "tail", "-f", "-o", "json", "--config", str(distwall.config)],
        stdout=subprocess.PIPE,
        text=True,
    ) as tail:
        assert tail.stdout is not None
        assert json.loads(tail.stdout.readline())["event"] == "one"
        for _ in range(3):
            write_log(log, ["x"] * 4, rotation=Rotation(size=500))
        seqs = [json.loads(tail.stdout.readline())["seq"] for _ in range(12)]
        tail.kill()
    assert seqs == list(range(2, 14))


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["verify", "--head", "x"], 2, "`x` is not SEQ:HASH"),
        (["verify", "none"], 1, "none: No such file"),
        (["verify", "--key-env", "NOBODY"], 2, "NOBODY is not set"),
        (["verify", "--key-file", "none"], 1, "none: can't read the key"),
        (["tail", "--not", "x"], 2, "is not FIELD=VALUE"),
    ],
)
def test_wrong_usage_is_one_line(distwall: Commands, args: list[str], code: int, said: str) -> None:
    told = distwall("audit", *args)
    assert told.code == code
    assert said in told.error
    assert len(told.error.splitlines()) == 1


def test_each_wrong_setting_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    top = '[audit]\nkey_env = "NONE"\nrotate_size = "big"\nrotate_age = "1 day"\nkeep = 0\n'
    told = Commands(write_policy(tmp_path, top=top), capsys)("check", str(tmp_path / "distwall.toml"), config=False)
    assert told.code == 2
    for what in ("that `key_env` names is not set", "`big` is not a size", "`1 day` is not a span", "`keep` is 0"):
        assert what in told.error


def test_one_line_of_the_log_can_be_checked_by_hand(tmp_path: Path) -> None:
    """As docs/audit.md says."""
    log = tmp_path / "log"
    write_log(log, ["one", "two"])
    script = """tail -1 "$1" | sed 's/,"hash":"[0-9a-f]*"}$//' | tr -d '\\n' | sha256sum"""
    done = subprocess.run(["sh", "-c", script, "sh", str(log)], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == json.loads(log_lines(log)[-1])["hash"]
