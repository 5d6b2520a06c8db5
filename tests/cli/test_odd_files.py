"""Files that users name and that are no files to read: every command says so at once, and waits for nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from distwall.files.regular_file import MAX_SIZE
from tests.support.wall import CLUSTER_COOKIE, COMMAND, policy_text

TIMEOUT = 20.0
POLICY = "distwall.toml"


def run(folder: Path, *words: str) -> tuple[int, str]:
    """The exit code and the errors of a command, which has to end by itself."""
    done = subprocess.run(
        [COMMAND, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"},
    )
    return done.returncode, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / POLICY).write_text(policy_text(4369, 4370, [], guards=["bar@127.0.0.2"]))
    (tmp_path / "cluster.cookie").write_text(CLUSTER_COOKIE)
    (tmp_path / "cluster.cookie").chmod(0o600)
    return tmp_path


READERS = {
    "check": ["check", POLICY],
    "run": ["run", "--config", POLICY],
    "run in the shadow": ["run", "--config", "good.toml", "--shadow", POLICY],
    "fmt": ["fmt", POLICY],
    "exec": ["exec", "--config", POLICY, "--", "true"],
    "apply": ["apply", POLICY, "--config", "good.toml"],
    "test": ["test", POLICY, "--config", "good.toml"],
    "doctor": ["doctor", "--config", POLICY],
}


@pytest.mark.parametrize("words", READERS.values(), ids=READERS)
@pytest.mark.parametrize("kind", ["FIFO", "large", "directory"])
def test_a_policy_that_is_no_small_file_is_an_error_at_once(folder: Path, words: list[str], kind: str) -> None:
    path = folder / POLICY
    path.rename(folder / "good.toml")
    match kind:
        case "FIFO":
            os.mkfifo(path)
        case "large":
            with path.open("wb") as file:
                file.write(b"# a comment ")
                file.truncate(50 << 20)
        case _:
            path.mkdir()
    code, errors = run(folder, *words)
    assert code != 0
    told = {"FIFO": "it is a FIFO", "large": f"more than {MAX_SIZE} bytes", "directory": "it is a directory"}[kind]
    if words[0] != "test" or kind != "directory":
        assert told in " ".join(errors.split())


@pytest.mark.parametrize("name", ["audit.jsonl", "audit.jsonl.head", "distwall-state.json"])
def test_a_fifo_among_the_files_of_a_start_ends_it_at_once(folder: Path, name: str) -> None:
    os.mkfifo(folder / name)
    code, errors = run(folder, "run", "--config", POLICY)
    assert code == 1
    assert name.removesuffix(".head") in errors


@pytest.mark.parametrize("words", [["audit", "verify", "log"], ["audit", "verify", "log.gz"], ["audit", "tail"]])
def test_a_fifo_among_the_logs_ends_their_readers_at_once(folder: Path, words: list[str]) -> None:
    for name in ("log", "log.gz", "audit.jsonl"):
        os.mkfifo(folder / name)
    code, errors = run(folder, *words)
    assert code != 0
    assert "FIFO" in errors


def test_a_fifo_of_flags_is_left_to_the_program(folder: Path) -> None:
    os.mkfifo(folder / "flags")
    code, _ = run(folder, "exec", "--config", POLICY, "--", sys.executable, "-c", "pass", "-args_file", "flags")
    assert code in (0, 1, 2)
