"""A distwall that runs, and commands that ask it, in the test's own process: they start so much faster."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from distwall.cli import main
from tests.support.ports import free_port

ENV = {"CLUSTER": "cluster-secret", "FOO": "foo-secret"}


def write_policy(folder: Path, *, top: str = "", more: str = "") -> Path:
    """Writes a policy file; ``top`` stands before the entry for foo, ``more`` belongs to it."""
    path = folder / "distwall.toml"
    path.write_text(
        f'[guard]\nnodes = ["bar@127.0.0.1"]\nepmd = "127.0.0.1:{free_port()}"\ncookie_env = "CLUSTER"\n{top}\n'
        f'[tables.admin]\nrules = ["accept *"]\n[[peers]]\nnode = "foo@*"\ncookie_env = "FOO"\n{more}\n'
    )
    return path


@contextmanager
def running_distwall(config: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """A distwall that is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "distwall", "run", "--no-events", "--config", str(config), *options],
        env={**os.environ, **ENV},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        said = ""
        while "distwall ready" not in said:
            line = process.stderr.readline()
            assert line, said
            said += line
        yield process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@dataclass
class Told:
    """Output of a command."""

    code: int
    out: str
    error: str


class Commands:
    """Runs commands."""

    def __init__(self, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.config = config
        self._capsys = capsys

    def __call__(self, *args: str, config: bool = True) -> Told:
        """Runs ``distwall ARGS``."""
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*args, *(["--config", str(self.config)] if config else [])])
        said = self._capsys.readouterr()
        code = ended.value.code
        return Told(code if isinstance(code, int) else 0, said.out, re.sub(r"\x1b\[[0-9;]*m", "", said.err))
