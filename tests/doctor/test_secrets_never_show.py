"""Cookies never show: not in what any command prints, not in logs, the API or the process list, whatever goes wrong."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from tests.support import ports
from tests.support.node import Node
from tests.support.process import Child

COMMAND = Path(sys.executable).with_name("distwall")
CLUSTER = "XKQCLUSTERWVBJZPYGFM"
FOO = "YQJFOOHIDDENWZKVBPGM"
INLINE = "ZWVINLINEQJXKYBPGFHM"
BY_ENV = "WENVIRONQJXZKVBPYGFH"
WRONG = "VWRONGONEQJXZKBPYGFH"
SECRETS = (CLUSTER, FOO, INLINE, BY_ENV, WRONG)


def leaks(output: str) -> list[str]:
    """Which secrets a text shows, wholly, in good part, or in another writing."""
    small = output.lower()
    return [
        part
        for secret in SECRETS
        for part in (
            *(secret[at : at + 8].lower() for at in range(len(secret) - 7)),
            secret.encode().hex(),
            base64.b64encode(secret.encode()).decode()[:-4].lower(),
            ", ".join(str(byte) for byte in secret.encode()[:8]),
        )
        if part in small
    ]


def test_a_leak_would_be_seen() -> None:
    assert leaks(f"cookie {CLUSTER[4:]}") != []
    assert leaks(FOO.encode().hex()) != []
    assert leaks(repr(list(INLINE.encode()))) != []
    assert leaks("bad cookie") == []


class SecretsScene:
    """A folder with a policy of all kinds of cookies, and what is needed to run it."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self.epmd_port = stack.enter_context(ports.lease())
        self.register_port = stack.enter_context(ports.lease())
        self.config = folder / "distwall.toml"
        for name, text in (("cluster", CLUSTER), ("foo", FOO)):
            (folder / f"{name}.cookie").write_text(text)
            (folder / f"{name}.cookie").chmod(0o600)
        self.write()

    def write(self, **lines: str) -> None:
        """Writes the policy, with some lines of it replaced."""
        cluster = lines.get("cluster", 'cookie_file = "cluster.cookie"')
        foo = lines.get("foo", 'cookie_file = "foo.cookie"')
        inline = lines.get("inline", f'cookie = "{INLINE}"')
        self.config.write_text(
            f'[guard]\nnodes = ["bar@127.0.0.2", "bad@127.0.0.2"]\nlisten = "127.0.0.2"\n'
            f'epmd = "127.0.0.2:{self.epmd_port}"\nregister = "127.0.0.1:{self.register_port}"\n{cluster}\n'
            f'[[peers]]\nnode = "foo@127.0.0.1"\n{foo}\nrules = ["accept ping"]\n'
            f'[[peers]]\nnode = "inline@127.0.0.1"\n{inline}\nrules = ["deny *"]\n'
            f'[[peers]]\nnode = "env@127.0.0.1"\ncookie_env = "SECRET_OF_ENV"\n{lines.get("more", "")}\n'
        )
        self.config.chmod(0o600)

    @property
    def environment(self) -> dict[str, str]:
        """Where one of the cookies is."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "SECRET_OF_ENV": BY_ENV,
            "PYTHONFAULTHANDLER": "1",
            "PYTHONASYNCIODEBUG": "1",
            "PYTHONWARNINGS": "always",
        }

    def call(self, *args: str, prefix: tuple[str, ...] = ()) -> str:
        """What a command prints, after its exit code."""
        done = subprocess.run(
            [*prefix, COMMAND, *args],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return f"{done.returncode}\n{done.stdout}\n{done.stderr}"

    def run(self) -> Child:
        """Starts distwall, which shows its events."""
        command: list[str | Path] = [COMMAND, "run", "--config", self.config, "--events"]
        wall = Child(command, self.folder / "distwall.log", env=self.environment, cwd=self.folder)
        self._stack.enter_context(wall)
        wall.wait_logged("distwall ready")
        return wall

    def node(self, name: str, cookie: str, *, guarded: bool = False) -> Node:
        """Starts a node."""
        port = self.register_port if guarded else self.epmd_port
        launcher: tuple[str | Path, ...] = (COMMAND, "exec", "--config", self.config, "--") if guarded else ()
        node = Node(name, cookie=cookie, folder=self.folder, epmd_port=port, launcher=launcher)
        return self._stack.enter_context(node)

    def epmd(self) -> None:
        """Starts the peers' EPMD."""
        command = ["epmd", "-address", "127.0.0.1", "-port", str(self.epmd_port)]
        self._stack.enter_context(Child(command, self.folder / "epmd.log", env=self.environment, cwd=self.folder))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[SecretsScene]:
    """A place whose processes end with the test."""
    with ExitStack() as stack:
        yield SecretsScene(tmp_path, stack)


