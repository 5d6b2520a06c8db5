"""Processes as /proc shows them. Facts that this process may not read are empty: of other users it sees little."""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """One process of this network namespace."""

    pid: int

    @property
    def folder(self) -> Path:
        """The process's folder in /proc."""
        return _PROC / str(self.pid)

    @cached_property
    def arguments(self) -> list[str]:
        """The process's command line."""
        with suppress(OSError):
            return self._text("cmdline").split("\0")[:-1]
        return []

    @cached_property
    def executable(self) -> str:
        """The path of its program, as the process itself sees it."""
        with suppress(OSError):
            return str((self.folder / "exe").readlink())
        return ""

    @cached_property
    def name(self) -> str:
        """The short name of its program. The process itself can change it: it is printable."""
        with suppress(OSError):
            return "".join(c if c.isprintable() else "?" for c in self._text("comm").rstrip("\n"))
        return ""

    @cached_property
    def uid(self) -> int | None:
        """The user of the process."""
        with suppress(OSError):
            return self.folder.stat().st_uid
        return None

    @cached_property
    def sockets(self) -> frozenset[int]:
        """The inodes of its sockets."""
        found = set()
        with suppress(OSError):
            for descriptor in (self.folder / "fd").iterdir():
                with suppress(OSError):
                    kind, _, inode = str(descriptor.readlink()).partition(":[")
                    if kind == "socket":
                        found.add(int(inode.rstrip("]")))
        return frozenset(found)

    def read(self, path: str) -> str | None:
        """A file as the process sees it, a relative path from its working folder; None if that can't be read."""
        base = self.folder / "root" if path.startswith("/") else self.folder / "cwd"
        try:
            return (base / path.lstrip("/")).read_text(errors="replace")
        except OSError:
            return None

    def names_in(self, path: str) -> list[str]:
        """The names in a folder, as the process sees it."""
        try:
            return sorted(each.name for each in (self.folder / "root" / path.lstrip("/")).iterdir())
        except OSError:
            return []

    def _text(self, name: str) -> str:
        return (self.folder / name).read_text(errors="replace")


def processes() -> list[Process]:
    """The processes of this network namespace."""
    here = _network(_PROC / "thread-self")
    entries = (entry for entry in _PROC.iterdir() if entry.name.isdecimal())
    return [Process(pid) for pid in sorted(int(entry.name) for entry in entries if _network(entry) == here)]


def _network(folder: Path) -> int | None:
    """A number that identifies a process's network namespace: unlike ns/net, all users may read it."""
    try:
        return (folder / "net/tcp").stat().st_ino
    except OSError:
        return None
