"""Options of spawns, and lists that end in another list or in something else."""

from tests.attacks.corpus.attack import Attack, Prey
from tests.support.dist import Message, Op, message
from tests.support.etf import Atom, Improper, Term
from tests.support.raw_peer import Connection

HUGE = (Atom("min_heap_size"), 1 << 50)
LOW = (Atom("priority"), Atom("low"))
SLEEPING = "[P || P <- processes(), process_info(P, current_function) =:= {current_function, {timer, sleep, 1}}]"
COLLECTED = f"[Info || P <- {SLEEPING}, {{garbage_collection, Info}} <- [process_info(P, garbage_collection)]]"
MFA = [Atom("erlang"), Atom("send")]


def option(name: str, does: str, options: str, effect: str) -> Attack:
    """A call of an accepted function, with an option that no rule opens."""
    return Attack(
        name=name,
        does=does,
        policy=["accept call timer:sleep/1"],
        reason="options",
        erlang=f"R = spawn_request(G, timer, sleep, [3000], [{options}, {{reply_tag, t}}]),"
        " receive {t, R, error, E} -> E; {t, R, ok, _} -> started after 5000 -> nothing end",
        sees="not_allowed",
        effect=effect,
        cleanup=f"[exit(P, kill) || P <- {SLEEPING}]",
    )


def spawned(c: Connection, function: tuple[str, str, int], options: Term, arguments: Term) -> Message:
    module, name, arity = function
    target = (Atom(module), Atom(name), arity)
    return message(Op.SPAWN_REQUEST, c.ref(), c.pid(), c.pid(), target, options, payload=arguments)


def in_a_tail(name: str, does: str, options: Term) -> Attack:
    """Options of which the VM reads more than the list has in front: a heap as large as no machine has, or a link."""
    return Attack(
        name=name,
        does=does,
        policy=["accept call erlang:node/0"],
        reason="options",
        frames=lambda c, _: spawned(c, ("erlang", "node", 0), options, []),
        effect="",
    )


def arguments(name: str, does: str, policy: list[str], sent: object, **more: object) -> Attack:
    """Arguments whose list ends in another list."""
    fields = {"reason": "default", **more}
    return Attack(name=name, does=does, policy=policy, frames=sent, **fields)  # type: ignore[arg-type]


OTHER_NUMBER = {"reason": "another number of arguments than it brings", "closes": True}
"""The number of arguments is counted in the first list: no real node sends others."""


def pattern(c: Connection, prey: Prey) -> Message:
    return spawned(c, ("erlang", "send", 2), [], Improper((Atom("victim"),), [prey.mark]))


def carried(c: Connection, prey: Prey) -> Message:
    call = Improper((c.ref(), *MFA), [prey.send])
    return spawned(c, ("erpc", "execute_call", 4), [], call)


def inside(c: Connection, prey: Prey) -> Message:
    call: list[Term] = [c.ref(), *MFA, Improper((Atom("victim"),), Improper((prey.mark,), []))]
    return spawned(c, ("erpc", "execute_call", 4), [], call)


ATTACKS = [
    option(
        "an option: priority",
        "has its process run before all others",
        "{priority, high}",
        f"lists:member({{priority, high}}, [process_info(P, priority) || P <- {SLEEPING}])",
    ),
    option(
        "an option: fullsweep_after",
        "has its process collect all of its garbage each time",
        "{fullsweep_after, 0}",
        f"[Info || Info <- {COLLECTED}, lists:member({{fullsweep_after, 0}}, Info)] =/= []",
    ),
    option(
        "an option: min_heap_size",
        "has its process take memory",
        "{min_heap_size, 10000000}",
        f"[Info || Info <- {COLLECTED}, proplists:get_value(min_heap_size, Info) > 9000000] =/= []",
    ),
    in_a_tail(
        "an option in a tail",
        "asks for a heap that no machine has, in a list at the end of the options",
        Improper((Atom("monitor"),), [HUGE]),
    ),
    in_a_tail(
        "an option in the tail of a tail",
        "the same, one list further on",
        Improper((Atom("monitor"),), Improper((LOW,), [HUGE])),
    ),
    in_a_tail("an option behind others", "the same behind options that are open", [Atom("monitor"), LOW, HUGE]),
    arguments(
        "arguments in a tail",
        "calls a function whose arguments a pattern limits, with a list in the tail of the arguments",
        ["accept call erlang:send/2 when [bystander, _]"],
        pattern,
        **OTHER_NUMBER,
    ),
    arguments(
        "a carried call in a tail",
        "has the call that a carrier brings begin in one list and end in another one",
        ["accept call erlang:node/0"],
        carried,
        **OTHER_NUMBER,
    ),
    arguments(
        "arguments of a carried call in a tail",
        "the same with the arguments of the call",
        ["accept call erlang:send/2 when [bystander, _]"],
        inside,
    ),
]
