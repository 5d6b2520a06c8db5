"""Calls of real nodes, as recorded: the core tells each of them by its function."""

from __future__ import annotations

import pytest

from tests.support.core_channel import core_rules
from tests.wire import captures

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
    # rex is asked to send to itself, which is not looked into.
    "rex",
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
