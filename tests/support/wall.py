"""``distwall run`` as a subprocess, with a policy of the test's own."""

import json
import os
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distwall.audit.chain import parse
from distwall.audit.json_schema import validate
from distwall.audit.verify import log_files, verify
from distwall.http_api.client import Client
from tests.support import recorder
from tests.support.process import Child

COMMAND = Path(sys.executable).with_name("distwall")
CLUSTER_COOKIE = "cluster-cookie"


def launcher(config: Path) -> list[str | Path]:
    """The command that starts a guarded node: ``distwall exec``."""
    return [COMMAND, "exec", "--config", config, "--"]


@dataclass(frozen=True)
class Peer:
    """One ``[[peers]]`` entry. ``extra`` are further lines of TOML for it."""

    rules: Sequence[str]
    node: str = "foo@127.0.0.1"
    cookie: str = "peer-cookie"
    visible: bool = False
    extra: str = ""

    def toml(self) -> str:
        """The entry as TOML."""
        rules = "".join(f"    {json.dumps(rule, ensure_ascii=False)},\n" for rule in self.rules)
        return (
            f"[[peers]]\nnode = {json.dumps(self.node, ensure_ascii=False)}\ncookie = {json.dumps(self.cookie)}\n"
            f"visible = {json.dumps(self.visible)}\nrules = [\n{rules}]\n{self.extra}\n"
        )


def policy_text(
    epmd_port: int,
    register_port: int,
    peers: Sequence[Peer],
    *,
    guards: Sequence[str],
    listen: str = "127.0.0.2",
    extra: str = "",
) -> str:
    """A whole policy file. ``extra`` is TOML put between ``[guard]`` and the peers."""
    entries = "\n".join(peer.toml() for peer in peers)
    return f"""[guard]
nodes = {json.dumps(list(guards), ensure_ascii=False)}
listen = "{listen}"
epmd = "{listen}:{epmd_port}"
register = "127.0.0.1:{register_port}"
cookie_file = "cluster.cookie"

[audit]
file = "audit.jsonl"

[control]
socket = "distwall.sock"

{extra}
{entries}"""


class Wall:
    """One distwall. :meth:`start` may be called again after :meth:`kill` or :meth:`stop`."""

    def __init__(self, folder: Path, text: str) -> None:
        self.folder = folder
        self.config = folder / "distwall.toml"
        self.config.write_text(text)
        cookie = folder / "cluster.cookie"
        cookie.write_text(CLUSTER_COOKIE)
        cookie.chmod(0o600)
        self._child: Child | None = None

    @property
    def process(self) -> Child:
        """The running process."""
        assert self._child is not None, "distwall was not started"
        return self._child

    def start(self) -> None:
        """Starts it and waits until it serves."""
        log = self.folder / "distwall.log"
        log.unlink(missing_ok=True)
        self._child = Child(
            [COMMAND, "run", "--config", self.config], log, env=_environment(self.folder), cwd=self.folder
        )
        try:
            self._child.wait_logged("distwall ready")
        except BaseException:
            self._child.kill()
            raise

    def kill(self) -> None:
        """``kill -9``."""
        if self._child is not None:
            self._child.kill()

    def stop(self) -> int:
        """Asks it to end; returns its exit code."""
        return self.process.terminate()

    def statistics(self, peer: str) -> dict[str, Any]:
        """The peer's counters: direction -> command -> verdict -> count."""
        return Client(self.folder / "distwall.sock").statistics(peer)

    def events(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The audit events so far (of one kind)."""
        file = self.folder / "audit.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        events: list[dict[str, Any]] = [json.loads(line) for line in lines]
        return [event for event in events if kind is None or event["event"] == kind]

    def check_log(self) -> None:
        """Checks the log: whole, in the schema, and without secrets."""
        path = self.folder / "audit.jsonl"
        if not path.exists():
            return
        ends = ("was killed before it could anchor", "the last line is cut off")
        findings = [str(finding) for finding in verify(log_files(path), log=path).findings]
        assert [finding for finding in findings if not any(end in finding for end in ends)] == []
        for file in log_files(path):
            for data in file.read_bytes().splitlines(keepends=True):
                if line := parse(data):
                    validate(line.event())
        secrets = re.findall(r'^cookie = "(.{8,})"$', self.config.read_text(), re.MULTILINE)
        text = b"".join(file.read_bytes() for file in log_files(path)).decode("ascii")
        assert [secret for secret in (CLUSTER_COOKIE, *secrets) if secret in text] == []

    def wait_event(self, kind: str, timeout: float = 60, *, behind: int = 0, **fields: str) -> dict[str, Any]:
        """The first audit event of a kind that has these fields, once it is there: the log is written in batches.

        ``behind`` is how many events of that kind are left out, from the start.
        """
        end = time.monotonic() + timeout
        while True:
            for event in self.events(kind)[behind:]:
                if fields.items() <= event.items():
                    return event
            assert time.monotonic() < end, f"no {kind} event with {fields}: {self.events()}"
            time.sleep(0.02)


def _environment(folder: Path) -> dict[str, str]:
    own = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8", "DISTWALL_CONFIG": "distwall.toml"}
    return own | recorder.environment()
