"""Ways round one open name."""

from collections.abc import Callable

from tests.support.attack_scene import SERVER
from tests.support.etf import Atom, Ref, Term, alias
from tests.support.raw_peer import Connection

ONE, WIDE, NONE, PING = (f"{name}@127.0.0.1" for name in ("one", "wide", "none", "ping"))
ENTRIES = {
    ONE: SERVER,
    WIDE: ["deny *", "accept send", "accept reg_send", "accept monitor", "accept alias_send"],
    NONE: ["deny *"],
    PING: ["deny *", "accept ping"],
}

CALL, GET = Atom("$gen_call"), Atom("get")
RUN = (Atom("call"), Atom("erlang"), Atom("send"), [Atom("victim"), Atom("ran")], Atom("user"))
HANDLER = (Atom("add_handler"), Atom("probe"), (Atom("handler"), Atom("victim")))
ECHO = (Atom("echo"), (Atom("cast"), 1))


def theirs(connection: Connection) -> Ref:
    """A reference as the guarded node makes them."""
    return Ref(connection.peer, connection.peer_creation, (1, 2, 3))


Detour = tuple[str, str, Callable[[Connection], Term]]

DETOURS: dict[str, Detour] = {
    "a call whose answer goes to a name": (ONE, "target", lambda _: (CALL, (Atom("victim"), Atom("$gen_cast")), ECHO)),
    "a call whose answer stops init": (ONE, "target", lambda _: (CALL, (Atom("init"), Atom("stop")), GET)),
    "a call whose answer stops init, by pid": (ONE, "target", lambda c: (CALL, (c.their_pid(0), Atom("stop")), GET)),
    "a call whose answer goes to an alias": (
        ONE,
        "target",
        lambda c: (CALL, (c.pid(), alias(theirs(c))), GET),
    ),
    "an event handler, behind a number": (WIDE, "events", lambda c: (1, (c.pid(), c.ref()), HANDLER)),
    "an event handler, behind an atom": (WIDE, "events", lambda c: (Atom("x"), (c.pid(), c.ref()), HANDLER)),
    "an event handler, as a gen call": (WIDE, "events", lambda c: (CALL, (c.pid(), c.ref()), HANDLER)),
    "a question to events whose answer goes to a name": (
        WIDE,
        "events",
        lambda _: (1, (Atom("victim"), 1), Atom("which_handlers")),
    ),
    "rex, behind a number": (WIDE, "rex", lambda _: (1, RUN)),
    "rex, behind an atom": (WIDE, "rex", lambda _: (Atom("x"), RUN)),
    "net_kernel passes it on": (
        WIDE,
        "net_kernel",
        lambda c: (c.pid(), Atom("registered_send"), Atom("victim"), Atom("ran")),
    ),
    "an agent's function": (WIDE, "target", lambda c: (CALL, (c.pid(), c.ref()), (GET, RUN[1:4]))),
    "the cookie": (WIDE, "auth", lambda c: (CALL, (c.pid(), c.ref()), Atom("get_our_cookie"))),
}
