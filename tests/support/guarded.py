"""Guarded nodes of the tests, started as users start them: by ``distwall exec``."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.node import Node, copy_modules
from tests.support.process import Child
from tests.support.scene import GUARD, Scene
from tests.support.wall import CLUSTER_COOKIE, Peer, launcher

GUARD_OTP = Path(os.environ["DISTWALL_GUARD_OTP"]) if os.environ.get("DISTWALL_GUARD_OTP") else None
"""The root of a chroot with the OTP release that guarded nodes run."""


def node(
    scene: Scene,
    name: str = GUARD,
    *,
    flags: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Node:
    """Starts an ``erl`` guarded, and waits until it answers. Leaving its ``with`` block ends it."""
    return Node(
        name,
        cookie=CLUSTER_COOKIE,
        folder=scene.folder,
        epmd_port=scene.register_port,
        flags=flags,
        env=env,
        otp=GUARD_OTP,
        launcher=launcher(scene.wall.config),
    )


def program(scene: Scene, command: Sequence[str | Path], env: Mapping[str, str] | None = None) -> Child:
    """Starts any program guarded."""
    if GUARD_OTP:
        copy_modules(GUARD_OTP)
    log = scene.folder / f"{Path(command[0]).name}.log"
    command = [*launcher(scene.wall.config), *command]
    return Child(command, log, env={**environment(scene), **(env or {})}, cwd=scene.folder)


def environment(scene: Scene) -> dict[str, str]:
    """The environment of programs in the scene."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(scene.folder),
        "LANG": "C.UTF-8",
        "ERL_CRASH_DUMP": "/dev/null",
        "ERL_CRASH_DUMP_SECONDS": "0",
    }


@contextmanager
def evaluating(entry: Peer, *, restricted: bool = False) -> Iterator[tuple[Scene, Node, Node]]:
    """A guarded node with distwall's evaluator, and a peer that is connected to it."""
    with Scene([entry], extra='node = "distwall@127.0.0.1"\n', start=False) as scene:
        if restricted:
            config = scene.wall.config
            config.write_text(config.read_text().replace("[guard]\n", "[guard]\nrestricted_shell = true\n"))
        scene.wall.start()
        with node(scene) as bar, scene.peer() as foo:
            foo.eval(f"pong = net_adm:ping('{GUARD}')")
            yield scene, bar, foo
