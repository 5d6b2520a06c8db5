"""Clients of servers, on both sides."""

from collections.abc import Iterator

import pytest

from tests.nodes.ordinary import OrdinaryProgram, TwinScenes, parts

PROGRAMS = [
    OrdinaryProgram(
        "bank",
        [
            "accept gen_server bank",
            "accept gen_server nobody",
            # Tellers, which the bank hands out.
            "accept send to exposed when {'$gen_call', from(), served}",
            "accept send to exposed when {'$gen_cast', _}",
            "accept monitor to exposed",
            "accept link to exposed",
        ],
        # The bank sends news, and tellers watch their clients.
        ["accept send to exposed when {deposited, _, integer()}", "accept monitor to exposed"],
    ),
    OrdinaryProgram("turnstile", ["accept gen_statem turnstile", "accept gen_statem nobody"]),
    OrdinaryProgram("alarms", ["accept gen_event alarms", "accept gen_event nobody"]),
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
