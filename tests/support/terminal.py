"""Programs that want a terminal: ``iex --remsh`` does."""

import os
import pty
import select
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def terminal(
    command: Sequence[str | Path], environment: Mapping[str, str], folder: Path
) -> Iterator[Callable[[str, str], str]]:
    """Runs ``command`` on a terminal. Yields ``say(line, end)``: writes a line, returns what comes up to ``end``."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=dict(environment),
        cwd=folder,
        start_new_session=True,
    )
    os.close(theirs)

    def say(line: str, end: str) -> str:
        if line:
            os.write(ours, f"{line}\r".encode())
        seen = ""
        while end not in seen:
            ready, _, _ = select.select([ours], [], [], 60)
            assert ready, f"no {end!r} in {seen!r}"
            seen += os.read(ours, 4096).decode(errors="replace")
        return seen

    try:
        yield say
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(ours)
