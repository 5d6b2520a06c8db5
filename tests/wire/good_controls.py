"""A good message of every operation, and what has to have been asked before."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.core_channel import CoreChannel
from tests.support.dist import (
    EMPTY,
    Message,
    Op,
    message,
)
from tests.support.etf import Atom, Term
from tests.wire.expect import tell

P, G = CoreChannel.peer, CoreChannel.guard
REASON = Atom("shutdown")
TOKEN = (1, 17, 3, P.pid(), 2)
SERVER = Atom("server")
MFA = (Atom("m"), Atom("f"), 2)
CALL: Term = [1, [Atom("a"), Atom("b")]]

Ask = Callable[[CoreChannel], None]


def asks(*asked: Message) -> Ask:
    """What the guarded node says first, so that the message is an answer to something."""

    def ask(channel: CoreChannel) -> None:
        output = channel.outbound(*asked)
        assert output.closed is None
        assert output.forward == list(asked)

    return ask


LINKED = asks(message(Op.LINK, G.pid(), P.pid()))
MONITORED = asks(message(Op.MONITOR_P, G.pid(), P.pid(), G.ref()))
MONITORED_NAME = asks(message(Op.MONITOR_P, G.pid(), SERVER, G.ref()))
SPAWNING = asks(message(Op.SPAWN_REQUEST, G.ref(), G.pid(), G.pid(), MFA, [], payload=CALL))
UNLINKED = asks(message(Op.LINK, G.pid(), P.pid()), message(Op.UNLINK_ID, 5, G.pid(), P.pid()))

GOOD: dict[str, tuple[Message, Ask | None]] = {
    "LINK": (message(Op.LINK, P.pid(), G.pid()), None),
    "SEND": (message(Op.SEND, EMPTY, G.pid(), payload=1), None),
    "EXIT": (message(Op.EXIT, P.pid(), G.pid(), REASON), LINKED),
    "REG_SEND": (tell([1, 2]), None),
    "GROUP_LEADER": (message(Op.GROUP_LEADER, P.pid(), G.pid()), None),
    "EXIT2": (message(Op.EXIT2, P.pid(), G.pid(), REASON), None),
    "SEND_TT": (message(Op.SEND_TT, EMPTY, G.pid(), TOKEN, payload=1), None),
    "EXIT_TT": (message(Op.EXIT_TT, P.pid(), G.pid(), TOKEN, REASON), LINKED),
    "REG_SEND_TT": (message(Op.REG_SEND_TT, P.pid(), EMPTY, SERVER, TOKEN, payload=1), None),
    "EXIT2_TT": (message(Op.EXIT2_TT, P.pid(), G.pid(), TOKEN, REASON), None),
    "MONITOR_P of a pid": (message(Op.MONITOR_P, P.pid(), G.pid(), P.ref()), None),
    "MONITOR_P of a name": (message(Op.MONITOR_P, P.pid(), SERVER, P.ref()), None),
    "MONITOR_P with an alias": (message(Op.MONITOR_P, P.pid(), SERVER, P.alias()), None),
    "MONITOR_P_EXIT of a pid": (message(Op.MONITOR_P_EXIT, P.pid(), G.pid(), G.ref(), REASON), MONITORED),
    "MONITOR_P_EXIT of a name": (message(Op.MONITOR_P_EXIT, SERVER, G.pid(), G.ref(), REASON), MONITORED_NAME),
    "SEND_SENDER": (message(Op.SEND_SENDER, P.pid(), G.pid(), payload=1), None),
    "SEND_SENDER_TT": (message(Op.SEND_SENDER_TT, P.pid(), G.pid(), TOKEN, payload=1), None),
    "PAYLOAD_EXIT": (message(Op.PAYLOAD_EXIT, P.pid(), G.pid(), payload=REASON), LINKED),
    "PAYLOAD_EXIT_TT": (message(Op.PAYLOAD_EXIT_TT, P.pid(), G.pid(), TOKEN, payload=REASON), LINKED),
    "PAYLOAD_EXIT2": (message(Op.PAYLOAD_EXIT2, P.pid(), G.pid(), payload=REASON), None),
    "PAYLOAD_EXIT2_TT": (message(Op.PAYLOAD_EXIT2_TT, P.pid(), G.pid(), TOKEN, payload=REASON), None),
    "PAYLOAD_MONITOR_P_EXIT": (
        message(Op.PAYLOAD_MONITOR_P_EXIT, P.pid(), G.pid(), G.ref(), payload=REASON),
        MONITORED,
    ),
    "PAYLOAD_MONITOR_P_EXIT of a name": (
        message(Op.PAYLOAD_MONITOR_P_EXIT, SERVER, G.pid(), G.ref(), payload=REASON),
        MONITORED_NAME,
    ),
    "SPAWN_REQUEST": (message(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(1), MFA, [], payload=CALL), None),
    "SPAWN_REQUEST with options": (
        message(
            *(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(1), MFA),
            [Atom("link"), Atom("monitor"), (Atom("priority"), Atom("high"))],
            payload=CALL,
        ),
        None,
    ),
    "SPAWN_REQUEST with a string for arguments": (
        message(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(1), MFA, [], payload=[1, 2]),
        None,
    ),
    "SPAWN_REQUEST without arguments": (
        message(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(1), (Atom("m"), Atom("f"), 0), [], payload=[]),
        None,
    ),
    "SPAWN_REQUEST_TT": (message(Op.SPAWN_REQUEST_TT, P.ref(), P.pid(), P.pid(1), MFA, [], TOKEN, payload=CALL), None),
    "SPAWN_REPLY": (message(Op.SPAWN_REPLY, G.ref(), G.pid(), 0, P.pid(7)), SPAWNING),
    "SPAWN_REPLY with an error": (message(Op.SPAWN_REPLY, G.ref(), G.pid(), 0, Atom("badopt")), SPAWNING),
    "SPAWN_REPLY_TT": (message(Op.SPAWN_REPLY_TT, G.ref(), G.pid(), 0, P.pid(7), TOKEN), SPAWNING),
    "ALIAS_SEND": (message(Op.ALIAS_SEND, P.pid(), G.alias(), payload=1), None),
    "ALIAS_SEND_TT": (message(Op.ALIAS_SEND_TT, P.pid(), G.alias(), TOKEN, payload=1), None),
    "UNLINK_ID_ACK": (message(Op.UNLINK_ID_ACK, 5, P.pid(), G.pid()), UNLINKED),
}
