"""Elixir's own ways to work with another node."""

import pytest

from tests.nodes.elixir import elixir
from tests.nodes.ordinary import refused, without_ids
from tests.support.packages import need
from tests.support.scene import GUARD, Scene
from tests.support.wall import Peer


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    """The system's Elixir."""
    need("elixir")


FOO = "foo@127.0.0.1"
ASKS = [
    "accept ping",
    "accept gen_server 'Elixir.Shop'",
    "accept gen_server 'Elixir.Nobody'",
    "accept task_supervisor 'Elixir.Tasks'",
    # An agent runs what it is sent, so it is told which functions.
    "accept monitor 'Elixir.Store'",
    "accept reg_send 'Elixir.Store' when {'$gen_call', from(), {get, {'Elixir.Map', fetch, [atom()]}}}",
    "accept reg_send 'Elixir.Store' when {'$gen_call', from(), {update, {'Elixir.Map', put, [atom(), _]}}}",
    "accept reg_send 'Elixir.Store' when {'$gen_cast', {cast, {'Elixir.Map', put, [atom(), _]}}}",
    # Node.spawn with a function: no narrower rule opens a function without a name.
    "accept node_spawn",
    "accept call 'Elixir.IO':inspect/1",
]
ASKED = [
    # What the server and spawned processes were asked to say; tasks watch who awaits them, and answer.
    "accept send to exposed when {number, integer()}",
    "accept send to exposed when {told, node()}",
    "accept monitor to exposed",
    "accept alias_send to exposed when {reference(), _}",
    "accept send to exposed when {{reference(), integer()}, _}",
    "accept remote_output",
]

SCRIPT = """
:logger.set_primary_config(:level, :none)

defmodule Shop do
  use GenServer
  def init(number), do: {:ok, number}
  def handle_call({:add, more}, _, number), do: {:reply, number + more, number + more}
  def handle_cast({:tell, pid}, number), do: (send(pid, {:number, number}); {:noreply, number})
  def work(number), do: number * 2
  def tell(pid), do: send(pid, {:told, node()})
  def stops(), do: exit(:done)
end

defmodule Questions do
  def all(other) do
    me = self()
    [
      ping: fn -> Node.ping(other) end,
      call: fn -> {GenServer.call({Shop, other}, {:add, 2}), GenServer.call({Shop, other}, {:add, -2})} end,
      cast: fn -> {GenServer.cast({Shop, other}, {:tell, me}), hear()} end,
      multi_call: fn -> GenServer.multi_call([other], Shop, {:add, 0}) end,
      abcast: fn -> {GenServer.abcast([other], Shop, {:tell, me}), hear()} end,
      no_such: fn -> GenServer.call({Nobody, other}, :hi) end,
      task: fn -> Task.Supervisor.async({Tasks, other}, fn -> Shop.work(1) end) |> Task.await() end,
      task_mfa: fn -> Task.Supervisor.async({Tasks, other}, Shop, :work, [2]) |> Task.await() end,
      tasks: fn ->
        1..5 |> Enum.map(&Task.Supervisor.async({Tasks, other}, Shop, :work, [&1])) |> Task.await_many()
      end,
      task_stream: fn -> Task.Supervisor.async_stream({Tasks, other}, 1..20, Shop, :work, []) |> Enum.to_list() end,
      task_fails: fn -> Task.Supervisor.async_nolink({Tasks, other}, Shop, :stops, []) |> Task.yield() end,
      task_late: fn ->
        task = Task.Supervisor.async({Tasks, other}, :timer, :sleep, [5000])
        {Task.yield(task, 30), Task.shutdown(task)}
      end,
      agent: fn ->
        :ok = Agent.update({Store, other}, Map, :put, [:key, 1])
        :ok = Agent.cast({Store, other}, Map, :put, [:more, 2])
        {Agent.get({Store, other}, Map, :fetch, [:key]), Agent.get({Store, other}, Map, :fetch, [:more])}
      end,
      spawn: fn -> (Node.spawn(other, fn -> Shop.tell(me) end); elem(hear(), 0)) end,
      spawn_mfa: fn -> (Node.spawn(other, Shop, :tell, [me]); elem(hear(), 0)) end,
      spawn_link: fn ->
        Process.flag(:trap_exit, true)
        pid = Node.spawn_link(other, Shop, :stops, [])
        {:EXIT, ^pid, reason} = hear()
        Process.flag(:trap_exit, false)
        reason
      end,
      spawn_monitor: fn -> (Node.spawn_monitor(other, fn -> exit(:done) end); elem(hear(), 4)) end,
      rpc: fn -> {:rpc.call(other, Shop, :work, [21]), :erpc.call(other, Shop, :work, [4])} end,
      output: fn -> :erpc.call(other, IO, :inspect, [%{from: ~D[2026-11-23]}]) end
    ]
  end

  def hear(), do: receive(do: (message -> message), after: (5000 -> :silence))
end

{:ok, _} = GenServer.start(Shop, 40, name: Shop)
{:ok, _} = Task.Supervisor.start_link(name: Tasks)
{:ok, _} = Agent.start(fn -> %{} end, name: Store)

case System.argv() do
  ["serve"] ->
    IO.puts("ready")
    Process.sleep(:infinity)
  ["ask", other] ->
    for {name, ask} <- Questions.all(String.to_atom(other)) do
      answer = try do ask.() catch kind, reason -> {kind, reason} end
      IO.inspect({name, answer}, limit: :infinity)
    end
end
"""


@pytest.mark.parametrize(("asking", "asked"), [(FOO, GUARD), (GUARD, FOO)], ids=["peer asks", "guarded asks"])
def test_nothing_is_refused(asking: str, asked: str) -> None:
    entry = Peer(["deny *", *(ASKS if asking == FOO else ASKED)], extra="funs = true")
    answers = []
    for entries in (None, [entry]):
        with Scene(entries) as scene, elixir(scene, asked, SCRIPT, "serve") as server:
            server.wait_logged("ready")
            with elixir(scene, asking, SCRIPT, "ask", asked) as client:
                assert client.wait(40) == 0, client.logged()
                answers.append(without_ids(client.logged()))
            if not scene.direct:
                assert refused(scene.wall, FOO) == []
    assert ":silence" not in answers[0]
    assert answers[1] == answers[0]
