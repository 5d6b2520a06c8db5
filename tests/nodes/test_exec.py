"""Nodes started by `distwall exec`: reachable through distwall, and by no other way."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import guarded, ports
from tests.support.scene import GUARD, Scene
from tests.support.wall import Peer, launcher

EVERYTHING = [Peer(["accept *"])]
# What sys.config and vm.args may say and exec can't see. distwall_epmd has the last word.
SYS_CONFIG = """[{kernel, [{inet_dist_use_interface, {0,0,0,0}},
    {inet_dist_listen_options, [{ifaddr, {0,0,0,0}}, {backlog, 7}]},
    {inet_dist_connect_options, [{ifaddr, {10,99,99,99}}, {nodelay, true}]}]}].
"""
ADDRESSES = (
    '[element(2, inet:sockname(P)) || P <- erlang:ports(), erlang:port_info(P, name) =:= {name, "tcp_inet"},'
    " inet:peername(P) =:= {error, enotconn}]"
)


@pytest.fixture
def scene() -> Iterator[Scene]:
    with Scene(EVERYTHING) as scene:
        yield scene


@pytest.fixture
def sys_config() -> Iterator[str]:
    """Where the guarded node finds a sys.config, without ``.config``."""
    file = (guarded.GUARD_OTP or Path("/")) / f"tmp/distwall-{os.getpid()}.config"
    file.write_text(SYS_CONFIG)
    yield f"/tmp/{file.stem}"
    file.unlink()


def reachable(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 2).close()
    except ConnectionRefusedError:
        return False
    return True


def outer_addresses() -> list[str]:
    """Addresses of this host at which only distwall may be found."""
    found = ["127.0.0.2"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return found
        return [*found, probe.getsockname()[0]]


@pytest.mark.parametrize("flags", [(), ("-hidden",), ("-mode", "embedded"), ("-config", "@")])
def test_it_is_reached_through_distwall_only(scene: Scene, sys_config: str, flags: tuple[str, ...]) -> None:
    with guarded.node(scene, flags=[flag.replace("@", sys_config) for flag in flags]) as bar:
        foo = scene.peer()
        assert foo.eval(f"net_adm:ping('{GUARD}')") == "pong"
        port = scene.wall.wait_event("register")["port"]
        assert f"{{{{127,0,0,1}},{port}}}" in bar.eval(ADDRESSES)
        assert reachable("127.0.0.1", port)
        assert [address for address in outer_addresses() if reachable(address, port)] == []
        assert bar.eval("nodes(hidden)") == "['foo@127.0.0.1']"
        assert bar.eval("code:get_mode()") == ("embedded" if "embedded" in flags else "interactive")
        assert "/ebin/boot" not in bar.eval("code:get_path()")


def test_names_come_from_distwall(scene: Scene) -> None:
    with guarded.node(scene) as bar:
        registered = f'{{ok,[{{"bar",{scene.wall.wait_event("register")["port"]}}}]}}'
        assert bar.eval("net_adm:names()") == registered
        assert bar.eval("net_adm:names('127.0.0.2')") == registered
        assert bar.eval("net_adm:names('no.such.host.invalid')") == "{error,nxdomain}"


def test_others_are_out_of_reach_at_once(scene: Scene) -> None:
    with guarded.node(scene) as bar:
        for other in ("stranger@127.0.0.1", "stranger@10.255.255.1", "stranger@no.such.host.invalid"):
            milliseconds, answer = bar.timed(f"net_adm:ping('{other}')")
            assert answer == "pang"
            assert milliseconds < 1000


def test_it_does_not_wait_long_for_a_distwall_that_hangs(scene: Scene) -> None:
    with guarded.node(scene) as bar:
        scene.wall.process.pause()
        milliseconds, answer = bar.timed("net_adm:ping('foo@127.0.0.1')")
        scene.wall.process.resume()
        assert answer == "pang"
        assert milliseconds < 3000


def test_mates_reach_each_other_directly() -> None:
    with (
        Scene(EVERYTHING, guards=[GUARD, "baz@127.0.0.2"]) as scene,
        guarded.node(scene) as bar,
        guarded.node(scene, "baz@127.0.0.2") as baz,
    ):
        assert bar.eval("net_adm:ping('baz@127.0.0.2')") == "pong"
        assert bar.eval("nodes()") == "['baz@127.0.0.2']"
        baz.wait_until("global:register_name(somebody, whereis(init)) =:= yes")
        bar.wait_until("is_pid(global:whereis_name(somebody))")
        assert scene.wall.events("connect") == []


def test_nodes_with_short_names_register_and_meet() -> None:
    host = socket.gethostname().partition(".")[0]
    short = [Peer(["accept *"], node=f"foo@{host}")]
    with (
        Scene(short, guards=["ba*@*"]) as scene,
        guarded.node(scene, f"bar@{host}", flags=["-sname", f"bar@{host}"]) as bar,
        guarded.node(scene, f"baz@{host}", flags=["-sname", f"baz@{host}"]) as baz,
    ):
        assert bar.eval("node()") == f"bar@{host}"
        assert bar.eval(f"net_adm:ping('{baz.eval('node()')}')") == "pong"
        assert bar.eval(f"net_adm:ping('stranger@{host}')") == "pang"


IPV6_POLICY = """[guard]
nodes = ["bar@::1"]
listen = "::1"
epmd = "[::1]:PORT"
register = "[::1]:4370"
cookie_file = "cluster.cookie"

