"""Nodes that run Elixir scripts."""

from pathlib import Path

from tests.support import guarded
from tests.support.process import Child
from tests.support.scene import GUARD, Scene
from tests.support.wall import CLUSTER_COOKIE, launcher

PEER_COOKIE = "peer-cookie"


def environment(scene: Scene, name: str) -> dict[str, str]:
    """What a program of this node has to find in its environment."""
    own = (
        {}
        if name == GUARD and not scene.direct
        else {"ERL_EPMD_PORT": str(scene.epmd_port), "ERL_FLAGS": "-start_epmd false"}
    )
    return {**guarded.environment(scene), "TERM": "xterm", **own}


def elixir(scene: Scene, name: str, script: str, *arguments: str) -> Child:
    """Starts ``elixir`` with a script; a guarded node under ``distwall exec``."""
    file = scene.folder / "shop.exs"
    file.write_text(script)
    command: list[str | Path] = ["elixir", "--name", name, "--cookie", cookie(scene, name), file, *arguments]
    start = [*(launcher(scene.wall.config) if name == GUARD and not scene.direct else []), *command]
    return Child(start, scene.folder / f"{name}.log", env=environment(scene, name), cwd=scene.folder)


def cookie(scene: Scene, name: str) -> str:
    """The node's own cookie."""
    return CLUSTER_COOKIE if name == GUARD or scene.direct else PEER_COOKIE
