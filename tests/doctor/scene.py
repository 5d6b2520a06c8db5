"""Where the doctor is tried: a network of its own with real ports, real nodes, a real EPMD and a real distwall."""

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from distwall.doctor import Finding, Host, examine
from distwall.doctor.probes import epmd_names as names
from distwall.policy import Policy, load
from tests.support.process import Child
from tests.support.waiting import wait_until

COMMAND = Path(sys.executable).with_name("distwall")
OUTSIDE = "10.99.0.1"
CLUSTER = "QWERZUIOPASDFGHJKLYX"
FOO = "PLMOKNIJBUHVYGCTFXRD"
GUARD = '[guard]\nnodes = ["bar@127.0.0.2"]\nlisten = "127.0.0.2"\nregister = "127.0.0.1:4370"\n'
ENTRY = '[[peers]]\nnode = "foo@*"\ncookie_file = "foo.cookie"\nrules = ["accept ping"]\n'
SOUND = ("-kernel", "inet_dist_use_interface", "{127,0,0,1}", "-epmd_module", "distwall_epmd")

_CLONE_NEWNET = 0x40000000
# What a node asks instead of an EPMD's client; here the client itself under the name that the doctor looks for.
_EPMD_MODULE = (
    "-module(distwall_epmd).\n-export([start_link/0,register_node/2,register_node/3,port_please/2,port_please/3,"
    "address_please/3,names/1,listen_port_please/2]).\nstart_link() -> erl_epmd:start_link().\n"
    "register_node(A,B) -> erl_epmd:register_node(A,B).\nregister_node(A,B,C) -> erl_epmd:register_node(A,B,C).\n"
    "port_please(A,B) -> erl_epmd:port_please(A,B).\nport_please(A,B,C) -> erl_epmd:port_please(A,B,C).\n"
    "address_please(A,B,C) -> erl_epmd:address_please(A,B,C).\nnames(A) -> erl_epmd:names(A).\n"
    "listen_port_please(A,B) -> erl_epmd:listen_port_please(A,B).\n"
)


@contextmanager
def own_network() -> Iterator[None]:
    """Inside, this thread and what it starts are in a network namespace with one address beside loopback.

    Raises PermissionError where that is not allowed.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        if libc.unshare(_CLONE_NEWNET):
            raise PermissionError(ctypes.get_errno(), "a network namespace needs root")
        try:
            for command in ("link set lo up", f"addr add {OUTSIDE}/32 dev lo"):
                subprocess.run(["ip", *command.split()], check=True, timeout=60)
            yield
        finally:
            libc.setns(before, _CLONE_NEWNET)
    finally:
        os.close(before)


class DoctorScene:
    """A folder with a policy and cookies; leaving the ``with`` block ends all processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self.cookie("cluster.cookie", CLUSTER)
        self.cookie("foo.cookie", FOO)
        self.cookie(".erlang.cookie", CLUSTER)
        self.write()

    def cookie(self, name: str, text: str) -> Path:
        """Writes a cookie file."""
        path = self.folder / name
        path.unlink(missing_ok=True)
        path.write_text(text)
        path.chmod(0o400)
        return path

    def write(self, entries: str = ENTRY, *, guard: str = GUARD) -> Path:
        """Writes the policy."""
        path = self.folder / "distwall.toml"
        path.write_text(f'{guard}cookie_file = "cluster.cookie"\n{entries}')
        path.chmod(0o600)
        return path

    @property
    def policy(self) -> Policy:
        """The policy as it is now."""
        return load(self.folder / "distwall.toml", {"HOME": str(self.folder)})

    def own_all(self, uid: int) -> None:
        """Gives all files to a user."""
        for path in (self.folder, *self.folder.iterdir()):
            os.chown(path, uid, uid)

    def run(self, *, uid: int = 0) -> Child:
        """Starts distwall."""
        as_user = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups"] if uid else []
        if uid and subprocess.run([*as_user, COMMAND, "--version"], check=False, timeout=60).returncode:
            pytest.skip("other users can't run the distwall that is tested: its folders are not theirs to enter")
        child = Child(
            [*as_user, COMMAND, "run", "--config", self.folder / "distwall.toml"],
            self.folder / "distwall.log",
            env=self.environment,
            cwd=self.folder,
        )
        self._stack.enter_context(child)
        child.wait_logged("distwall ready")
        return child

    def epmd(self, port: int = 4369, *, address: str | None = None) -> Child:
        """Starts a stock EPMD."""
        where = ["-address", address] if address else []
        child = Child(
            ["epmd", *where, "-port", str(port)], self.folder / "epmd.log", env=self.environment, cwd=self.folder
        )
        self._stack.enter_context(child)
        wait_until(lambda: names("127.0.0.1", port) is not None)
        return child

    def node(
        self, name: str = "bar@127.0.0.2", *, flags: Sequence[str] = SOUND, port: int = 4370, named: bool = True
    ) -> Child:
        """Starts a node and waits until EPMD knows it."""
        if "distwall_epmd" in flags and not (self.folder / "distwall_epmd.beam").exists():
            (self.folder / "distwall_epmd.erl").write_text(_EPMD_MODULE)
            subprocess.run(["erlc", "distwall_epmd.erl"], cwd=self.folder, check=True, timeout=30)
        alive = name.partition("@")[0]
        child = Child(
            [
                "erl",
                "-noshell",
                "-noinput",
                *(["-name", name] if named else []),
                "-start_epmd",
                "false",
                "+S",
                "1:1",
                *flags,
            ],
            self.folder / f"{alive}.log",
            env={**self.environment, "ERL_EPMD_PORT": str(port)},
            cwd=self.folder,
        )
        self._stack.enter_context(child)
        wait_until(lambda: not child.running or alive in (names("127.0.0.1", port) or {}))
        assert child.running, child.logged()
        return child

    def guarded(self, *flags: str) -> Child:
        """Starts bar as users should: by ``distwall exec``."""
        start: list[str | Path] = [COMMAND, "exec", "--config", self.folder / "distwall.toml", "--", "erl"]
        child = Child(
            [*start, "-noshell", "-noinput", "-name", "bar@127.0.0.2", "+S", "1:1", *flags],
            self.folder / "bar.log",
            env=self.environment,
            cwd=self.folder,
        )
        self._stack.enter_context(child)
        wait_until(lambda: not child.running or "bar" in (names("127.0.0.1", 4370) or {}))
        assert child.running, child.logged()
        return child

    def found(self, check: str | None = None) -> list[Finding]:
        """What the doctor finds (by one check)."""
        return [finding for finding in examine(self.policy, Host()) if check in (None, finding.check)]

    def doctor(self, *args: str) -> tuple[int, str, str]:
        """The command: its exit code, and what it printed to stdout and stderr."""
        done = subprocess.run(
            [COMMAND, "doctor", "--config", self.folder / "distwall.toml", *args],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def json(self) -> tuple[int, dict[str, Any]]:
        """The command's exit code, and its result as JSON."""
        code, out, _ = self.doctor("-o", "json")
        return code, json.loads(out)

    @property
    def environment(self) -> dict[str, str]:
        """Of all processes: the folder is home."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
