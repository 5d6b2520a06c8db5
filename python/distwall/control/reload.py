"""Replaces the policy while distwall runs: from its file or the API, as a whole or not at all, perhaps on trial.

Theory of operation. One text is in force. The file replaces it when the file changes (or SIGHUP comes), and so does a
text applied through the API. A text that fails the check changes nothing, and an event has its errors.

A text can be applied on trial: if nobody confirms it in time, the previous text comes back by itself. Only a text that
is confirmed, or applied without trial, is written to the file: a distwall that ends during a trial begins again with
the previous policy. A change of the file during a trial ends the trial: it is the later decision.

Half of a policy may be a valid policy that opens more. So a change of the file is taken up once the file is whole, as
far as that can be seen: nobody has it open for writing, and it has not changed for `SETTLE` seconds.
"""

import asyncio
import contextlib
import os
import stat
from dataclasses import asdict, dataclass
from typing import Any

from watchfiles import awatch

from distwall.audit.schema import PolicyConfirmed, PolicyOnTrial, PolicyRefused, PolicyRolledBack
from distwall.clock import rfc3339, utc
from distwall.control.errors import BadCallError, ControlError
from distwall.control.firewall import Firewall
from distwall.files import regular_file
from distwall.files.replacement import Replacement
from distwall.files.settled_file import look, read_if_settled
from distwall.policy import Policy, PolicyError, loads

SETTLE = 1.0
"""Seconds for which a changed file has to stay as it is before it is read."""

PATIENCE = 10.0
"""Seconds after which an event says that the file is still being written."""

MAX_TRIAL = 24 * 3600
"""Most seconds of a trial."""


