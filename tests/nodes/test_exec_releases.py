"""Releases started by `distwall exec`: they run in embedded mode, from boot scripts of their own."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import guarded
from tests.support.packages import need
from tests.support.process import Child
from tests.support.scene import GUARD, Scene
from tests.support.wall import CLUSTER_COOKIE, Peer

EVERYTHING = [Peer(["accept *"])]
# A release with one application, made as systools makes it, in the folder that is current.
BUILD = r"""
mkdir -p ebin rel
printf '%s' '-module(shop). -behaviour(application). -export([start/2, stop/1, init/1]).
start(_, _) -> supervisor:start_link(?MODULE, []).
stop(_) -> ok.
init(_) -> io:format("shop: ~p ~p ~p~n", [node(), code:get_mode(), erlang:module_loaded(shelf)]), {ok, {#{}, []}}.
' > shop.erl
printf '%s' '-module(shelf). -export([f/0]). f() -> full.' > shelf.erl
printf '%s' '{application, shop, [{description, "shop"}, {vsn, "1"}, {modules, [shop, shelf]}, {registered, []},
 {applications, [kernel, stdlib]}, {mod, {shop, []}}]}.' > ebin/shop.app
erlc -o ebin shop.erl shelf.erl
erl -noinput -eval '
 Version = fun(App) -> application:load(App), {ok, V} = application:get_key(App, vsn), {App, V} end,
 ok = file:write_file("shop.rel", io_lib:format("~p.~n", [{release, {"shop", "1"},
  {erts, erlang:system_info(version)}, [Version(kernel), Version(stdlib), {shop, "1"}]}])),
 ok = systools:make_script("shop", [{path, ["ebin"]}]),
 ok = systools:make_tar("shop", [{path, ["ebin"]}, {erts, code:root_dir()}]),
 halt().'
tar -xzf shop.tar.gz -C rel
"""
VM_ARGS = f"""## as people have it
-name {GUARD}
-setcookie {CLUSTER_COOKIE}
-mode embedded
-kernel inet_dist_listen_min 0 inet_dist_listen_max 0
"""


@pytest.fixture
def scene() -> Iterator[Scene]:
    with Scene(EVERYTHING) as scene:
        yield scene


@pytest.fixture
def erlang_release() -> Iterator[tuple[list[str], dict[str, str]]]:
    """How an Erlang release of the guarded node's OTP is started: command and environment."""
    otp = guarded.GUARD_OTP
    chroot = ["chroot", str(otp)] if otp else []
    folder = Path(tempfile.mkdtemp(prefix="distwall-release-", dir=(otp / "tmp") if otp else None))
    inside = folder.relative_to(otp) if otp else folder
    inside = Path("/") / inside
    try:
        subprocess.run([*chroot, "sh", "-ec", f"cd {inside}\n{BUILD}"], check=True, stdout=subprocess.DEVNULL)
        (folder / "rel" / "vm.args").write_text(VM_ARGS)
        root = inside / "rel"
        erts = next((folder / "rel").glob("erts-*")).name
        environment = {
            "ROOTDIR": str(root),
            "BINDIR": str(root / erts / "bin"),
            "EMU": "beam",
            "PROGNAME": "shop",
        }
        boot = str(root / "releases" / "1" / "start")
        yield (
            [*chroot, f"{root / erts}/bin/erlexec", "-noinput", "-boot", boot, "-args_file", f"{root}/vm.args"],
            environment,
        )
    finally:
        shutil.rmtree(folder)


def test_an_erlang_release_runs_guarded(scene: Scene, erlang_release: tuple[list[str], dict[str, str]]) -> None:
    command, environment = erlang_release
    with guarded.program(scene, command, environment) as program:
        program.wait_logged(f"shop: '{GUARD}' embedded true")
        foo = scene.peer()
        foo.wait_until(f"net_adm:ping('{GUARD}') =:= pong")
        call = f"erpc:call('{GUARD}', {{}})"
        assert foo.eval(call.format("code, get_mode, []")) == "embedded"
        assert foo.eval(call.format("erlang, module_loaded, [distwall_epmd]")) == "true"
        assert foo.eval(call.format("erlang, function_exported, [heart, set_cmd, 1]")) == "true", "OTP's own"
        assert foo.eval(call.format("net_adm, ping, ['stranger@127.0.0.1']")) == "pang"
        assert "WARNING" not in program.logged()


