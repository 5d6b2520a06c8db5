"""Programs that hand pids about, through servers, tables, names and new connections."""

from collections.abc import Iterator

import pytest

from tests.nodes.ordinary import OrdinaryProgram, TwinScenes, parts

DESK = ["accept gen_server desk", "accept send to exposed when {peer_pid(), atom()}"]
WORKERS = [
    "accept spawn_request passing:works/0",
    "accept send to spawned when {peer_pid(), atom()}",
    "accept send to spawned when {ends, atom()}",
    "accept link to spawned",
]
PROGRAMS = [
    OrdinaryProgram(
        "passing",
        [
            *DESK,
            "accept call passing:calls_back/2",
            "accept call passing:start_worker/0",
            "accept send to exposed when {ends, atom()}",
            "accept monitor to exposed",
        ],
        # Workers answer and report; the call back is made by a function that the guarded node has called.
        ["accept gen_server desk", "accept call passing:answers/1", "accept send to exposed when {peer_pid(), atom()}"],
    ),
    OrdinaryProgram("passing", [*DESK, "accept monitor to exposed"], None, label="again", call="reconnects"),
    OrdinaryProgram("passing", WORKERS, DESK[1:], label="libraries", call="libraries"),
]


@pytest.fixture(scope="module")
def stage() -> Iterator[TwinScenes]:
    with TwinScenes(PROGRAMS) as stage:
        yield stage


@pytest.mark.parametrize(
    ("program", "role"), parts(PROGRAMS), ids=[f"{program.name} {role}" for program, role in parts(PROGRAMS)]
)
def test_nothing_is_refused(stage: TwinScenes, program: OrdinaryProgram, role: str) -> None:
    stage.play(program, role)
