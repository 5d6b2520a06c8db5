"""Two Elixir nodes, one of them guarded, do what two do without distwall; and what the policy refuses ends at once."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.nodes.elixir import PEER_COOKIE, cookie, elixir, environment
from tests.support import guarded
from tests.support.packages import need
from tests.support.process import Child
from tests.support.scene import GUARD, Scene
from tests.support.terminal import terminal
from tests.support.wall import CLUSTER_COOKIE, Peer, launcher


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    """The system's Elixir."""
    need("elixir")


FOO = "foo@127.0.0.1"
OPEN = Peer(["accept *"], visible=True)
DEFAULT = Peer(["deny *", "accept ping", "accept reg_send gate", "accept monitor gate"])

# Both nodes run this: a fun that one of them sends is one that the other has, too.
SCRIPT = """
:logger.set_primary_config(:level, :none)

defmodule Shop do
  use GenServer
  def init(number), do: {:ok, number}
  def handle_call({:add, more}, _, number), do: {:reply, number + more, number + more}
  def handle_cast({:tell, pid}, number), do: (send(pid, {:number, number}); {:noreply, number})
  def work(number), do: {node(), number * 2}
end

defmodule Questions do
  def all(other) do
    me = self()
    [
      connect: fn -> {Node.connect(other), hear()} end,
      list: fn -> {Node.list(), Node.list(:hidden), Node.ping(other)} end,
      call: fn -> {GenServer.call({Shop, other}, {:add, 2}), GenServer.call({Shop, other}, {:add, -2})} end,
      cast: fn -> {GenServer.cast({Shop, other}, {:tell, me}), hear()} end,
      multi_call: fn -> GenServer.multi_call([node(), other], Shop, {:add, 0}) end,
      no_such: fn -> GenServer.call({Nobody, other}, :hi) end,
      spawn: fn -> (Node.spawn(other, fn -> send(me, node()) end); hear()) end,
      spawn_mfa: fn -> (Node.spawn(other, :erlang, :send, [me, :sent]); hear()) end,
      spawn_link: fn ->
        Process.flag(:trap_exit, true)
        pid = Node.spawn_link(other, fn -> exit(:done) end)
        {:EXIT, ^pid, reason} = hear()
        Process.flag(:trap_exit, false)
        reason
      end,
      spawn_monitor: fn -> (Node.spawn_monitor(other, fn -> exit(:done) end); elem(hear(), 4)) end,
      rpc: fn -> {:rpc.call(other, Shop, :work, [21]), :erpc.call(other, fn -> node() end)} end,
      task: fn -> Task.Supervisor.async({Tasks, other}, fn -> Shop.work(1) end) |> Task.await() end,
      task_mfa: fn -> Task.Supervisor.async({Tasks, other}, Shop, :work, [2]) |> Task.await() end,
      task_stream: fn -> Task.Supervisor.async_stream({Tasks, other}, 1..20, Shop, :work, []) |> Enum.to_list() end,
      task_fails: fn -> Task.Supervisor.async_nolink({Tasks, other}, fn -> exit(:oh) end) |> Task.yield() end,
      agent: fn ->
        Agent.update({Store, other}, &Map.put(&1, :key, node()))
        Agent.get({Store, other}, & &1)
      end,
      monitor: fn ->
        pid = Node.spawn(other, fn -> receive do :stop -> :ok end end)
        Process.monitor(pid)
        send(pid, :stop)
        elem(hear(), 4)
      end,
      global: fn ->
        :global.sync()
        :yes = :global.register_name({:shop, node()}, Process.whereis(Shop))
        :erpc.call(other, :global, :whereis_name, [{:shop, node()}]) == Process.whereis(Shop)
      end,
      via: fn -> :erpc.call(other, GenServer, :call, [{:via, :global, {:shop, node()}}, {:add, 0}]) end,
      terms: fn ->
        terms = [1..3, MapSet.new([1, "ä"]), ~D[2026-11-23], ~r/a/.source, %{"k" => nil}, 'list', {:ok, 1.5}, <<1::3>>]
        :erpc.call(other, Function, :identity, [terms]) == terms
      end,
      output: fn -> :erpc.call(other, IO, :inspect, ["from there"]) end,
      disconnect: fn -> {Node.monitor(other, true), Node.disconnect(other), hear(), hear(), Node.list()} end,
      again: fn -> {GenServer.call({Shop, other}, {:add, 0}), Node.list(), hear()} end
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
    :ok = :net_kernel.monitor_nodes(true)
    for {name, ask} <- Questions.all(String.to_atom(other)) do
      answer = try do ask.() catch kind, reason -> {kind, reason} end
      IO.inspect({name, answer}, limit: :infinity)
    end
end
"""


@pytest.mark.parametrize(("asking", "asked"), [(GUARD, FOO), (FOO, GUARD)], ids=["guarded asks", "peer asks"])
def test_two_nodes_do_as_without_distwall(asking: str, asked: str) -> None:
    answers = []
    for entries in (None, [OPEN]):
        with Scene(entries) as scene, elixir(scene, asked, SCRIPT, "serve") as server:
            server.wait_logged("ready")
            with elixir(scene, asking, SCRIPT, "ask", asked) as client:
                assert client.wait(40) == 0, client.logged()
                answers.append(client.logged())
    assert answers[1] == answers[0]