@pytest.mark.slow
def test_a_distwall_that_runs_shows_none(place: SecretsScene) -> None:
    place.epmd()
    wall = place.run()
    place.node("bar@127.0.0.2", CLUSTER, guarded=True)
    bad = place.node("bad@127.0.0.2", WRONG, guarded=True)
    foo = place.node("foo@127.0.0.1", FOO)
    inline = place.node("inline@127.0.0.1", WRONG)
    env = place.node("env@127.0.0.1", BY_ENV)
    assert foo.eval("net_adm:ping('bar@127.0.0.2')") == "pong"
    assert foo.eval("net_adm:ping('bad@127.0.0.2')") == "pang"
    assert bad.eval("net_adm:ping('foo@127.0.0.1')") == "pang"
    assert inline.eval("net_adm:ping('bar@127.0.0.2')") == "pang"
    assert env.eval("net_kernel:connect_node('bar@127.0.0.2')") == "true"
    env.eval("{bar, 'bar@127.0.0.2'} ! hello")
    shown = {
        " ".join(args): place.call(*args)
        for args in (
            ("peers",),
            ("peers", "-o", "json"),
            ("stats",),
            ("stats", "foo@127.0.0.1", "-o", "json"),
            ("check",),
            ("check", "-o", "json"),
            ("explain", "foo@127.0.0.1", "reg_send", "x", "-o", "json"),
            ("explain", "nobody@127.0.0.1", "link"),
            ("doctor",),
            ("doctor", "-o", "json"),
            ("run",),
            ("--help",),
            ("exec", "--", "erl", "-setcookie", FOO, "-no_epmd"),
            ("exec", "--", "erl", "-setcookie", FOO, "-epmd_module", "erl_epmd"),
            ("exec", "--", f"no-such-program-of-{os.getpid()}", "-setcookie", FOO),
        )
    }
    shown |= {f"GET {path}": text for path, text in _api(place.folder / "distwall.sock")}
    proc = Path("/proc", str(wall.pid))
    shown["cmdline"] = (proc / "cmdline").read_text()
    shown["titles"] = " ".join(path.read_text() for path in (*proc.glob("comm"), *proc.glob("task/*/comm")))
    wall.terminate()
    shown["log"] = wall.logged()
    shown["audit"] = (place.folder / "distwall-audit.jsonl").read_text()
    assert {what: leaks(text) for what, text in shown.items() if leaks(text)} == {}
    reasons = {json.loads(line).get("reason") for line in shown["audit"].splitlines()}
    assert {"bad_cookie", "guard_closed", "bad_guard_cookie"} <= reasons, "wrong cookies were tried everywhere"
    assert "foo@127.0.0.1" in shown["peers"]
    assert "bad_cookie" in shown["log"]


def _api(socket: Path) -> Iterator[tuple[str, str]]:
    """All that the API says: every route of its own description, the description, and errors."""
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(socket)), base_url="http://distwall") as client:
        description = client.get("/v1/openapi.json")
        yield "openapi", description.text
        paths = description.json()["paths"]
        assert len(paths) >= 3
        for template, methods in paths.items():
            path = template.replace("{peer}", "foo@127.0.0.1")
            for method in methods:
                # The live events would never end.
                answer = client.request(method, path, params={"follow": "false", "last": "1000"})
                assert answer.status_code < 500
                yield f"{method} {path}", f"{answer.headers} {answer.text}"
        for path in ("/", "/v1/nothing", f"/v1/statistics/{'x' * 5000}"):
            answer = client.post(path, content=b"{")
            yield path, f"{answer.headers} {answer.text}"


