"""Messages that mean what a pattern refuses and are spelled otherwise, or look like what it accepts and are not."""

from tests.attacks.corpus.attack import COLLECTOR, Attack
from tests.support.dist import EMPTY, plain
from tests.support.etf import Atom, Raw, encode

GOT = "probe:got(target) =/= []"
RUN = Atom("run")


def spelled(name: str, does: str, pattern: str, payload: bytes) -> Attack:
    """A refused message in other bytes."""
    return Attack(
        name=name,
        does=does,
        policy=["accept *", f"deny reg_send target when {pattern}"],
        reason="rule",
        setup=COLLECTOR,
        frames=lambda c, _: plain((6, c.pid(), EMPTY, Atom("target")), Raw(payload)),
        effect=GOT,
    )


def near(name: str, does: str, pattern: str, message: str, *, by_pid: bool = False) -> Attack:
    """A message that an accepted pattern doesn't mean."""
    return Attack(
        name=name,
        does=does,
        policy=[f"accept reg_send target when {pattern}"],
        by_pid=[f"accept send when {pattern}"] if by_pid else None,
        reason="default",
        setup=COLLECTOR,
        erlang=f"To ! {message}, ok",
        effect=GOT,
    )


PAIR = b"h\2" + encode(RUN)
ABC = '{run, "abc"}'

ATTACKS = [
    spelled("a string as a list", "spells a string as a list of integers", ABC, PAIR + b"l\0\0\0\3aaabacj"),
    spelled("a list in its tail", "spells a list as one in another's tail", ABC, PAIR + b"l\0\0\0\1aal\0\0\0\2abacj"),
    spelled("a string in a tail", "the same with a string for the tail", ABC, PAIR + b"l\0\0\0\1aak\0\2bc"),
    spelled(
        "a map in another order",
        "spells a map with its keys in another order",
        "#{a := 1, b := 2}",
        b"t\0\0\0\2" + encode(Atom("b")) + b"a\2" + encode(Atom("a")) + b"a\1",
    ),
    spelled(
        "a map with more in it",
        "adds a key to a map",
        "#{a := 1}",
        b"t\0\0\0\2" + encode(Atom("b")) + b"a\2" + encode(Atom("a")) + b"a\1",
    ),
    spelled(
        "a number that recurs, spelled otherwise",
        "spells equal lists in two ways",
        "{run, X, X}",
        b"h\3" + encode(RUN) + b"k\0\2ab" + b"l\0\0\0\2aaabj",
    ),
    near("one element more", "adds an element to a tuple", "{add, integer()}", "{add, 1, Mark}", by_pid=True),
    near("another type", "sends something else for an integer", "{add, integer()}", "{add, Mark}", by_pid=True),
    near("a float for an integer", "sends 1.0 for 1", "{add, 1}", "{add, 1.0}"),
    near("not the same twice", "sends 1 and 1.0 for what has to be equal", "{X, X}", "{1, 1.0}"),
    near("a longer list", "adds an element to a list", "[a, b]", "[a, b, Mark]"),
    near("an improper list", "ends a list in something else", "[a, b]", "[a, b | Mark]"),
    near("an empty map", "leaves out a key", "#{a := _}", "#{b => Mark}"),
    near("a longer binary", "adds to a binary", '<<"abc">>', '<<"abcd">>'),
    Attack(
        name="a fun behind a pattern",
        does="sends a fun where a pattern takes any term",
        policy=["accept reg_send target when {add, _}"],
        reason="funs",
        setup=COLLECTOR,
        erlang="To ! {add, fun() -> Mark end}, ok",
        effect=GOT,
    ),
    Attack(
        name="arguments that a pattern doesn't mean",
        does="calls an accepted function with other arguments",
        policy=["accept call erlang:send/2 when [bystander, _]"],
        reason="default",
        erlang="erpc:call(G, erlang, send, [victim, Mark])",
        sees="{error,{erpc,not_allowed}}",
    ),
]