def test_without_the_early_loader_it_does_not_start(
    scene: Scene, erlang_release: tuple[list[str], dict[str, str]]
) -> None:
    """The control experiment: an embedded node can't load what its boot script doesn't name."""
    command, environment = erlang_release
    modules = "/none"
    with Child(
        command,
        scene.folder / "release.log",
        env={
            "PATH": os.environ["PATH"],
            "ERL_EPMD_PORT": str(scene.register_port),
            "ERL_AFLAGS": f"-epmd_module distwall_epmd -pa {modules} -start_epmd false",
            "ERL_CRASH_DUMP": "/dev/null",
            **environment,
        },
        cwd=scene.folder,
    ) as program:
        assert program.wait(20) != 0
        assert "distwall_epmd" in program.logged()


MIX_EXS = """defmodule Shop.MixProject do
  use Mix.Project
  def project, do: [app: :shop, version: "1.0.0", deps: []]
  def application, do: [extra_applications: [:logger]]
end
"""


@pytest.fixture(scope="module")
def elixir_release() -> Iterator[Path]:
    """The start script of a `mix release`, as mix makes it."""
    need("elixir")
    with tempfile.TemporaryDirectory(prefix="distwall-mix-") as folder:
        project = Path(folder)
        (project / "mix.exs").write_text(MIX_EXS)
        (project / "lib").mkdir()
        (project / "lib" / "shop.ex").write_text("defmodule Shop do\n  def shelf, do: :full\nend\n")
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "LANG": "C.UTF-8", "MIX_ENV": "prod"}
        subprocess.run(["mix", "release"], cwd=project, env=environment, check=True, stdout=subprocess.DEVNULL)
        yield project / "_build/prod/rel/shop/bin/shop"


def test_an_elixir_release_runs_guarded_and_is_controlled(scene: Scene, elixir_release: Path) -> None:
    environment = {"RELEASE_DISTRIBUTION": "name", "RELEASE_NODE": GUARD, "RELEASE_COOKIE": CLUSTER_COOKIE}

    def control(*arguments: str) -> str:
        log = scene.folder / f"{elixir_release.name}.log"
        log.unlink(missing_ok=True)
        assert guarded.program(scene, [elixir_release, *arguments], environment).wait(20) == 0
        return log.read_text()

    with guarded.program(scene, [elixir_release, "start"], environment) as release:
        scene.wall.wait_event("register", timeout=60)
        foo = scene.peer()
        foo.wait_until(f"net_adm:ping('{GUARD}') =:= pong")
        assert foo.eval(f"erpc:call('{GUARD}', code, get_mode, [])") == "embedded"
        assert foo.eval(f"erpc:call('{GUARD}', 'Elixir.Shop', shelf, [])") == "full"
        assert control("rpc", "IO.inspect({node(), Shop.shelf()})") == f'{{:"{GUARD}", :full}}\n'
        assert int(control("pid")) > 0
        control("stop")
        assert release.wait(20) == 0


@pytest.mark.parametrize("program", ["iex", "elixir"])
def test_iex_and_elixir_run_guarded(scene: Scene, program: str) -> None:
    need("elixir")
    script = "IO.inspect({System.argv(), Node.ping(:'stranger@127.0.0.1')}); Process.sleep(:infinity)"
    command = [program, "--name", GUARD, "--cookie", CLUSTER_COOKIE, "-e", script, "a", "b"]
    with guarded.program(scene, command) as running:
        running.wait_logged(":pang}")
        foo = scene.peer()
        assert foo.eval(f"net_adm:ping('{GUARD}')") == "pong"
        if program == "elixir":
            assert '{["a", "b"], :pang}' in running.logged()
