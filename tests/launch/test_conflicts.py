"""What would lead a program past distwall."""

import os
from pathlib import Path

import pytest

from distwall.launch import NotGuardedError, Settings
from distwall.launch.conflicts import refuse_conflicts, wants_ipv6

SETTINGS = Settings(Path("distwall.toml"), "127.0.0.1", 4370, 4369, inside_tls=False)
PATH = {"PATH": os.environ["PATH"]}


def check(*flags: str, **environment: str) -> None:
    refuse_conflicts(["erl", *flags], {**PATH, **environment}, SETTINGS)


@pytest.mark.parametrize(
    "flags",
    [
        "-epmd_module erl_epmd",
        "-no_epmd",
        "-erl_epmd_port 9100",
        "-epmd_port 4369",
        "-start_epmd true",
        "-proto_dist inet_epmd",
        "-proto_dist inet_tls",
        "-proto_dist inet_tcp inet6_tcp",
        "-kernel inet_dist_use_interface {0,0,0,0}",
        "-kernel inet_dist_use_interface {10,0,0,1}",
        "-kernel logger_level error inet_dist_use_interface {0,0,0,0,0,0,0,0}",
        '-kernel inet_dist_use_interface \\"0.0.0.0\\"',
        "-kernel epmd_module x",
        "-kernel erl_epmd_node_listen_port 9100",
    ],
)
def test_flags_that_lead_round_distwall_are_refused_wherever_they_stand(flags: str, tmp_path: Path) -> None:
    command_line = flags.replace("\\", "")
    with pytest.raises(NotGuardedError, match=r"^the command line: -[^\n]*; ") as refusal:
        check(*command_line.split())
    assert command_line in str(refusal.value)
    for variable in ("ERL_FLAGS", "ERL_AFLAGS", "ERL_ZFLAGS", "ELIXIR_ERL_OPTIONS", "RABBITMQ_SERVER_ERL_ARGS"):
        with pytest.raises(NotGuardedError, match=rf"^{variable}: -[^\n]*; "):
            check(**{variable: flags})
    file = tmp_path / "vm.args"
    file.write_text(f"-name bar@127.0.0.2\n{flags}\n")
    with pytest.raises(NotGuardedError, match=rf"^{file}: -[^\n]*; "):
        check("-args_file", str(file))


@pytest.mark.parametrize(
    "flags",
    [
        "-epmd_module distwall_epmd",
        "-epmd_port 4370",
        "-start_epmd false",
        "-proto_dist inet6_tcp",
        "-kernel inet_dist_use_interface {127,0,0,1} logger_level error",
        "-kernel inet_dist_use_interface {0,0,0,0,0,0,0,1}",
        "-name bar@127.0.0.2 -setcookie x -hidden",
    ],
)
def test_other_flags_are_fine(flags: str) -> None:
    check(*flags.split(), ERL_EPMD_PORT="4370", ERL_FLAGS=flags)


def test_another_epmd_port_is_refused() -> None:
    with pytest.raises(NotGuardedError, match=r"ERL_EPMD_PORT is 4369, and \[guard\] register .* 4370; unset it"):
        check(ERL_EPMD_PORT="4369")


def test_tls_inside_may_be_asked_for_where_the_policy_has_it() -> None:
    settings = Settings(Path("distwall.toml"), "127.0.0.1", 4370, 4369, inside_tls=True)
    refuse_conflicts(["erl", "-proto_dist", "inet_tls"], PATH, settings)


def installation(folder: Path, version: str) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "releases").mkdir()
    (folder / "releases" / "start_erl.data").write_text(version)
    program = folder / "bin" / "demo"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(("version", "fine"), [("12.3.2 24", False), ("11.1.8 0.1.0", False), ("13.1 0.1.0", True)])
def test_releases_before_25_are_refused(tmp_path: Path, version: str, fine: bool) -> None:
    program = installation(tmp_path / "demo", version)
    if fine:
        refuse_conflicts([str(program)], PATH, SETTINGS)
        return
    with pytest.raises(NotGuardedError, match=r"is OTP 2[34]; guarded nodes need OTP 25 or newer"):
        refuse_conflicts([str(program)], PATH, SETTINGS)


@pytest.mark.parametrize(("program", "fine"), [("erl", False), ("iex", False), ("start-shop", True)])
def test_the_release_is_that_of_the_installation_that_a_program_finds(tmp_path: Path, program: str, fine: bool) -> None:
    old = installation(tmp_path / "otp", "12.3.2 24").parent
    (old / "erl").symlink_to("demo")
    (tmp_path / "iex").write_text("#!/bin/sh\n")
    (tmp_path / "iex").chmod(0o755)
    environment = {"PATH": f"{old}:{tmp_path}"}
    if fine:
        refuse_conflicts([program], environment, SETTINGS)
        return
    with pytest.raises(NotGuardedError, match=rf"^{program} is OTP 24"):
        refuse_conflicts([program], environment, SETTINGS)


def test_the_address_family_follows_from_proto_dist() -> None:
    assert not wants_ipv6(["erl"], {})
    assert not wants_ipv6(["erl", "-proto_dist", "inet_tls"], {})
    assert wants_ipv6(["erl"], {"ERL_FLAGS": "-proto_dist inet6_tls"})
