"""Calls in other calls: the core sees what a real node does."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

from tests.wire.calls import HERE, WRAPPED, Wrapped
from tests.wire.etf import Atom, Term, encode, inline

ELIXIR = Path("/usr/lib/elixir/lib/elixir/ebin")


def line(case: Wrapped, number: int) -> str:
    """The case for a node that has no name; the argument is the case's own, or an earlier one could answer for it."""
    x = Atom(f"x{number}")
    names = {HERE: Atom("nonode@nohost"), Atom("x"): x}
    expected: Term = Atom("called") if case.zero else (Atom("called"), x)
    waits = Atom("true" if case.waits else "false")
    whole = (Atom(case.module), Atom(case.function), list(case.arguments), waits, expected)
    data = b"\x83" + encode(whole, lambda atom: inline(names.get(atom, atom)))
    return base64.b64encode(data).decode()


def test_a_real_node_makes_these_calls(tmp_path: Path) -> None:
    folder = Path(__file__).parent
    subprocess.run(["erlc", "-o", tmp_path, folder / "called.erl"], check=True)
    asked = 'io:format("~s", [erlang:system_info(otp_release)]), halt().'
    release = int(subprocess.run(["erl", "-noinput", "-eval", asked], capture_output=True, check=True).stdout)
    here = [case for case in WRAPPED if case.since <= release <= case.until]
    assert shutil.which("elixir")
    run = subprocess.run(
        ["erl", "-noshell", "-pa", tmp_path, "-pa", ELIXIR, "-eval", "called:loop()."],
        input="".join(line(case, number) + "\n" for number, case in enumerate(here)),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=300,
        check=True,
    )
    answers = [answer for answer in run.stdout.split("\n") if answer in ("true", "false")]
    assert len(answers) == len(here)
    assert [str(case) for case, answer in zip(here, answers, strict=True) if answer == "false"] == []
