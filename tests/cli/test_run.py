"""`distwall run` as a process: it gets ready, answers, and ends cleanly."""

import json
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.ports import free_port

ENV = {**os.environ, "CLUSTER": "cluster-secret", "FOO": "foo-secret"}


def _policy(folder: Path, *, port: int | None = None, more: str = "") -> Path:
    path = folder / "distwall.toml"
    path.write_text(
        f'[guard]\nnodes = ["bar@127.0.0.1"]\nepmd = "127.0.0.1:{port or free_port()}"\ncookie_env = "CLUSTER"\n'
        f'[[peers]]\nnode = "foo@*"\ncookie_env = "FOO"\n{more}\n'
    )
    return path


def _distwall(*args: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "distwall", *map(str, args)],
        env=ENV,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def _running(config: Path, *args: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A distwall that is ready, and what it said until then."""
    process = _distwall("run", "--config", config, *args)
    assert process.stderr is not None
    try:
        said = ""
        while "distwall ready" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        yield process, said
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream:
                stream.close()


def _ask(*args: str | Path) -> tuple[int, str, str]:
    process = _distwall(*args)
    out, error = process.communicate(timeout=30)
    return process.returncode, out, error


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_gets_ready_answers_and_ends(tmp_path: Path, number: signal.Signals) -> None:
    config = _policy(tmp_path)
    with _running(config) as (process, said):
        assert said.startswith("distwall ready: epmd 127.0.0.1:")
        assert ", guarding bar@127.0.0.1, control " in said
        assert _ask("peers", "--config", config) == (0, "no peer is connected\n", "")
        code, out, _ = _ask("stats", "--config", config, "-o", "json")
        assert (code, len(json.loads(out)["inbound"])) == (0, 14)
        code, out, error = _ask("stats", "foo@h", "--config", config)
        assert (code, error) == (0, "foo@h has not been connected since the start\n")
        assert [line.split()[0] for line in out.splitlines()[2:4]] == ["alias_send", "demonitor"]
        process.send_signal(number)
        assert process.wait(30) == 0
    events = [json.loads(line)["event"] for line in (tmp_path / "distwall-audit.jsonl").read_text().splitlines()]
    assert (events[0], events[-1]) == ("start", "stop")
    assert not (tmp_path / "distwall.sock").exists()


def test_warnings_are_shown_and_events_on_request(tmp_path: Path) -> None:
    config = _policy(tmp_path, more='rules = ["accept reg_send a"]')
    with _running(config, "--events") as (process, said):
        assert "warning: " in said
        process.terminate()
        assert process.stderr is not None
        # Events are shown from a thread, so the first may come behind the line that says ready.
        heard = said + process.stderr.read()
        assert "  start  policy " in heard
        assert "  stop" in heard


def test_a_second_one_on_the_same_socket_leaves_the_first_alone(tmp_path: Path) -> None:
    config = _policy(tmp_path)
    with _running(config):
        code, _, error = _ask("run", "--config", config)
        assert code == 1
        assert error == (
            f"distwall: {tmp_path}/distwall-audit.jsonl is in use by another distwall;"
            " stop that one, or set [audit] file to another path\n"
        )
        assert _ask("peers", "--config", config)[0] == 0


def test_it_comes_back_after_it_was_killed(tmp_path: Path) -> None:
    config = _policy(tmp_path)
    with _running(config) as (process, _):
        process.kill()
        process.wait()
        assert (tmp_path / "distwall.sock").exists()
        with _running(config):
            assert _ask("peers", "--config", config)[0] == 0


def test_an_address_in_use_is_one_line_with_advice(tmp_path: Path) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        config = _policy(tmp_path, port=sock.getsockname()[1])
        code, _, error = _ask("run", "--config", config)
    assert code == 1
    assert error.startswith("distwall: EPMD")
    assert f", by {Path('/proc/self/comm').read_text().strip()} (process {os.getpid()}, user {os.getuid()});" in error
    assert f"; stop the program that uses it, or change the address in {config}\n" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "distwall.sock").exists()


def test_places_that_cannot_be_had_are_one_line_with_advice(tmp_path: Path) -> None:
    code, _, error = _ask("run", "--config", _policy(tmp_path, more='[audit]\nfile = "none/log"'))
    assert (code, error) == (
        1,
        (
            f"distwall: {tmp_path}/none/log: can't write the audit log: No such file or directory;"
            " correct [audit] file or its permissions\n"
        ),
    )
    code, _, error = _ask("run", "--config", _policy(tmp_path, more='[control]\nsocket = "none/sock"'))
    assert code == 1
    assert "none/sock: can't make the control socket: No such file or directory" in error


def test_a_full_disk_is_said_at_once(tmp_path: Path) -> None:
    config = _policy(tmp_path, more='[audit]\nfile = "full"')
    with _running(config) as (process, _):
        assert process.stderr is not None
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, 0))
        with socket.create_connection(("127.0.0.1", _port(config))) as client:
            client.sendall(b"\x00\x01k")  # EPMD's "kill": refused, which is an event
            client.recv(16)
        told = process.stderr.readline()
        assert f"distwall: {tmp_path}/full: can't write the audit log: File too large; make room" in told
        process.terminate()
        assert process.wait(30) == 0


def test_it_goes_on_when_nobody_reads_its_messages(tmp_path: Path) -> None:
    config = _policy(tmp_path)
    with _running(config, "--events") as (process, _):
        assert process.stderr is not None
        process.stderr.close()
        with socket.create_connection(("127.0.0.1", _port(config))) as client:
            client.sendall(b"\x00\x01k")  # EPMD's "kill": refused, which is an event
            client.recv(16)
        assert _ask("peers", "--config", config)[0] == 0
        process.terminate()
        assert process.wait(30) == 0


def _port(config: Path) -> int:
    return int(config.read_text().partition('epmd = "127.0.0.1:')[2].partition('"')[0])


def test_a_policy_that_does_not_check_is_told_with_its_place(tmp_path: Path) -> None:
    code, _, error = _ask("run", "--config", _policy(tmp_path, more="visible = 1"))
    assert code == 2
    assert ":8:11: `visible` is an integer; write true or false" in error


def test_a_policy_that_is_still_being_written_is_not_begun_with(tmp_path: Path) -> None:
    config = _policy(tmp_path)
    with config.open("a"):
        code, _, error = _ask("run", "--config", config)
    assert code == 1
    assert error == f"distwall: {config}: somebody is still writing it; start distwall when that is over\n"