@dataclass(frozen=True, slots=True)
class Applied:
    """Result of a change of the policy."""

    revision: str
    changes: list[str]
    """Lines with `+`, `-` and `~`."""
    confirm_within: float | None
    """Seconds until the previous policy comes back, unless this one is confirmed; None: no trial."""

    def to_json(self) -> dict[str, Any]:
        """The result as JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Trial:
    """A policy on trial."""

    before: str
    """The revision that comes back without confirmation."""
    seconds_left: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """A policy that the file has, and that is not in force."""

    at: str
    """The time, as events have it."""
    problems: list[str]
    """Errors of the policy, at most 20."""


class Reloader:
    """Keeps a firewall's policy up to date with its file."""

    def __init__(self, firewall: Firewall) -> None:
        """Begins with the firewall's policy. If its file has another text by the start, that is taken up then."""
        self._firewall = firewall
        self._path = firewall.policy.path
        self._text = firewall.policy.text.reveal()
        self._before: tuple[Policy, str] | None = None
        self._trial: asyncio.TimerHandle | None = None
        self._refusal: Refusal | None = None
        self._watching: asyncio.Task[None] | None = None
        self._settling: asyncio.Task[None] | None = None

    @property
    def revision(self) -> str:
        """A short name for the policy in force."""
        return self._firewall.policy.revision

    @property
    def text(self) -> str:
        """The text in force."""
        return self._text

    @property
    def on_trial(self) -> bool:
        """True if the policy in force is on trial."""
        return self._before is not None

    @property
    def trial(self) -> Trial | None:
        """The trial under way, if any."""
        if self._before is None or self._trial is None:
            return None
        left = self._trial.when() - asyncio.get_running_loop().time()
        return Trial(self._before[0].revision, round(max(left, 0.0), 3))

    @property
    def refusal(self) -> Refusal | None:
        """The reason why the file on the disk is not in force; None: it is, or a text of the API is."""
        return self._refusal

    def start(self) -> None:
        """Watches the file from now on, and takes up changes since it was read."""
        if self._has_changed():
            self._reload_settled()
        self._watching = asyncio.create_task(self._watch(), name="distwall policy file")

    async def close(self) -> None:
        """Ends the watch. A policy on trial is not confirmed, so the file stays as it is."""
        if self._trial:
            self._trial.cancel()
        for task in (self._watching, self._settling):
            if task:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    def reload(self, actor: str = "file") -> None:
        """Reads the file, or, if somebody has it open for writing, does so later; an event has its errors."""
        try:
            data = read_if_settled(self._path, look(self._path))
        except OSError as error:
            self._unreadable(error, actor)
            return
        if data is None:
            self._reload_settled(actor)
        else:
            self._take(data, actor)

    def _reload_settled(self, actor: str = "file") -> None:
        """Reads the file once it is whole."""
        if self._settling is None or self._settling.done():
            self._settling = asyncio.create_task(self._read_settled(actor), name="distwall changed policy file")

    async def _read_settled(self, actor: str) -> None:
        begun, told = asyncio.get_running_loop().time(), False
        while True:
            before = look(self._path)
            await asyncio.sleep(SETTLE)
            try:
                data = read_if_settled(self._path, before)
            except OSError as error:
                self._unreadable(error, actor)
                return
            if data is not None:
                self._take(data, actor)
                return
            if not told and asyncio.get_running_loop().time() - begun > PATIENCE:
                told = True
                self._refused([f"{self._path}: somebody is still writing it; it will be read when that is over"], actor)

    def _has_changed(self) -> bool:
        """True if the text of the file is not the text in force, or can't be read."""
        try:
            return regular_file.read(self._path) != self._text.encode()
        except OSError:
            return True

    def _unreadable(self, error: Exception, actor: str) -> None:
        self._refused([f"{self._path}: can't read the policy: {error}"], actor)

    def _take(self, data: bytes, actor: str) -> None:
        """Puts the text of the file in force; an event has its errors."""
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            self._unreadable(error, actor)
            return
        if text != self._text:
            self._end_trial()
        try:
            # Even the same text: cookies stand in files of their own.
            self._firewall.apply(self._checked(text), actor=actor)
        except ControlError as error:
            self._refused(str(error).splitlines(), actor)
        else:
            self._text = text
            self._refusal = None

    def apply(self, text: str, *, actor: str = "", confirm_within: float | None = None) -> Applied:
        """Puts a policy text in force. Raises ControlError if it has errors, or can't be written."""
        if confirm_within is not None and not 0 < confirm_within <= MAX_TRIAL:
            raise ControlError(f"{confirm_within:g} seconds to confirm; give more than 0 and at most {MAX_TRIAL}")
        policy = self._checked(text)
        before = self._before or (self._firewall.policy, self._text)
        # Before anything changes, all of the file is written: only a rename is left.
        with self._replacement(text) if confirm_within is None else contextlib.nullcontext() as new:
            changes = self._firewall.apply(policy, actor=actor)
            self._end_trial()
            self._text = text
            if new is not None:
                new.put_in_place()
                self._refusal = None
        if confirm_within is not None:
            self._before = before
            self._trial = asyncio.get_running_loop().call_later(confirm_within, self._expired)
            self._firewall.record(PolicyOnTrial(actor=actor, revision=self.revision, confirm_within=confirm_within))
        return Applied(self.revision, changes, confirm_within)

    def confirm(self, *, actor: str = "") -> str:
        """Confirms the policy on trial; returns its revision.

        Raises ControlError if there is no trial, or the file can't be written.
        """
        if not self.on_trial:
            raise ControlError("no policy is on trial; it was confirmed already, or rolled back")
        with self._replacement(self._text) as new:
            new.put_in_place()
        self._refusal = None
        self._end_trial()
        self._firewall.record(PolicyConfirmed(actor=actor, revision=self.revision))
        return self.revision

    def roll_back(self, *, actor: str = "", why: str = "asked for") -> str:
        """Brings the policy before the trial back; returns its revision. Raises ControlError without a trial."""
        if self._before is None:
            raise ControlError("no policy is on trial; nothing to roll back")
        policy, text = self._before
        self._end_trial()
        self._firewall.apply(policy, actor=actor)
        self._text = text
        self._firewall.record(PolicyRolledBack(actor=actor, revision=self.revision, reason=why))
        return self.revision

    def set_shadow(self, text: str | None, *, actor: str = "") -> str | None:
        """Adds a shadow policy; returns its revision. None removes it.

        It lasts as long as this process. Raises ControlError if the text has errors.
        """
        policy = None if text is None else self._checked(text)
        self._firewall.set_shadow(policy, actor=actor)
        return None if policy is None else policy.revision

    def _expired(self) -> None:
        self.roll_back(actor="distwall", why="not confirmed in time")

    def _end_trial(self) -> None:
        if self._trial:
            self._trial.cancel()
        self._trial = self._before = None

    def _checked(self, text: str) -> Policy:
        try:
            return loads(text, self._path)
        except PolicyError as error:
            raise BadCallError(str(error)) from None

    def _refused(self, problems: list[str], actor: str) -> None:
        self._refusal = Refusal(rfc3339(utc(), "seconds"), problems[:20])
        self._firewall.record(PolicyRefused(actor=actor, policy=str(self._path), problems=problems[:20]))

    def _replacement(self, text: str) -> Replacement:
        """A text for the file, on the disk already, but not in place. Raises ControlError."""
        try:
            mode = stat.S_IMODE(self._path.stat().st_mode)
            new = Replacement(self._path, mode=mode)
            new.write(text.encode())
        except OSError as error:
            raise ControlError(f"{self._path}: can't be replaced: {error.strerror or error}; nothing changed") from None
        return new

    async def _watch(self) -> None:
        name = self._path.resolve()

        def ours(_: Any, path: str) -> bool:
            return os.path.realpath(path) == str(name) or os.path.basename(path) == self._path.name  # noqa: PTH119

        async for _ in awatch(self._path.parent, watch_filter=ours, recursive=False, debounce=200, step=50):
            self._reload_settled()
