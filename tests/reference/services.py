"""Some services and the rules that each stands for, as their pages in docs/services have them."""

from __future__ import annotations

from tests.reference.patterns import Hole, Kind, List, Pattern, lit, tup
from tests.reference.rules import Rule, part

FROM, PEER_PID, BRIEF, ANY = Kind("from"), Kind("peer_pid"), Kind("brief"), Hole()
Line = tuple[str, str, str, Pattern | None]
"""Command, key, scope and pattern of one rule."""


def call(request: Pattern) -> Pattern:
    return tup(lit("$gen_call"), FROM, request)


def about(name: str) -> dict[str, list[Line]]:
    """Services that are about a name."""
    server: list[Line] = [
        ("monitor", name, "", None),
        ("reg_send", name, "", call(ANY)),
        ("reg_send", name, "", tup(lit("$gen_cast"), ANY)),
    ]
    event: list[Line] = [
        ("monitor", name, "", None),
        ("reg_send", name, "", tup(lit("notify"), ANY)),
        ("reg_send", name, "", tup(PEER_PID, FROM, tup(lit("sync_notify"), ANY))),
        ("reg_send", name, "", tup(PEER_PID, FROM, tup(lit("call"), Kind("atom"), ANY))),
        ("reg_send", name, "", tup(PEER_PID, FROM, tup(lit("call"), tup(Kind("atom"), ANY), ANY))),
        ("reg_send", name, "", tup(PEER_PID, FROM, lit("which_handlers"))),
    ]
    return {f"gen_server {name}": server, f"gen_statem {name}": server, f"gen_event {name}": event}


def printed(*request: Pattern) -> Pattern:
    return tup(lit("io_request"), PEER_PID, Kind("reference"), tup(lit("put_chars"), *request))


SERVICES: dict[str, list[Line]] = {
    **about("orders"),
    **about("counter"),
    "ping": [
        ("monitor", "net_kernel", "", None),
        ("reg_send", "net_kernel", "", call(tup(lit("is_auth"), Kind("node")))),
    ],
    "erpc": [("spawn_request", "", "", None)],
    "rpc": [("call", "_:_/_", "", None)],
    "node_spawn": [
        ("spawn_request", "", "", None),
        *((one, "", "spawned", None) for one in ("send", "link", "monitor", "exit2", "group_leader")),
    ],
    "remote_output": [
        ("monitor", "", "exposed", None),
        ("send", "", "exposed", printed(lit("unicode"), BRIEF)),
        ("send", "", "exposed", printed(lit("latin1"), BRIEF)),
        ("send", "", "exposed", printed(lit("unicode"), lit("io_lib"), lit("write"), List((BRIEF,)))),
        ("send", "", "exposed", printed(lit("unicode"), lit("io_lib"), lit("format"), List((ANY, Kind("list"))))),
    ],
}


def rules_of(service: str, verdict: str, layer: int) -> list[Rule]:
    made: list[Rule] = []
    for command, key, scope, pattern in SERVICES[service]:
        words = key.replace(":", "/").split("/") if command == "call" else [key]
        parts = tuple(map(part, words)) if key else None
        made.append(Rule(verdict, command, parts, scope or None, pattern, layer=layer, service=service))
    return made
