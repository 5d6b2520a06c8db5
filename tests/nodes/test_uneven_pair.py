"""B trusts A fully, A opens one name to B: docs/uneven-pair.md, each behind a distwall of its own."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.loopback_hosts import LoopbackHost, LoopbackHosts
from tests.support.node import ErlangError, Node
from tests.support.wall import Peer

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "uneven-pair.md").read_text()
POLICIES = [tomllib.loads(text) for text in re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)]
RULES_AT_A, RULES_AT_B = (policy["peers"][0]["rules"] for policy in POLICIES)
A, B = "a@127.0.1.1", "b@127.0.1.2"
LINK = "the-cookie-between-them"

ROADS = {
    "erpc": "erpc:call(N, erlang, node, [])",
    "rpc": "case rpc:call(N, erlang, node, []) of {badrpc, R} -> exit(R); V -> V end",
    "spawn": "{P, R} = spawn_monitor(N, timer, sleep, [infinity]), "
    "receive {'DOWN', R, _, _, Reason} -> exit(Reason) after 500 -> exit(P, kill), ran end",
    "another name": "gen_server:call({secrets, N}, {echo, 1}, 1000)",
    "sys": "sys:get_state({results, N}, 500)",
    "cookie": "gen_server:call({auth, N}, {get_cookie, N}, 500)",
    "link": "process_flag(trap_exit, true), link(Victim), "
    "receive {'EXIT', Victim, R} -> exit(R) after 500 -> linked end",
    "monitor": "M = monitor(process, {secrets, N}), receive {'DOWN', M, _, _, R} -> exit(R) after 500 -> watching end",
}
"""What A may do at B, and B may not at A. `N`: the node; `Victim`: a process of it."""


@dataclass
class UnevenPair:
    a: Node
    b: Node
    wall_of_a: LoopbackHost
    wall_of_b: LoopbackHost
    processes: dict[str, str]

    def go(self, road: str, *, at: str) -> str:
        node = self.b if at == A else self.a
        return node.eval(f"N = '{at}', Victim = {self.processes[at]}, is_pid(Victim), {ROADS[road]}")


@pytest.fixture(scope="module")
def pair() -> Iterator[UnevenPair]:
    with LoopbackHosts() as hosts:
        for_b = Peer(RULES_AT_A, node=B, cookie=LINK, extra='from = ["127.0.1.2"]')
        for_a = Peer(RULES_AT_B, node=A, cookie=LINK, extra='from = ["127.0.1.1"]')
        wall_of_a = hosts.guarded("127.0.1.1", [A], [for_b])
        wall_of_b = hosts.guarded("127.0.1.2", [B], [for_a])
        (a, b) = wall_of_a.guard(A), wall_of_b.guard(B)
        for node in (a, b):
            node.eval("[probe:start_server(Name) || Name <- [results, secrets]]")
        assert b.eval(f"net_adm:ping('{A}')") == "pong"
        processes = {node.name: node.term("probe:collector(victim)") for node in (a, b)}
        yield UnevenPair(a, b, wall_of_a, wall_of_b, processes)


@pytest.mark.parametrize("road", ROADS)
def test_a_does_at_b_what_it_likes(pair: UnevenPair, road: str) -> None:
    assert pair.go(road, at=B)


@pytest.mark.parametrize("road", ROADS)
def test_b_does_nothing_at_a(pair: UnevenPair, road: str) -> None:
    with pytest.raises(ErlangError):
        pair.go(road, at=A)


def test_b_calls_the_one_name(pair: UnevenPair) -> None:
    assert pair.b.eval(f"gen_server:call({{results, '{A}'}}, {{echo, done}})") == "done"


def test_all_that_a_asks_for_comes_back(pair: UnevenPair) -> None:
    """Exits of what it has linked, ends of what it monitors, answers from processes to which it has sent."""
    assert pair.a.eval(f"process_flag(trap_exit, true), P = spawn_link('{B}', erlang, exit, [over]),"
                       " receive {'EXIT', P, R} -> R end") == "over"  # fmt: skip
    assert pair.a.eval(f"{{P, M}} = spawn_monitor('{B}', erlang, exit, [over]),"
                       " receive {'DOWN', M, _, P, R} -> R end") == "over"  # fmt: skip
    assert pair.a.eval(f"gen_server:call({{secrets, '{B}'}}, {{echo, 7}})") == "7"
    assert pair.a.eval(f"element(1, rpc:multicall(['{B}'], erlang, node, []))") == f"['{B}']"


def test_what_a_has_started_at_b_is_judged_as_b(pair: UnevenPair) -> None:
    """A's own function, run by A on B, does not get back in."""
    assert pair.a.eval(f"erpc:call('{B}', gen_server, call, [{{results, '{A}'}}, {{echo, 1}}])") == "1"
    with pytest.raises(ErlangError):
        pair.a.eval(f"erpc:call('{B}', erpc, call, ['{A}', erlang, node, []])")
    with pytest.raises(ErlangError):
        pair.a.eval(f"erpc:call('{B}', gen_server, call, [{{secrets, '{A}'}}, {{echo, 1}}, 1000])")
    pair.wall_of_a.wall.wait_event("refused", peer=B, direction="inbound")


def test_nothing_of_a_was_refused_at_b(pair: UnevenPair) -> None:
    inbound = pair.wall_of_b.wall.statistics(A)["inbound"]
    assert {command: counts for command, counts in inbound.items() if counts["deny"] or counts["drop"]} == {}
