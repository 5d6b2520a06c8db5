"""The state file: settings that survive a restart, grants, and tokens of peers.

distwall does not start with a file that can't be read: otherwise it would forget refusals.
"""

import errno
import json
import os
import secrets
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from distwall.control.access_tokens import Access
from distwall.control.errors import UnsafeStateError
from distwall.control.grants import Grant
from distwall.control.runtime_settings import RuntimeSetting, from_json
from distwall.files import regular_file
from distwall.files.replacement import replace_file

VERSION = 1

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

MAX_SIZE = 64 << 20
"""Most bytes of a state file: far more than all settings, grants and tokens take."""


class StateFile:
    """The state of one distwall."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen = 0.0
        """The last time that the process which wrote the file has seen, in seconds since 1970."""
        self.salt = secrets.token_hex(16)
        """The salt of digests in the file."""
        self._saved: dict[str, Any] | None = None
        self._must_save = False

    def note_time(self) -> None:
        """Has the next save write the time, even if the settings are the same."""
        self._must_save = True

    def load(self) -> tuple[list[RuntimeSetting], list[Grant], list[Access]]:
        """The saved state; empty if there is no file. Raises UnsafeStateError."""
        try:
            data = regular_file.read(self.path, most=MAX_SIZE)
        except FileNotFoundError:
            return [], [], []
        except OSError as error:
            raise self._unreadable(error.strerror or str(error)) from None
        try:
            state: dict[str, Any] = json.loads(data)
            if state["version"] != VERSION:
                raise self._unreadable(f"it has version {state['version']}, this distwall reads version {VERSION}")
            settings = [from_json(each) for each in state["settings"]]
            grants = [_grant(each) for each in state["grants"]]
            tokens = [Access(**each) for each in state.get("tokens", ())]
            self.seen = float(state.get("seen", 0.0))
            self.salt = str(state.get("salt", self.salt))
            if not all(isinstance(each.until, int | float) for each in tokens):
                raise ValueError("a token without an end")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise self._unreadable(f"it is damaged ({error})") from None
        self._saved = {name: value for name, value in state.items() if name != "seen"}
        return settings, grants, tokens

    def save(
        self,
        settings: Iterable[RuntimeSetting],
        grants: Iterable[Grant],
        tokens: Iterable[Access],
        now: float,
        *,
        fewer: bool = False,
    ) -> None:
        """Saves the state with the time ``now``, if it has changed. Raises UnsafeStateError; the old state stays.

        ``fewer``: the state opens less than the saved one, which must not come back. Without room for a new file, the
        old file is overwritten: a crash in the middle leaves a damaged file, with which distwall does not start.
        """
        state: dict[str, Any] = {
            "version": VERSION,
            "salt": self.salt,
            "settings": [setting.to_json() for setting in settings],
            "grants": [_saved(grant) for grant in grants],
            "tokens": [asdict(token) for token in tokens],
        }
        is_new = self._saved is None and any((state["settings"], state["grants"], state["tokens"]))
        if not self._must_save and not is_new and self._saved in (None, state):
            return
        data = json.dumps({**state, "seen": round(now, 3)}, indent=1).encode()
        try:
            try:
                replace_file(self.path, data)
            except OSError as error:
                if not fewer or error.errno not in _NO_ROOM:
                    raise
                _overwrite(self.path, data)
        except OSError as error:
            raise UnsafeStateError(
                f"{self.path}: can't save settings made at run time: {error.strerror or error};"
                " make room or correct [control] state"
            ) from None
        self._saved, self.seen = state, now
        self._must_save = False

    def _unreadable(self, why: str) -> UnsafeStateError:
        return UnsafeStateError(
            f"{self.path}: can't read the settings made at run time: {why};"
            " repair the file, or remove it to forget them"
        )


def _saved(grant: Grant) -> dict[str, Any]:
    """A grant as it stands in the file."""
    fields = {name: value for name, value in asdict(grant).items() if name != "deadline"}
    return {**fields, "entries": [list(entry) for entry in grant.entries]}


def _grant(saved: dict[str, Any]) -> Grant:
    """Reads a saved grant. Raises TypeError or ValueError. A grant of an earlier build is for no entry."""
    entries = tuple((str(node), int(twin)) for node, twin in saved.get("entries", ()))
    return Grant(**{**saved, "entries": entries}, deadline=0.0)


def _overwrite(path: Path, data: bytes) -> None:
    """Writes a text that is not longer over a file, which needs no more room on the disk. Raises OSError."""
    with path.open("r+b") as file:
        room = os.fstat(file.fileno()).st_size
        if len(data) > room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        # A shorter file would have to be cut, and a crash between the two steps would leave the rest of the old text.
        file.write(data.ljust(room))
        file.flush()
        os.fsync(file.fileno())
