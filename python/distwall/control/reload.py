"""The policy file while distwall runs: watched, checked, swapped in at once or not at all; and taken back if need be.

Theory of operation. One text is in force. It is replaced by the file, when that changes (or SIGHUP says so), or by a
text that is applied through the API. Whatever doesn't check leaves the one in force as it is, and an event says what
is wrong with it.

A text can be applied on trial: if nobody confirms it in time, the one before comes back by itself. Only what is
confirmed, or was applied without trial, is written to the file, so a distwall that ends during a trial begins again
with what was there before. A change of the file during a trial ends it: the file is what somebody has decided since.
"""

import asyncio
import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from watchfiles import awatch

from distwall.control.errors import BadCallError, ControlError
from distwall.control.firewall import Firewall
from distwall.policy import Policy, PolicyError, loads

MAX_TRIAL = 24 * 3600
"""Seconds that a trial takes at most."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What came of a change of the policy."""

    revision: str
    changes: list[str]
    """Lines with `+`, `-` and `~`."""
    confirm_within: float | None
    """Seconds until the policy before comes back, unless it is confirmed; None: it is in force for good."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A policy that waits to be confirmed."""

    before: str
    """The revision that comes back if it isn't."""
    seconds_left: float


class Reloader:
    """Keeps a firewall's policy up to date with its file."""

    def __init__(self, firewall: Firewall) -> None:
        """The policy in force has just been read from its file."""
        self._firewall = firewall
        self._path = firewall.policy.path
        self._text = self._path.read_text(encoding="utf-8") if self._path.exists() else ""
        self._before: tuple[Policy, str] | None = None
        self._trial: asyncio.TimerHandle | None = None
        self._watching: asyncio.Task[None] | None = None

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
        """Whether the policy in force waits to be confirmed."""
        return self._before is not None

    @property
    def trial(self) -> Trial | None:
        """What is on trial, if anything is."""
        if self._before is None or self._trial is None:
            return None
        left = self._trial.when() - asyncio.get_running_loop().time()
        return Trial(self._before[0].revision, round(max(left, 0.0), 3))

    def start(self) -> None:
        """Watches the file from now on, and takes up what has changed in it since it was read."""
        self.reload()
        self._watching = asyncio.create_task(self._watch(), name="distwall policy file")

    async def close(self) -> None:
        """Watches no more. What was on trial is not confirmed, so the file stays what it is."""
        if self._trial:
            self._trial.cancel()
        if self._watching:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching

    def reload(self, actor: str = "file") -> None:
        """Reads the file; what is wrong with it is told by an event."""
        try:
            data = self._path.read_bytes()
            text = data.decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            self._refused([f"{self._path}: can't read the policy: {error}"], actor)
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

    def apply(self, text: str, *, actor: str = "", confirm_within: float | None = None) -> Applied:
        """Puts a policy text in force. Raises ControlError if it does not check, or can't be put into its place."""
        if confirm_within is not None and not 0 < confirm_within <= MAX_TRIAL:
            raise ControlError(f"{confirm_within:g} seconds to confirm; give more than 0 and at most {MAX_TRIAL}")
        policy = self._checked(text)
        before = self._before or (self._firewall.policy, self._text)
        beside = self._written_beside(text) if confirm_within is None else None
        try:
            changes = self._firewall.apply(policy, actor=actor)
        except ControlError:
            if beside is not None:
                beside.unlink(missing_ok=True)
            raise
        self._end_trial()
        self._text = text
        if beside is not None:
            beside.replace(self._path)
        elif confirm_within is not None:
            self._before = before
            self._trial = asyncio.get_running_loop().call_later(confirm_within, self._expired)
            self._firewall.record("policy_on_trial", actor=actor, revision=self.revision, confirm_within=confirm_within)
        return Applied(self.revision, changes, confirm_within)

    def confirm(self, *, actor: str = "") -> str:
        """Keeps what is on trial; returns its revision. Raises ControlError if nothing is, or it can't be written."""
        if not self.on_trial:
            raise ControlError("no policy is on trial; it was confirmed already, or the one before is back")
        self._written_beside(self._text).replace(self._path)
        self._end_trial()
        self._firewall.record("policy_confirmed", actor=actor, revision=self.revision)
        return self.revision

    def roll_back(self, *, actor: str = "", why: str = "asked for") -> str:
        """Puts the policy before the trial back; returns its revision. Raises ControlError if nothing is on trial."""
        if self._before is None:
            raise ControlError("no policy is on trial; nothing to roll back")
        policy, text = self._before
        self._end_trial()
        self._firewall.apply(policy, actor=actor)
        self._text = text
        self._firewall.record("policy_rolled_back", actor=actor, revision=self.revision, reason=why)
        return self.revision

    def set_shadow(self, text: str | None, *, actor: str = "") -> str | None:
        """Has a policy text judge beside the one in force (None: no more); returns its revision.

        It lasts as long as this process. Raises ControlError if the text does not check.
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
        self._firewall.record("policy_refused", actor=actor, policy=str(self._path), problems=problems[:20])

    def _written_beside(self, text: str) -> Path:
        """Writes a text beside the file, so that nothing but a change of names is left to do. Raises ControlError."""
        beside = self._path.with_name(self._path.name + ".new")
        try:
            mode = stat.S_IMODE(self._path.stat().st_mode)
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ControlError(f"{self._path}: can't be replaced: {error.strerror or error}; nothing changed") from None
        return beside

    async def _watch(self) -> None:
        name = self._path.resolve()

        def ours(_: Any, path: str) -> bool:
            return os.path.realpath(path) == str(name) or os.path.basename(path) == self._path.name  # noqa: PTH119

        async for _ in awatch(self._path.parent, watch_filter=ours, recursive=False, debounce=200, step=50):
            self.reload()
