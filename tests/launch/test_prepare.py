"""What `distwall exec` reads, asks and sets."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from distwall.epmd import EpmdAnswer, EpmdSession, Registry, Rights
from distwall.launch import NotGuardedError, Settings, erlang_folder, prepare, read_settings
from distwall.launch.environment import guarded_environment
from distwall.launch.ready import refuse_unless_ready


def settings(port: int, host: str = "127.0.0.1") -> Settings:
    return Settings(Path("distwall.toml"), host, port, 4369, inside_tls=False)


@contextmanager
def epmd(*, distwall: bool = True, host: str = "127.0.0.1") -> Iterator[int]:
    """Answers as distwall's EPMD, or as a stock one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        port: int = listener.getsockname()[1]

        def serve() -> None:
            registry = Registry(lambda _: True, 0)
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    answer = EpmdSession(registry, Rights.at_register(local=True), port=port, host=host).receive(
                        client.recv(1000)
                    )
                    client.sendall(answer.data if isinstance(answer, EpmdAnswer) and distwall else b"w\x01")

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield port
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


POLICY = '[guard]\nnodes = ["bar@127.0.0.2"]\n'


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (POLICY, ("127.0.0.1", 4369, 4369, False)),
        (POLICY + 'epmd = "10.0.0.1:5000"\n', ("127.0.0.1", 5000, 5000, False)),
        (POLICY + 'epmd = "10.0.0.1:5000"\nregister = "[::1]:4370"\npeer_epmd_port = 9\n', ("::1", 4370, 9, False)),
        (POLICY + '[guard.tls]\ncert = "x"\n', ("127.0.0.1", 4369, 4369, False)),
        (POLICY + '[guard.tls.inside]\ncert = "x"\n', ("127.0.0.1", 4369, 4369, True)),
    ],
)
def test_settings_are_read_without_the_rest_of_the_policy(
    tmp_path: Path, text: str, found: tuple[str, int, int, bool]
) -> None:
    file = tmp_path / "distwall.toml"
    file.write_text(text + '[[peers]]\nnode = "foo@10.0.0.7"\ncookie_file = "/not/readable/by/us"\n')
    assert read_settings(file) == Settings(file, *found[:3], inside_tls=found[3])


def test_guarded_nodes_are_told_of_distwalls_own_node(tmp_path: Path) -> None:
    file = tmp_path / "distwall.toml"
    file.write_text(POLICY + '[control]\nnode = "distwall@127.0.0.1"\ncookie_env = "OPERATORS"\n')
    found = read_settings(file)
    assert found.control_node == "distwall@127.0.0.1"
    environment = guarded_environment({"OPERATORS": "secret"}, found, Path("/ebin"))
    assert "-distwall_control distwall@127.0.0.1" in environment["ERL_AFLAGS"]
    assert "OPERATORS" not in environment
    file.write_text(POLICY + '[control]\nnode = "distwall"\n')
    with pytest.raises(
        NotGuardedError, match=r"distwall\.toml:4:8: `node` is not of the form NAME@HOST; .*; see distwall check"
    ):
        read_settings(file)


@pytest.mark.parametrize("text", ["x", "", "[guard]\n", POLICY + "register = 4370\n", POLICY + 'register = "x"\n'])
def test_settings_that_make_no_sense_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "distwall.toml"
    file.write_text(text)
    with pytest.raises(NotGuardedError, match=r"distwall\.toml:.*; see distwall check"):
        read_settings(file)


def test_the_environment_leads_to_distwall_and_keeps_the_rest() -> None:
    ebin = erlang_folder()
    with epmd() as port:
        environment = prepare(["erl"], {"PATH": "/usr/bin", "ERL_AFLAGS": "-a 1", "ERL_ZFLAGS": "-z 2"}, settings(port))
        assert environment["ERL_EPMD_PORT"] == str(port)
        assert environment["PATH"] == "/usr/bin"
        first, last = environment["ERL_AFLAGS"], environment["ERL_ZFLAGS"]
        assert first.startswith(f"-epmd_module distwall_epmd -start_epmd false -pa {ebin} {ebin / 'boot'} ")
        assert first.endswith(" -a 1")
        assert last.startswith("-z 2 -epmd_module distwall_epmd ")
        assert prepare(["erl"], environment, settings(port)) == environment, "a guarded program starts another one"


def test_cookies_of_peers_stay_outside(tmp_path: Path) -> None:
    """Whoever may look at the program, its environment in /proc included, learns no other cookie than its own."""
    policy = tmp_path / "distwall.toml"
    policy.write_text(
        '[guard]\nnodes = ["bar@127.0.0.2"]\ncookie_env = "CLUSTER"\n[defaults]\ncookie_env = "DEFAULT"\n'
        '[[peers]]\ncookie_env = "FOO"\n[[peers]]\ncookie_env = "CLUSTER"\n[[peers]]\ncookie_env = [1]\n'
    )
    read = read_settings(policy)
    assert read.secrets == {"FOO", "DEFAULT"}
    with epmd() as port:
        given = {"PATH": "/usr/bin", "CLUSTER": "1", "FOO": "2", "DEFAULT": "3"}
        environment = prepare(["erl"], given, replace(read, register_port=port))
    assert {name: environment.get(name) for name in ("CLUSTER", "FOO", "DEFAULT")} == {
        "CLUSTER": "1",
        "FOO": None,
        "DEFAULT": None,
    }


def test_without_distwall_nothing_is_started() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(NotGuardedError, match=rf"distwall does not answer at 127\.0\.0\.1:{port}; start it"):
        refuse_unless_ready(settings(port), ipv6=False)


def test_another_epmd_in_distwalls_place_is_refused() -> None:
    with (
        epmd(distwall=False) as port,
        pytest.raises(NotGuardedError, match=r"another EPMD answers at .*; stop it \(epmd -kill\)"),
    ):
        refuse_unless_ready(settings(port), ipv6=False)


def test_an_address_where_nodes_do_not_register_is_refused() -> None:
    with pytest.raises(NotGuardedError, match=r"register is 10\.0\.0\.1, and nodes register on loopback only"):
        refuse_unless_ready(settings(4370, "10.0.0.1"), ipv6=False)


def test_each_family_registers_where_its_nodes_look() -> None:
    with epmd(host="::1") as port:
        refuse_unless_ready(settings(port, "::1"), ipv6=True)
        with pytest.raises(NotGuardedError, match=r"IPv4 distribution registers at 127\.0\.0\.1; give the node"):
            refuse_unless_ready(settings(port, "::1"), ipv6=False)
    with epmd() as port:
        refuse_unless_ready(settings(port, "0.0.0.0"), ipv6=False)
        with pytest.raises(NotGuardedError, match=r"IPv6 distribution registers at ::1; make it \[::1\]"):
            refuse_unless_ready(settings(port), ipv6=True)


def test_a_distwall_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distwall.launch.ready.TIMEOUT", 0.1)
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(NotGuardedError, match=r"no distwall at .*: timed out; start it"),
    ):
        refuse_unless_ready(settings(silent.getsockname()[1]), ipv6=False)
