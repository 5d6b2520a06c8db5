"""Guarded nodes of the tests, started as users start them: by ``distwall exec``."""

import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from distwall.launch import erlang_folder
from tests.nodes.harness import GUARD, Child, Node, Scene
from tests.nodes.harness.wall import CLUSTER_COOKIE, COMMAND

GUARD_OTP = Path(os.environ["DISTWALL_GUARD_OTP"]) if os.environ.get("DISTWALL_GUARD_OTP") else None
"""The root of a chroot with the OTP release that guarded nodes run."""


def exec_command(scene: Scene, command: Sequence[str | Path]) -> list[str | Path]:
    """``command`` behind ``distwall exec``."""
    return [COMMAND, "exec", "--config", scene.wall.config, "--", *command]


def node(
    scene: Scene,
    name: str = GUARD,
    *,
    flags: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    otp: Path | None = GUARD_OTP,
) -> Node:
    """Starts an ``erl`` guarded, and waits until it answers. It ends with the scene's peers, or by `Node.kill`."""
    program = "chroot" if otp else "erl"
    wrappers = scene.folder / "wrappers"
    wrappers.mkdir(exist_ok=True)
    wrapper = wrappers / program
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.join(map(str, exec_command(scene, [_real(program)])))} "$@"\n')
    wrapper.chmod(0o755)
    if otp:
        _copy_modules(otp)
    return Node(
        name,
        cookie=CLUSTER_COOKIE,
        folder=scene.folder,
        epmd_port=scene.register_port,
        flags=flags,
        env={"PATH": f"{wrappers}:{os.environ['PATH']}", **(env or {})},
        otp=otp,
    )


def program(scene: Scene, command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> Child:
    """Starts any program guarded."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(scene.folder),
        "LANG": "C.UTF-8",
        "ERL_CRASH_DUMP": "/dev/null",
        "ERL_CRASH_DUMP_SECONDS": "0",
        **(env or {}),
    }
    if GUARD_OTP and command[0] == "chroot":
        _copy_modules(GUARD_OTP)
    log = scene.folder / f"{Path(command[0]).name}.log"
    return Child(exec_command(scene, command), log, env=environment, cwd=scene.folder)


def _real(name: str) -> str:
    found = shutil.which(name)
    assert found, f"{name} is not installed"
    return found


def _copy_modules(otp: Path) -> None:
    """Makes the modules visible in a chroot, at the same place."""
    source = erlang_folder()
    for beam in source.rglob("*.beam"):
        copy = otp / beam.relative_to("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(beam.read_bytes())