@pytest.mark.parametrize(
    "lines",
    [
        {"foo": f"cookie = {FOO}"},
        {"foo": f'cookie = "{FOO}'},
        {"foo": f'cookie = {FOO}"'},
        {"foo": f'cookie = """{FOO}'},
        {"foo": f'cookie = ["{FOO}"]'},
        {"foo": f'cookie = {{ value = "{FOO}" }}'},
        {"foo": f'cookie = "{FOO}" "{FOO}"'},
        {"foo": f'cookie = "{FOO}"\ncookie = "{FOO}"'},
        {"foo": f'cookie = "{FOO}\\z"'},
        {"foo": f'cookie = "{FOO}\x01"'},
        {"foo": f'cookie = "{FOO}\\u0001"'},
        {"foo": f'cookie = "{FOO}€"'},
        {"foo": f'cookie = "{FOO * 20}"'},
        {"foo": f'cookie "{FOO}"'},
        {"foo": f'coookie = "{FOO}"'},
        {"foo": f'cookie = "{FOO}"\ncookie_file = "foo.cookie"'},
        {"foo": f'cookie_env = "{FOO}"'},
        {"foo": f'cookie_file = "{FOO}"'},
        {"cluster": f"cookie = {CLUSTER}"},
        {"cluster": f'cookie = "{CLUSTER}'},
        {"inline": f'cookie = "{INLINE}"\nvisible = "{INLINE}'},
        {"more": 'rules = ["acept ping", "deny * x"]\nvisible = 3'},
        {"cluster": f'cookie = "{INLINE}"'},
    ],
)
def test_policies_that_do_not_check_show_none(place: SecretsScene, lines: dict[str, str]) -> None:
    place.write(**lines)
    shown = {command: place.call(*command.split()) for command in ("check", "check -o json", "doctor -o json")}
    assert {what: leaks(text) for what, text in shown.items() if leaks(text)} == {}
    assert shown["check"].strip() != ""


def test_a_policy_of_another_encoding_shows_none(place: SecretsScene) -> None:
    place.config.write_bytes(place.config.read_bytes().replace(INLINE.encode(), INLINE.encode() + b"\xff"))
    for command in ("check", "run", "doctor"):
        output = place.call(command)
        assert "not UTF-8" in output
        assert leaks(output) == []
    # It needs no more of the file than the way to the running distwall.
    assert leaks(place.call("peers")) == []


@pytest.mark.parametrize("content", [f"{FOO}\n{FOO}\n", FOO * 20, f"{FOO}\0", FOO * 500, f"{FOO}\r\n\r\n{FOO}"])
def test_cookie_files_that_hold_something_else_show_none(place: SecretsScene, content: str) -> None:
    (place.folder / "foo.cookie").write_text(content)
    for command in ("check", "run", "doctor"):
        output = place.call(command)
        assert output.startswith("2\n")
        assert leaks(output) == []


def test_a_cookie_file_that_may_not_be_read_shows_none(place: SecretsScene) -> None:
    prefix: tuple[str, ...] = ()
    if not os.geteuid():
        prefix = ("setpriv", "--inh-caps=-all", "--bounding-set=-all")
        os.chown(place.folder / "foo.cookie", 4242, 4242)
    else:
        (place.folder / "foo.cookie").chmod(0)
    for command in ("check", "run", "doctor"):
        output = place.call(command, prefix=prefix)
        assert "foo.cookie: Permission denied" in output
        assert leaks(output) == []


def test_a_distwall_that_can_not_start_shows_none(place: SecretsScene) -> None:
    (place.folder / "distwall-audit.jsonl").mkdir()
    output = place.call("run")
    assert "can't write the audit log" in output
    assert leaks(output) == []
    (place.folder / "distwall-audit.jsonl").rmdir()
    place.write(more='rules = []\n[control]\nsocket = "cluster.cookie"')
    output = place.call("run")
    assert "is not a socket" in output
    assert leaks(output) == []


def test_an_exception_shows_none(place: SecretsScene) -> None:
    """What Python shows of its own accord, with the values of all variables."""
    code = (
        "import sys, traceback\nfrom pathlib import Path\nfrom distwall.policy import load\n"
        "def fail(policy, entry, cookie):\n    items = {cookie: entry}\n    raise KeyError(cookie, items)\n"
        "try:\n    policy = load(Path('distwall.toml'))\n    fail(policy, policy.entries[0], policy.guard.cookie)\n"
        "except KeyError as error:\n"
        "    traceback.print_exception(error)\n"
        "    print(*traceback.TracebackException.from_exception(error, capture_locals=True).format())\n"
        "    print(repr(policy), vars(policy), policy.entries, [entry.cookie for entry in policy.entries])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=place.environment,
        cwd=place.folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert "Cookie(...)" in done.stdout
    assert leaks(done.stdout + done.stderr) == []


def test_init_shows_none(tmp_path: Path) -> None:
    done = subprocess.run(
        [COMMAND, "init"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    for name in ("foo.cookie", "cluster.cookie"):
        cookie = (tmp_path / name).read_text()
        assert len(cookie) == 20
        assert cookie not in done.stdout + done.stderr + (tmp_path / "distwall.toml").read_text()
