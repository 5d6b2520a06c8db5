"""Random policies over a few names, functions and shapes, so that their rules meet each other and the sessions."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from tests.reference.judge import AIMED, Rules
from tests.reference.patterns import Begins, Hole, Kind, List, MapKeys, Pattern, lit, tup
from tests.reference.rules import ATTACHED, DEFAULTS, GRANTED, Part, Rule, part
from tests.reference.services import SERVICES, rules_of
from tests.support.core_channel import THIRD

NAMES = ["orders", "order_x", "counter", "logger", "net_kernel", "rex"]
FUNCTIONS = [("shop", "get", 1), ("shop", "put", 2), ("os", "cmd", 1), ("shop", "all", 0)]
COMMANDS = sorted(
    {*AIMED, "reg_send", "spawn_request", "demonitor", "unlink", "unlink_ack", "exit", "monitor_exit", "spawn_reply"}
)
KEYS = [*NAMES, "orders", "orders", "order*", "o*", "l*", "_", "init"]

CALLS: list[Pattern] = [
    tup(lit("$gen_call"), Kind("from"), Hole()),
    tup(lit("$gen_call"), Hole(), Hole()),
    tup(lit("$gen_call"), tup(Kind("peer_pid"), Hole()), Hole("Request")),
    tup(lit("$gen_call"), Kind("from"), tup(lit("add"), Kind("integer"))),
    tup(lit("$gen_call"), Kind("from"), tup(lit("start_child"), Hole())),
    tup(lit("$gen_call"), Kind("from"), tup(lit("is_auth"), Kind("node"))),
    tup(lit("$gen_cast"), Hole()),
]
SHAPES: list[Pattern] = [
    *(Hole(), Hole("X"), lit("stop"), lit(1)),
    *map(Kind, ["integer", "number", "atom", "pid", "peer_pid", "reference", "binary", "list", "tuple", "map"]),
    *map(Kind, ["function", "string", "boolean", "float"]),
    tup(lit("add"), Kind("integer")),
    tup(Hole("X"), Hole("X")),
    tup(Hole("X"), Hole("_Y")),
    tup(Hole(), Hole()),
    tup(Kind("reference"), Hole()),
    tup(lit("system"), Hole(), Hole()),
    tup(lit("EXIT"), Kind("pid"), Hole()),
    MapKeys(((lit("a"), Kind("integer")),)),
    MapKeys(()),
    Begins(b"ab"),
    List((Kind("integer"), Kind("integer"))),
]
ARGUMENTS: list[Pattern] = [
    Hole(),
    Kind("list"),
    List((Kind("integer"),)),
    List((Hole("X"), Hole("X"))),
    List((Hole(), Kind("atom"))),
    List((Kind("peer_pid"),)),
    List(()),
]


def policy(random: Random) -> Rules:
    granted = _rules(random, GRANTED, 2) if random.random() < 0.15 else []
    table = [replace(rule, table=True) for rule in _rules(random, ATTACHED, 3)] if random.random() < 0.4 else []
    inbound = granted + _rules(random, ATTACHED, 6) + table + _rules(random, DEFAULTS, 4)
    outbound = _rules(random, ATTACHED, 3) + _rules(random, DEFAULTS, 2) if random.random() < 0.25 else None
    return Rules(
        inbound,
        outbound,
        audit=random.random() < 0.05,
        third_nodes=(THIRD,) if random.random() < 0.2 else (),
        funs=random.choice([None, None, True, False]),
    )


def _rules(random: Random, layer: int, most: int) -> list[Rule]:
    made: dict[object, list[Rule]] = {}
    for _ in range(random.randint(0, most)):
        if random.random() < 0.1:
            service = random.choice(list(SERVICES))
            made.setdefault(service, rules_of(service, random.choice(["accept", "accept", "deny", "drop"]), layer))
        else:
            rule = _rule(random, layer)
            made.setdefault((rule.command, rule.key, rule.scope, rule.pattern), [rule])
    return [rule for rules in made.values() for rule in rules]


def _rule(random: Random, layer: int) -> Rule:
    verdict = random.choices(["accept", "deny", "drop"], [6, 2, 1])[0]
    kind = random.choices(["*", "command", "key", "scope", "call", "internal"], [1, 6, 4, 3, 2, 2])[0]
    command, key, scope, pattern = "*", None, None, None
    if kind == "command":
        command = random.choice(COMMANDS)
    elif kind == "key":
        command = random.choice(["reg_send", "reg_send", "monitor", "spawn_request"])
        key = _function(random) if command == "spawn_request" else (part(random.choice(KEYS)),)
    elif kind == "scope":
        command = random.choice(AIMED)
        scope = random.choice(["exposed", "exposed", "spawned", "linked", "any"])
    elif kind == "call":
        command = "call"
        key = _function(random) if random.random() < 0.8 else None
    elif kind == "internal":
        command = "otp_internal"
        key = (part(random.choice(KEYS)),) if random.random() < 0.6 else None
    if command in ("reg_send", "send", "alias_send", "exit2") and random.random() < 0.4:
        pattern = random.choice(CALLS if command == "reg_send" and random.random() < 0.6 else SHAPES)
    elif command in ("call", "spawn_request") and random.random() < 0.25:
        pattern = random.choice(ARGUMENTS)
    audit = verdict != "accept" and random.random() < 0.1
    return Rule(verdict, command, key, scope, pattern, audit, layer)


def _function(random: Random) -> tuple[Part, ...]:
    module = random.choice(["shop", "shop", "os", "sh*", "s*", "_", "erpc", "erlang"])
    function = random.choice(["get", "put", "all", "p*", "_", "_"])
    return (part(module), part(function), part(random.choice(["0", "1", "2", "_", "_"])))
