"""The clauses of OTP's behaviours, read from OTP's own sources, and the core's judgement of messages that they match.

``python -m tests.wire.behaviour_clauses [ROOT...]`` reads the release of each root (``/``: this machine's).
``scripts/behaviour-clauses`` fetches the sources of all supported releases that Debian has. Every clause has to be
covered by `otp_internal`, or to stand in `ORDINARY` with a reason.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, Op, message
from tests.support.etf import Atom
from tests.wire.written import written

READER = Path(__file__).with_suffix(".erl")

ORDINARY = {
    r"gen_\w+ \{'\$gen_\w+', (From, )?\w+\}": "a request to the callback module of a user",
    r"gen_(server|statem|fsm) \{timeout, .*\}": "a timeout, which the callback module handles",
    r"gen_event \{notify, Event\}": "an event, which handlers of a user handle",
    r"gen_event \{_?From, Tag, \{(sync_notify, Event|call, Handler, Query)\}\}": "the same",
    r"gen_event \{_?From, Tag, (which_handlers|get_modules)\}": "an answer that changes nothing",
    r"supervisor(_bridge)? (which_children|count_children|\{which_child, \w+\})": "the same",
    r"supervisor \{hibernate, Tag\}": "a supervisor of OTP 29 hibernates",
}
"""Clauses that do nothing but what a rule on the process means, by module and pattern, as regular expressions."""


@dataclass(frozen=True)
class BehaviourClause:
    """One clause."""

    place: str
    """Module, function and line."""
    pattern: str
    messages: tuple[str, ...]
    """Messages that it matches."""

    @property
    def ordinary(self) -> bool:
        """True if it is one of `ORDINARY`."""
        text = f"{self.place.partition(':')[0]} {self.pattern}"
        return any(re.fullmatch(known, text) for known in ORDINARY)

    @property
    def uncovered(self) -> list[str]:
        """The messages that pass under a rule for the name of any process."""
        return [] if self.ordinary else [text for text in self.messages if _passes(text)]


def _passes(text: str) -> bool:
    channel = CoreChannel("accept reg_send", "deny *")
    sent = message(Op.REG_SEND, channel.peer.pid(), EMPTY, Atom("server"), payload=written(text))
    return channel.inbound(sent).reasons != ["otp_internal"]


def clauses(root: Path) -> list[BehaviourClause]:
    """All clauses of the release under ``root``, whose sources have to be installed (``erlang-src``)."""
    library = root / "usr/lib/erlang/lib"
    folders = [next(library.glob(f"{name}-*/src")) for name in ("stdlib", "kernel")]
    code = READER.read_bytes()
    program = (
        '{ok, M, Code} = compile:file("/tmp/behaviour_clauses.erl", [binary]),'
        ' {module, M} = code:load_binary(M, "", Code), M:main(init:get_plain_arguments()), halt().'
    )
    within = [f"/{folder.relative_to(root)}" for folder in folders]
    (root / "tmp/behaviour_clauses.erl").write_bytes(code)
    command = [] if root == Path("/") else ["chroot", str(root)]
    command += ["env", "HOME=/tmp", "erl", "-noshell", "-eval", program, "-extra", *within]
    run = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True, timeout=120)
    found = [line.split("\t") for line in run.stdout.splitlines()]
    return [BehaviourClause(place, pattern, tuple(messages)) for place, pattern, *messages in found]


def main(roots: list[str]) -> int:
    """Reads each release; returns 1 if a clause is not covered."""
    failed = 0
    for root in map(Path, roots or ["/"]):
        found = clauses(root)
        for clause in found:
            for text in clause.uncovered:
                sys.stdout.write(f"{root}: {clause.place}: {clause.pattern} matches {text}, which passes\n")
                failed = 1
        ordinary = sum(clause.ordinary for clause in found)
        sys.stdout.write(f"{root}: {len(found)} clauses, of which {ordinary} are ordinary\n")
        failed = failed or int(len(found) < 30)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) if shutil.which("erl") else 1)