[audit]
file = "audit.jsonl"

[control]
socket = "distwall.sock"

[[peers]]
node = "foo@::1"
cookie = "peer-cookie"
rules = ["accept *"]
"""


def test_nodes_over_ipv6_register(tmp_path: Path) -> None:
    policy = tmp_path / "distwall.toml"
    inet6 = ["-proto_dist", "inet6_tcp"]
    # The stock epmd of the scene is at ::1 as well, whatever its -address says.
    with ports.lease() as epmd:
        policy.write_text(IPV6_POLICY.replace("PORT", str(epmd)))
        with Scene(policy) as scene:
            assert "give the node -proto_dist inet6_tcp" in refusal(scene, "erl")
            with guarded.node(scene, "bar@::1", flags=inet6) as bar:
                # It dials, and listens nowhere: at ::1 it would register with distwall, which does not let it.
                foo = scene.peer(
                    "foo@::1",
                    cookie="peer-cookie",
                    flags=[*inet6, "-dist_listen", "false"],
                    env={"ERL_EPMD_PORT": str(epmd)},
                )
                assert foo.eval("net_adm:ping('bar@::1')") == "pong"
                assert bar.eval("nodes(hidden)") == "['foo@::1']"
                port = scene.wall.wait_event("register")["port"]
                assert f"{{{{0,0,0,0,0,0,0,1}},{port}}}" in bar.eval(ADDRESSES)
                assert bar.eval("net_adm:ping('stranger@::1')") == "pang"
                assert bar.eval("net_adm:names()") == f'{{ok,[{{"bar",{port}}}]}}'


def test_nodes_of_both_families_share_a_distwall(tmp_path: Path) -> None:
    """`register` where both find it; others are refused there."""
    policy = tmp_path / "distwall.toml"
    with ports.lease() as epmd:
        text = IPV6_POLICY.replace("PORT", str(epmd)).replace('register = "[::1]', 'register = "[::]')
        policy.write_text(text.replace('"bar@::1"', '"bar@::1", "baz@127.0.0.2"'))
        with (
            Scene(policy) as scene,
            guarded.node(scene, "bar@::1", flags=["-proto_dist", "inet6_tcp"]) as bar,
            guarded.node(scene, "baz@127.0.0.2") as baz,
        ):
            ports_of = {name: scene.wall.wait_event("register", guard=name)["port"] for name in ("bar", "baz")}
            assert f"{{{{0,0,0,0,0,0,0,1}},{ports_of['bar']}}}" in bar.eval(ADDRESSES)
            assert f"{{{{127,0,0,1}},{ports_of['baz']}}}" in baz.eval(ADDRESSES)
            assert bar.eval("net_adm:ping('baz@127.0.0.2')") == "pang", "of the other family"


def test_distribution_that_starts_later_is_guarded(scene: Scene) -> None:
    """As rabbitmqctl and `Node.start/2` do it."""
    start = f"{{ok, _}} = net_kernel:start(['{GUARD}', longnames]), erlang:set_cookie('cluster-cookie')."
    with guarded.program(scene, ["erl", "-noinput", "-eval", start]):
        scene.wall.wait_event("register", timeout=60)
        assert scene.peer().eval(f"net_adm:ping('{GUARD}')") == "pong"


def test_a_node_registers_again_after_distwall_was_away(scene: Scene) -> None:
    with guarded.node(scene) as bar:
        scene.wall.stop()
        assert bar.eval("net_adm:ping('stranger@127.0.0.1')") == "pang"
        scene.wall.start()
        foo = scene.peer()
        foo.wait_until(f"net_adm:ping('{GUARD}') =:= pong")


def test_a_name_that_is_taken_ends_the_second_node(scene: Scene) -> None:
    with guarded.node(scene):
        second = guarded.program(scene, ["erl", "-noinput", "-name", GUARD])
        assert second.wait(20) != 0
        assert "distwall: can't register bar with distwall" in second.logged()
        assert "is it running, and the name free?" in second.logged()


def refusal(scene: Scene, *command: str, **environment: str) -> str:
    result = subprocess.run(
        [*launcher(scene.wall.config), *command],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert result.returncode == 2
    assert result.stderr.startswith("distwall: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""
    return result.stderr


def test_what_would_go_round_distwall_is_not_started(scene: Scene) -> None:
    assert "-no_epmd: " in refusal(scene, "erl", "-no_epmd")
    assert "ERL_FLAGS: -epmd_module erl_epmd: " in refusal(scene, "erl", ERL_FLAGS="-epmd_module erl_epmd")
    assert "can't start it" in refusal(scene, "/no/such/program")
    scene.wall.stop()
    assert "distwall does not answer" in refusal(scene, "erl")


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"ERL_EPMD_PORT": "1"}, "the node would register at EPMD port 1, and distwall's is"),
        ({"ERL_FLAGS": "-proto_dist inet_tls"}, "-proto_dist inet_tls, but the policy has no [guard.tls.inside]"),
        ({"ERL_FLAGS": "-proto_dist other"}, "-proto_dist other: distwall knows inet_tcp,"),
    ],
)
def test_what_a_wrapper_may_set_is_found_out_by_the_node(scene: Scene, variables: dict[str, str], text: str) -> None:
    wrapper = scene.folder / "wrapper"
    exports = "".join(f"export {name}='{value}'\n" for name, value in variables.items())
    wrapper.write_text(f"#!/bin/sh\n{exports}exec erl -noinput -name {GUARD}\n")
    wrapper.chmod(0o755)
    program = guarded.program(scene, [wrapper])
    assert program.wait(20) != 0
    assert f"distwall: {text}" in program.logged()


@pytest.mark.parametrize("variable", ["ERL_AFLAGS", "ERL_ZFLAGS"])
def test_a_wrapper_may_set_one_of_the_variables(scene: Scene, variable: str) -> None:
    wrapper = scene.folder / "wrapper"
    wrapper.write_text(f"#!/bin/sh\nexport {variable}='-kernel logger_level error'\nexec erl -noinput -name {GUARD}\n")
    wrapper.chmod(0o755)
    with guarded.program(scene, [wrapper]):
        scene.wall.wait_event("register", timeout=60)