def test_remote_shells_work_in_both_directions() -> None:
    with Scene([OPEN]) as scene:
        for at, of in ((GUARD, FOO), (FOO, GUARD)):
            (scene.folder / f"{at}.log").unlink(missing_ok=True)
            with elixir(scene, at, SCRIPT, "serve") as server:
                server.wait_logged("ready")
                command = ["iex", "--name", of, "--cookie", cookie(scene, of), "--remsh", at]
                under = launcher(scene.wall.config) if of == GUARD else []
                with terminal([*under, *command], environment(scene, of), scene.folder) as say:
                    say("", f"iex({at})1>")
                    assert "42" in say("GenServer.call(Shop, {:add, 2})", "2>")
                    assert ":hello" in say("IO.inspect(:hello); node()", "3>")
                    assert "** (RuntimeError) oh" in say('raise "oh"', "3>")


def test_a_remote_shell_that_the_policy_refuses_says_so_at_once() -> None:
    with Scene([DEFAULT]) as scene, elixir(scene, GUARD, SCRIPT, "serve") as server:
        server.wait_logged("ready")
        command: list[str | Path] = ["iex", "--name", FOO, "--cookie", PEER_COOKIE, "--remsh", GUARD]
        start = time.monotonic()
        with terminal(command, environment(scene, FOO), scene.folder) as say:
            assert f"Could not contact remote node {GUARD}, reason: {{:EXIT, :not_allowed}}" in say("", "Aborting")
        assert time.monotonic() - start < 10
        scene.wall.wait_event("refused", peer=FOO, command="spawn_request")


def test_a_remote_shell_on_a_peer_whose_answers_are_refused_ends_at_once() -> None:
    """The other way round it is the peer that would read the terminal of the guarded node."""
    with Scene([DEFAULT]) as scene, elixir(scene, FOO, SCRIPT, "serve") as server:
        server.wait_logged("ready")
        command: list[str | Path] = ["iex", "--name", GUARD, "--cookie", CLUSTER_COOKIE, "--remsh", FOO]
        start = time.monotonic()
        with terminal([*launcher(scene.wall.config), *command], environment(scene, GUARD), scene.folder) as say:
            say("", "Shell process terminated!")
        assert time.monotonic() - start < 10
        scene.wall.wait_event("refused", peer=FOO, command="monitor")


MIX = """defmodule Shop.MixProject do
  use Mix.Project
  def project, do: [app: :shop, version: "1.0.0", deps: []]
  def application, do: [extra_applications: [:logger]]
end
"""


@pytest.fixture(scope="module")
def release() -> Iterator[Path]:
    """The start script of a release, as mix makes it."""
    with tempfile.TemporaryDirectory(prefix="distwall-mix-") as folder:
        project = Path(folder)
        (project / "mix.exs").write_text(MIX)
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "LANG": "C.UTF-8", "MIX_ENV": "prod"}
        subprocess.run(["mix", "release"], cwd=project, env=environment, check=True, stdout=subprocess.DEVNULL)
        yield project / "_build/prod/rel/shop/bin/shop"


@pytest.mark.slow
def test_a_release_is_controlled_under_exec_only(release: Path) -> None:
    """Its own commands, under `distwall exec`. Without it, a command is a stranger, and is told so at once."""
    with Scene([OPEN]) as scene:
        own = {"RELEASE_DISTRIBUTION": "name", "RELEASE_NODE": GUARD, "RELEASE_COOKIE": CLUSTER_COOKIE}
        base = {**guarded.environment(scene), "TERM": "xterm", **own}
        under = launcher(scene.wall.config)
        plain = [
            {**base, "ERL_EPMD_PORT": str(port), "ERL_FLAGS": "-start_epmd false"}
            for port in (scene.register_port, scene.epmd_port)
        ]

        def rpc(start: Sequence[str | Path], environment: dict[str, str]) -> tuple[int, str]:
            done = subprocess.run(
                [*start, release, "rpc", "IO.inspect(node())"],
                env=environment,
                cwd=scene.folder,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=60,
                check=False,
            )
            return done.returncode, done.stdout

        with Child([*under, release, "start"], scene.folder / "shop.log", env=base, cwd=scene.folder):
            scene.wall.wait_event("register", timeout=60)
            start = time.monotonic()
            assert rpc(under, base) == (0, f':"{GUARD}"\n')
            accepted = time.monotonic() - start
            for environment in plain:
                start = time.monotonic()
                code, said = rpc([], environment)
                assert code != 0
                assert "RPC failed with reason :nodedown" in said
                assert time.monotonic() - start < accepted + 30
            scene.wall.wait_event("handshake_refused", reason="unknown_node")
            with terminal([*under, release, "remote"], base, scene.folder) as say:
                say("", f"iex({GUARD})1>")
                assert GUARD in say("node()", "2>")
