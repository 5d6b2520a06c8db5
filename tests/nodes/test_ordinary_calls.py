"""Functions called and processes started on the other node, and what comes back from them."""

from collections.abc import Iterator

import pytest

from tests.nodes.ordinary import OrdinaryProgram, TwinScenes, parts

PROBE = ["accept call probe:got/1"]
FUNCTIONS = ["accept call calls:_/_", *PROBE]
PROGRAMS = [
    OrdinaryProgram("calls", FUNCTIONS),
    OrdinaryProgram("calls", ["accept erpc"], None, label="erpc"),
    OrdinaryProgram("calls", ["accept rpc"], None, label="rpc"),
    OrdinaryProgram(
        "calls", [*FUNCTIONS, "accept reg_send calls_notes when {noted, atom()}"], label="classic", call="classic"
    ),
    OrdinaryProgram(
        "workers",
        ["accept spawn_request workers:work/1", "accept spawn_request workers:ends/1", "accept send to spawned",
         "accept monitor to spawned", "accept link to spawned", "accept exit2 to spawned"],
        # Workers answer their boss.
        ["accept send to exposed when {peer_pid(), _}"],
    ),
    OrdinaryProgram("workers", ["accept node_spawn"], None, label="node_spawn"),
    OrdinaryProgram(
        "output",
        ["accept call output:prints/0", "accept call io:format/2"],
        ["accept remote_output"],
    ),
    OrdinaryProgram("logging", ["accept call logging:logs/0"], ["accept logger"]),
    OrdinaryProgram(
        "watching",
        ["accept observer"],
        # The observed node sends what it was asked for.
        ["accept send to exposed when {procs_info, peer_pid(), list()}", "accept send to exposed when {peer_pid(), _}",
         "accept send to exposed when {stats, _, _, _, list()}", "accept link to exposed",
         "accept monitor to exposed"],
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def stage() -> Iterator[TwinScenes]:
    with TwinScenes(PROGRAMS) as stage:
        yield stage


@pytest.mark.parametrize(
    ("program", "role"), parts(PROGRAMS), ids=[f"{program.name} {role}" for program, role in parts(PROGRAMS)]
)
def test_nothing_is_refused(stage: TwinScenes, program: OrdinaryProgram, role: str) -> None:
    stage.play(program, role)
