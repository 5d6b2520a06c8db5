"""Elixir's tasks on another node, where the rules open one function for them."""

import pytest

from tests.nodes.elixir import elixir
from tests.nodes.ordinary import refused, without_ids
from tests.support.packages import need
from tests.support.scene import GUARD, Scene
from tests.support.wall import Peer

FOO = "foo@127.0.0.1"
ASKS = [
    "accept monitor 'Elixir.Tasks'",
    "accept reg_send 'Elixir.Tasks' when {'$gen_call', from(), {start_task, [{node(), pid(), pid()}, atom()], _, _}}",
    "accept send to exposed when {peer_pid(), _, _, list(), {'Elixir.Shop', work, [integer()]}}",
    "accept monitor to exposed",
    "accept link to exposed",
    "accept exit2 to exposed",
]
ASKED = [
    "accept monitor to exposed",
    "accept alias_send to exposed when {reference(), _}",
    "accept send to exposed when {{reference(), integer()}, _}",
]

SCRIPT = """
:logger.set_primary_config(:level, :none)

defmodule Shop do
  def work(-1), do: Process.sleep(5000)
  def work(number), do: number * 2
  def secret(), do: :secret
end

{:ok, _} = Task.Supervisor.start_link(name: Tasks)

case System.argv() do
  ["serve"] ->
    IO.puts("ready")
    Process.sleep(:infinity)
  ["ask", other] ->
    there = {Tasks, String.to_atom(other)}
    start = &Task.Supervisor.async(there, Shop, :work, [&1])
    IO.inspect(start.(1) |> Task.await())
    IO.inspect(Enum.map(1..5, start) |> Task.await_many())
    IO.inspect(Task.Supervisor.async_stream(there, 1..20, Shop, :work, []) |> Enum.to_list())
    IO.inspect(Task.Supervisor.async_nolink(there, Shop, :work, [4]) |> Task.yield())
    late = start.(-1)
    IO.inspect({Task.yield(late, 30), Task.shutdown(late)})
  ["steal", other] ->
    task = Task.Supervisor.async_nolink({Tasks, String.to_atom(other)}, Shop, :secret, [])
    IO.inspect(Task.yield(task, 1000))
end
"""


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    """The system's Elixir."""
    need("elixir")


@pytest.mark.parametrize(("asking", "asked"), [(FOO, GUARD), (GUARD, FOO)], ids=["peer asks", "guarded asks"])
def test_nothing_is_refused(asking: str, asked: str) -> None:
    entry = Peer(["deny *", *(ASKS if asking == FOO else ASKED)])
    answers = []
    for entries in (None, [entry]):
        with Scene(entries) as scene, elixir(scene, asked, SCRIPT, "serve") as server:
            server.wait_logged("ready")
            with elixir(scene, asking, SCRIPT, "ask", asked) as client:
                assert client.wait(40) == 0, client.logged()
                answers.append(without_ids(client.logged()))
            if not scene.direct:
                assert refused(scene.wall, FOO) == []
    assert "[2, 4, 6, 8, 10]" in answers[0]
    assert answers[1] == answers[0]


def test_a_task_of_another_function_is_refused() -> None:
    with Scene([Peer(["deny *", *ASKS])]) as scene, elixir(scene, GUARD, SCRIPT, "serve") as server:
        server.wait_logged("ready")
        with elixir(scene, FOO, SCRIPT, "steal", GUARD) as client:
            assert client.wait(40) == 0, client.logged()
            assert client.logged().strip() == "nil"
        assert [(event["command"], event["reason"]) for event in scene.wall.events("refused")] == [("send", "rule")]
