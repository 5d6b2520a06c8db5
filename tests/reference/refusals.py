"""What is made up where something is refused (docs/refusals.md)."""

from __future__ import annotations

from typing import Any, Protocol

from tests.reference.terms import call_of, reference
from tests.reference.tracking import OpenCall, Tracking, other
from tests.support.dist import Message, Op, message
from tests.support.etf import Atom, Improper, Ref


class Refused(Protocol):
    @property
    def verdict(self) -> str: ...
    @property
    def reason(self) -> str: ...


NOT_ALLOWED, NOPROC = Atom("not_allowed"), Atom("noproc")
Made = tuple[list[Message], list[Message]]
"""Messages for the receiver, and for the sender."""


def made_up(tracking: Tracking, side: str, sent: Message, answer: object | None, ruling: Refused) -> Made:
    args: dict[str, Any] = sent.args
    if answer is not None and ruling.reason in ("third_node", "funs"):
        return _ended(tracking, side, sent, answer), []
    if ruling.verdict == "drop" or ruling.reason == "spoofed" or not tracking.own(side, args.get("from")):
        return [], []
    match sent.command:
        case "spawn_request":
            return [], [message(Op.SPAWN_REPLY, args["ref"], args["from"], 0, NOT_ALLOWED)]
        case "monitor":
            fields = (args["to"], args["from"], args["ref"])
            return [], [message(Op.PAYLOAD_MONITOR_P_EXIT, *fields, payload=NOPROC)]
        case "link":
            return [], [message(Op.PAYLOAD_EXIT, args["to"], args["from"], payload=NOPROC)]
        case "unlink":
            return [], [message(Op.UNLINK_ID_ACK, args["id"], args["to"], args["from"])]
        case "send" | "reg_send" | "alias_send":
            return _call_refused(tracking, side, sent)
        case _:
            return [], []


def _call_refused(tracking: Tracking, side: str, sent: Message) -> Made:
    """The caller's monitor fires, and the receiver is told to forget it."""
    caller, tag = call_of(sent.payload) or (None, None)
    ref = tag.tail if isinstance(tag, Improper) else reference(tag)
    monitor = tracking.sides[side].monitors.get(ref) if isinstance(ref, Ref) else None
    if monitor is None or monitor.watcher != caller or monitor.ended or monitor.given_up:
        return [], []
    monitor.given_up = True
    down = message(Op.PAYLOAD_MONITOR_P_EXIT, monitor.target, caller, ref, payload=NOT_ALLOWED)
    return [message(Op.DEMONITOR_P, caller, monitor.target, ref)], [down]


def _ended(tracking: Tracking, side: str, sent: Message, answer: object) -> list[Message]:
    """An answer that may not pass ends its call, or what it ends, with ``not_allowed``."""
    asking = tracking.sides[other(side)]
    if sent.command in ("exit", "monitor_exit"):
        asking.end_call(sent.args.get("ref"))
        tracking.passed(side, sent, answer)
        return [Message(sent.control, NOT_ALLOWED)]
    if not isinstance(answer, OpenCall):
        return []
    monitor = asking.monitors.get(answer.ref)
    if monitor is None or monitor.ended:
        return []
    monitor.ended = True
    asking.end_call(answer.ref)
    return [message(Op.PAYLOAD_MONITOR_P_EXIT, monitor.target, monitor.watcher, answer.ref, payload=NOT_ALLOWED)]
