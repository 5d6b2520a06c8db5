"""Calls in other calls: the core sees what a real node does."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.core_channel import CoreChannel, core_rules
from tests.support.dist import Op, message
from tests.support.etf import Atom, Term, encode, inline
from tests.wire import captures
from tests.wire.calls import HERE, WRAPPED, Wrapped
from tests.wire.expect import passes, refused

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


@pytest.mark.parametrize("case", WRAPPED, ids=str)
def test_the_core_sees_them(case: Wrapped) -> None:
    mfa = (Atom(case.module), Atom(case.function), len(case.arguments))
    sent = message(
        *(Op.SPAWN_REQUEST, CoreChannel.peer.ref(), CoreChannel.peer.pid(), CoreChannel.peer.pid(), mfa, []),
        payload=list(case.arguments),
    )
    called, other = ("called:zero/0", "called:one/1") if case.zero else ("called:one/1", "called:zero/0")
    passes(CoreChannel(f"accept call {called}", "deny *"), sent)
    refused(CoreChannel(f"accept call {other}", "accept spawn_request", f"deny call {called}", "deny *"), sent)
    refused(CoreChannel(f"accept call {case.module}:_/_", f"accept spawn_request {case.module}:_/_", "deny *"), sent)


ERPC = {
    *(
        "erlang:'+'/2 by erpc:execute_call/4",
        "erlang:throw/1 by erpc:execute_call/4",
        "timer:sleep/1 by erpc:execute_call/4",
    ),
    *(
        "erlang:exit/1 by erpc:execute_call/4",
        "erlang:node/0 by erpc:execute_call/4",
        "erlang:self/0 by erpc:execute_cast/3",
    ),
    # A fun, and arguments that are no list.
    "erpc:execute_call/4",
}
RPC = {
    *("erlang:node/0 by rex", "erlang:node/0 by erpc:execute_call/4", "erlang:self/0 by erpc:execute_cast/3"),
    *("erlang:process_info/1 by erpc:execute_call/4", "erlang:whereis/1 by erpc:execute_call/4"),
    "no_such:thing/0 by erpc:execute_call/4",
}
SPAWN = {"erlang:apply/2", "scenes:echo/1", "scenes:fail/1"}
RECORDED = {
    **dict.fromkeys(("otp25_erpc", "otp27_erpc", "otp29_erpc", "passthrough_erpc"), ERPC),
    **dict.fromkeys(("otp25_rpc", "otp25to29_rpc", "otp27_rpc", "otp29_rpc"), RPC),
    **dict.fromkeys(("otp25_spawn", "otp25to23_spawn", "otp29_spawn", "oldexit_spawn"), SPAWN),
    "otp25_erl_call": {"lists:reverse/1 by rex"},
}


@pytest.mark.parametrize("name", RECORDED)
def test_no_call_of_real_nodes_gets_by(name: str) -> None:
    """``rpc``, ``erpc``, spawns and ``erl_call`` as recorded: no call gets by, and each is told by its function."""
    capture = captures.load(captures.RECORDINGS / name)
    found: set[str | None] = set()
    for guard in (0, 1):
        channel = capture.channel(guard, core_rules("drop call", "accept *"))
        for number, (who, data) in enumerate(capture.chunks):
            _, _, events, closed = channel.receive(who != guard, data, float(number))
            assert closed is None
            found |= {event[2] for event in events or []}
    assert found == RECORDED[name]
