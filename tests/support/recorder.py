"""Records the input of the core's channels, for ``scripts/compare-cores`` to play again.

``pytest --record-channels FOLDER`` records the channels of the tests and of every ``distwall run`` that they start.
Each line of a file is one step: the number of a channel and the step itself, as ``compare-cores`` reads it.
Each channel is played alone, with counters and a budget of its own.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from distwall import _core

FOLDER = "DISTWALL_RECORD_CHANNELS"
"""The environment variable that tells child processes where to record."""
TOP = Path(__file__).resolve().parents[2]
ENOUGH = 1 << 18
"""Characters after which the rest of a channel is left out: tests of limits send a lot."""

_RealChannel, _RealPolicy = _core.Channel, _core.PeerRules
_Policies = dict[int, tuple[_core.PeerRules, dict[str, Any]]]


def install(folder: str) -> None:
    """Records all channels that this process makes from now on, and that its children make."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    os.environ[FOLDER] = str(Path(folder).resolve())
    file = Path(folder) / f"{os.getpid()}-{time.time_ns()}.jsonl"
    # A line at a time: the process may be killed.
    recorder = _Recorder(file.open("w", buffering=1))
    _core.PeerRules = recorder.policy  # type: ignore[assignment, misc]
    _core.Channel = recorder.channel  # type: ignore[assignment, misc]


def environment() -> dict[str, str]:
    """Return the variables that make a child record, if this process records."""
    folder = os.environ.get(FOLDER)
    if folder is None:
        return {}
    return {FOLDER: folder, "PYTHONPATH": f"{Path(__file__).parent / 'recording'}:{TOP}"}


class _Recorder:
    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._sessions = itertools.count()
        # With the policies themselves, or other policies could get their numbers.
        self._policies: _Policies = {}

    def policy(
        self, rules: Sequence[_core.CoreRule], *, third_nodes: Sequence[str] = (), funs: bool | None = None
    ) -> _core.PeerRules:
        """Stands for the constructor of a policy."""
        policy = _RealPolicy(rules, third_nodes=third_nodes, funs=funs)
        step = {"rules": [_rule(rule) for rule in rules], "third_nodes": [*third_nodes], "funs": funs}
        self._policies[id(policy)] = policy, step
        return policy

    def channel(self, **options: Any) -> _Channel:
        """Stands for the constructor of a channel."""
        return _Channel(_RealChannel(**options), _Session(self._file, next(self._sessions), self._policies), options)


class _Session:
    """The steps of one channel. Policies get numbers in the order in which it meets them."""

    def __init__(self, file: TextIO, number: int, policies: _Policies) -> None:
        self._file, self._number, self._policies = file, number, policies
        self._met: dict[int, int] = {}
        self._left = ENOUGH

    def write(self, step: Any) -> None:
        if self._left <= 0:
            return
        line = json.dumps([self._number, step], separators=(",", ":")) + "\n"
        self._left -= len(line)
        if self._left > 0 or self._left + len(line) == ENOUGH:
            self._file.write(line)

    def end(self) -> None:
        """Tells the reader that it may forget the channel."""
        if not self._file.closed:
            self._file.write(f'[{self._number},"end"]\n')

    def policies(
        self,
        policy: _core.PeerRules,
        *,
        policy_out: _core.PeerRules | None = None,
        shadow: _core.PeerRules | None = None,
        audit: bool = False,
        hooks: _core.Hooks | None = None,
    ) -> dict[str, Any]:
        return {
            "inbound": self._numbered(policy),
            "outbound": None if policy_out is None else self._numbered(policy_out),
            "shadow": None if shadow is None else self._numbered(shadow),
            "audit": audit,
            "hooks": hooks and {**hooks._asdict(), "handlers": [*hooks.handlers.items()]},
        }

    def _numbered(self, policy: _core.PeerRules) -> int:
        if id(policy) not in self._met:
            self._met[id(policy)] = len(self._met)
            self.write({"policy": self._policies[id(policy)][1]})
        return self._met[id(policy)]


class _Channel:
    """A channel, whose calls are written down before they are made."""

    def __init__(self, channel: _core.Channel, session: _Session, options: dict[str, Any]) -> None:
        self._channel, self._session = channel, session
        judged = {name: options.get(name) for name in ("policy_out", "shadow", "hooks")}
        fixed = ("peer", "peer_creation", "guard", "guard_creation", "flags")
        policies = session.policies(options["policy"], audit=options.get("audit", False), **judged)
        session.write("counters")
        session.write({"budget": {"beside": None}})
        session.write(
            {
                "channel": {
                    **{name: options[name] for name in fixed},
                    "policies": policies,
                    "counters": 0,
                    "budget": 0,
                    "limits": _limits(options.get("limits")),
                    "close_on_limit": options.get("close_on_limit", False),
                    "deny_reason": options.get("deny_reason", "not_allowed"),
                }
            }
        )

    def receive(self, inbound: bool, data: bytes, now: float) -> Any:
        self._write("receive", inbound=inbound, data=data.hex(), now=repr(float(now)))
        return self._channel.receive(inbound, data, now)

    def answer(self, ticket: int, verdict: _core.Verdict, payload: bytes | None, now: float) -> Any:
        written = None if payload is None else payload.hex()
        self._write("answer", ticket=ticket, verdict=verdict, payload=written, now=repr(float(now)))
        return self._channel.answer(ticket, verdict, payload, now)

    def set_policy(self, policy: _core.PeerRules, **others: Any) -> None:
        self._write("set_policies", policies=self._session.policies(policy, **others))
        self._channel.set_policy(policy, **others)

    def set_limits(self, limits: Mapping[str, int] | None, *, close_on_limit: bool = False) -> None:
        self._write("set_limits", limits=_limits(limits), close_on_limit=close_on_limit)
        self._channel.set_limits(limits, close_on_limit=close_on_limit)

    def made_up(self, control: bytes, payload: bytes | None = None) -> bytes | None:
        self._write("made_up", control=control.hex(), payload=None if payload is None else payload.hex())
        return self._channel.made_up(control, payload)

    def folded(self) -> int:
        self._write("folded")
        return self._channel.folded()

    def waits(self, ticket: int) -> bool:
        self._write("waits", ticket=ticket)
        return self._channel.waits(ticket)

    def __del__(self) -> None:
        self._session.end()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    def _write(self, step: str, **fields: Any) -> None:
        self._session.write({step: {"channel": 0, **fields}})


def _rule(rule: _core.CoreRule) -> dict[str, Any]:
    return {
        "subject": rule.command,
        "key": rule.key or (),
        "scope": rule.scope,
        "pattern": None if rule.pattern is None else rule.pattern.hex(),
        "verdict": rule.verdict,
        "layer": rule.layer,
        "audit": rule.audit,
        "id": rule.rule_id,
    }


def _limits(limits: Mapping[str, int] | None) -> list[tuple[str, int]]:
    return [*(limits or {}).items()]
