"""Two Elixir nodes, of which one, none or both are guarded: Node, GenServer, :rpc, iex --remsh."""

import os
import pty
import select
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.launch import guarded
from tests.nodes.harness import GUARD, Child, Scene
from tests.nodes.harness.wall import CLUSTER_COOKIE, Peer, launcher

pytestmark = pytest.mark.skipif(not shutil.which("iex"), reason="Elixir is not installed")

FOO, MATE = "foo@127.0.0.1", "baz@127.0.0.2"
COOKIE = "peer-cookie"
COUNTER = """
defmodule Counter do
  use GenServer
  def init(number), do: {:ok, number}
  def handle_call({:add, more}, _, number), do: {:reply, number + more, number + more}
end
{:ok, _} = GenServer.start(Counter, 40, name: Counter)
IO.puts("ready")
Process.sleep(:infinity)
"""
# What the other side asks, and prints.
QUESTIONS = """
other = :"{other}"
IO.inspect(Node.connect(other))
IO.inspect(GenServer.call({{Counter, other}}, {{:add, 2}}))
me = self()
Node.spawn(other, :erlang, :send, [me, :hello])
receive do :hello -> IO.puts("spawned") after 5000 -> IO.puts("silence") end
IO.inspect(:rpc.call(other, Kernel, :node, []))
IO.inspect(Node.list(:connected))
"""
ANSWERS = 'true\n42\nspawned\n:"{other}"\n[:"{other}"]\n'


@pytest.fixture
def scene() -> Iterator[Scene]:
    with Scene([Peer(["accept *"])], guards=[GUARD, MATE]) as scene:
        yield scene


def elixir(scene: Scene, name: str, script: str, *, guard: bool) -> Child:
    """A node that runs ``script``; as a peer it has the peer's cookie and the stock EPMD."""
    file = scene.folder / f"{name}.exs"
    file.write_text(script)
    command: list[str | Path] = ["elixir", "--name", name, "--cookie", CLUSTER_COOKIE if guard else COOKIE, file]
    if guard:
        return guarded.program(scene, command)
    return Child(command, scene.folder / f"{name}.log", env=peer_environment(scene), cwd=scene.folder)


def peer_environment(scene: Scene) -> dict[str, str]:
    port = str(scene.epmd_port)
    return {**guarded.environment(scene), "ERL_EPMD_PORT": port, "ERL_FLAGS": "-start_epmd false"}


@pytest.mark.parametrize(
    ("asking", "asked"),
    [(FOO, GUARD), (GUARD, FOO), (GUARD, MATE)],
    ids=["peer asks", "guarded node asks", "mates"],
)
def test_two_elixir_nodes(scene: Scene, asking: str, asked: str) -> None:
    with elixir(scene, asked, COUNTER, guard=asked != FOO) as server:
        server.wait_logged("ready")
        (scene.folder / "elixir.log").unlink(missing_ok=True)
        with elixir(scene, asking, QUESTIONS.format(other=asked), guard=asking != FOO) as client:
            assert client.wait(20) == 0
            assert client.logged() == ANSWERS.format(other=asked)


@pytest.mark.parametrize("guard", [True, False], ids=["mate", "peer"])
def test_remote_shell(scene: Scene, guard: bool) -> None:
    with elixir(scene, GUARD, COUNTER, guard=True) as server:
        server.wait_logged("ready")
        command = ["iex", "--name", MATE if guard else FOO, "--cookie", CLUSTER_COOKIE if guard else COOKIE]
        command += ["--remsh", GUARD]
        environment = guarded.environment(scene) if guard else peer_environment(scene)
        given = [*(launcher(scene.wall.config) if guard else []), *command]
        with terminal(given, {**environment, "TERM": "xterm"}, scene.folder) as say:
            assert f"iex({GUARD})1>" in say("", f"iex({GUARD})1>")
            assert "42" in say("GenServer.call(Counter, {:add, 2})", "2>")
            assert f':"{GUARD}"' in say("node()", "3>")


@contextmanager
def terminal(
    command: list[str | Path], environment: dict[str, str], folder: Path
) -> Iterator[Callable[[str, str], str]]:
    """Runs ``command`` on a terminal. Yields ``say(line, end)``: writes a line, returns what comes up to ``end``."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", *command],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env=environment,
        cwd=folder,
        start_new_session=True,
    )
    os.close(theirs)

    def say(line: str, end: str) -> str:
        if line:
            os.write(ours, f"{line}\r".encode())
        seen = ""
        while end not in seen:
            ready, _, _ = select.select([ours], [], [], 20)
            assert ready, f"no {end!r} in {seen!r}"
            seen += os.read(ours, 4096).decode(errors="replace")
        return seen

    try:
        yield say
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(ours)
