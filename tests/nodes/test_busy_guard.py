"""A guarded node that is short of something when distwall asks it who a process is."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.nodes.ordinary import refused
from tests.support.node import Node
from tests.support.scene import GUARD, Scene
from tests.support.wall import Peer

FOO = "foo@127.0.0.1"
RULES = [
    "deny *",
    "accept gen_server target",
    "accept send to exposed when {peer_pid(), _}",
    "accept call erlang:node/0",
]


@contextmanager
def pair(*flags: str, limits: str = "") -> Iterator[tuple[Scene, Node, Node, str]]:
    """A guarded node, a peer, and on the peer the expression for a worker that the guarded node has shown it."""
    entry = Peer(RULES, extra=f"limits = {{ {limits} }}" if limits else "")
    with Scene([entry]) as scene:
        bar, foo = scene.guard(flags=flags), scene.peer()
        bar.eval("probe:start_server(target), register(worker, spawn(fun probe:echo/0))")
        bar.eval("gen_server:call(target, {keep, whereis(worker)})")
        worker = foo.term(f"gen_server:call({{target, '{GUARD}'}}, get)")
        yield scene, bar, foo, worker


def asked(worker: str, what: str) -> str:
    """An expression that sends to the worker, and results in the answer."""
    return f"{worker} ! {{self(), {what}}}, receive {what} -> {what} after 15000 -> lost end"


BUSY = {
    "ordinary processes": "[spawn(fun F() -> F() end) || _ <- lists:seq(1, 50)]",
    "processes of a higher priority, for a while": (
        "[spawn_opt(fun F() -> erlang:monotonic_time(millisecond) > End orelse F() end, [{priority, high}])"
        " || End <- [erlang:monotonic_time(millisecond) + 2000], _ <- [1, 2, 3, 4]]"
    ),
}


@pytest.mark.parametrize("load", BUSY)
def test_a_node_whose_schedulers_are_busy_answers(load: str) -> None:
    with pair() as (scene, bar, foo, worker):
        assert foo.eval(asked(worker, "before")) == "before"
        bar.begin(f"{BUSY[load]}, ok")
        # The answer to the first question holds for a second.
        time.sleep(1.2)
        assert foo.eval(asked(worker, "hello"), 20) == "hello"
        assert refused(scene.wall, FOO) == []
        assert scene.wall.events("disconnect") == []


FULL = """
    End = erlang:monotonic_time(millisecond) + 4000,
    Sleep = fun() -> timer:sleep(max(0, End - erlang:monotonic_time(millisecond))) end,
    spawn_opt(fun() ->
        fun Fill(N) ->
            case erlang:monotonic_time(millisecond) > End of
                true -> persistent_term:put(filled, N);
                false ->
                    try spawn(Sleep) of _ -> Fill(N + 1)
                    catch error:system_limit -> timer:sleep(1), Fill(N)
                    end
            end
        end(0)
    end, [{priority, high}]), ok"""
"""Fills the table of processes, and keeps it full for four seconds."""


def test_a_node_at_its_limit_of_processes_answers_or_the_channel_says_why() -> None:
    """The question needs a process there. Nothing is lost in silence: it is answered, or the channel ends."""
    with pair("+P", "1024", limits="ask_timeout = 2") as (scene, bar, foo, worker):
        assert foo.eval(asked(worker, "before")) == "before"
        begun = time.monotonic()
        bar.eval(FULL)
        time.sleep(1.2)
        seen = foo.eval(
            f"erlang:monitor_node('{GUARD}', true), {worker} ! {{self(), hello}},"
            f" receive hello -> hello; {{nodedown, '{GUARD}'}} -> nodedown after 10000 -> lost end"
        )
        # It was full: the peer's own spawn fails there.
        full = foo.eval(f"catch erpc:call('{GUARD}', erlang, node, [])")
        time.sleep(max(0.0, begun + 5 - time.monotonic()))
        assert "system_limit" in full
        assert bar.number("persistent_term:get(filled)") > 500
        assert seen in ("hello", "nodedown")
        ends = [event["reason"] for event in scene.wall.events("disconnect")]
        assert ends == (["limit:ask_timeout"] if seen == "nodedown" else [])
        assert foo.eval(asked(worker, "again")) == "again"
