"""Child processes that never outlive the test."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self


class Child:
    """A process with its output in a file. Leaving the ``with`` block kills it; so does the death of this process."""

    def __init__(self, command: Sequence[str | Path], log: Path, *, env: Mapping[str, str], cwd: Path) -> None:
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(env),
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """True if the process still runs."""
        return self._process.poll() is None

    def dies(self, timeout: float = 30) -> bool:
        """True if the process ends in ``timeout`` seconds. A node's connections are closed before it is gone."""
        end = time.monotonic() + timeout
        while self.running and time.monotonic() < end:
            time.sleep(0.02)
        return not self.running

    @property
    def memory(self) -> int:
        """Bytes of memory that the process has in use."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    @property
    def cpu(self) -> float:
        """Seconds of CPU time that the process has used."""
        times = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")

    def logged(self) -> str:
        """The output so far, on standard output and error."""
        return self.log.read_text(errors="replace")

    def wait_logged(self, text: str, timeout: float = 60) -> None:
        """Waits until it has written ``text``."""
        end = time.monotonic() + timeout
        while text not in self.logged():
            if not self.running:
                raise RuntimeError(f"{self.log.name}: ended with {self._process.returncode}:\n{self.logged()}")
            if time.monotonic() > end:
                raise TimeoutError(f"{self.log.name}: no {text!r} after {timeout} s:\n{self.logged()}")
            time.sleep(0.02)

    def wait(self, timeout: float = 30) -> int:
        """Waits for its end; returns the exit code (negative: the signal)."""
        return self._process.wait(timeout)

    def terminate(self, timeout: float = 30) -> int:
        """Asks it to end (SIGTERM); returns the exit code."""
        self._process.terminate()
        return self.wait(timeout)

    def pause(self) -> None:
        """Stops it where it is (SIGSTOP), and waits until it has stopped: a signal takes its time on a busy machine."""
        os.kill(self.pid, signal.SIGSTOP)
        threads = Path(f"/proc/{self.pid}/task")
        while any(_state(thread / "stat") not in "TtZX" for thread in threads.iterdir()):
            time.sleep(0.001)

    def resume(self) -> None:
        """Lets it go on after :meth:`pause`."""
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """Ends it at once (SIGKILL), and what it started with it."""
        if self.running:
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()


def _state(stat: Path) -> str:
    """The state of a thread; ``X`` if it is gone."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"
