"""What a firewall has to remember of a channel to tell answers and endings (docs/rules.md, "What needs no rule")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from tests.reference.calls import Call, NoCall, message_call
from tests.reference.internal import OTP_NAMES
from tests.reference.terms import call_of, identifiers, reference
from tests.support.dist import NOTHING, Message
from tests.support.etf import Atom, Pid, Ref, Term

PEER, GUARD = "peer", "guard"
REX = Atom("rex")
OTP_SERVERS = OTP_NAMES | {"rex", "net_kernel"}


def other(side: str) -> str:
    return GUARD if side == PEER else PEER


@dataclass
class Monitor:
    watcher: Pid
    target: Pid | Atom
    given_up: bool = False
    """The watcher has sent a demonitor."""
    ended: bool = False
    """The watched process has ended."""


@dataclass(frozen=True)
class Who:
    """Who a process of the guarded node is: its registered name, and if it is OTP's own."""

    name: str | None = None
    otp: bool = False
    application: str | None = None


USER = Who()


class Undecided(Exception):
    """The page leaves it open; nothing is compared from here on."""


@dataclass
class Link:
    ended_by: set[str] = field(default_factory=set)
    """Sides that have sent an exit or an unlink."""
    again: bool = False
    """A side has ended it twice."""
    unlinks: set[int] = field(default_factory=set)
    """The ids of its unlinks."""
    exited: bool = False
    """One of the two processes has ended."""


@dataclass
class OpenCall:
    """A call, or another request with a reference, and who waits for the answer."""

    pid: Pid
    ref: Ref


@dataclass(frozen=True)
class Waiting:
    """A process that waits for ``{rex, _}`` or ``{features_reply, _, _}``."""

    pid: object
    label: str


@dataclass
class Memory:
    """What the processes of one of the two nodes have asked of the other's."""

    monitors: dict[Ref, Monitor] = field(default_factory=dict)
    calls: dict[Ref, OpenCall] = field(default_factory=dict)
    servers: list[Waiting] = field(default_factory=list)
    spawns: dict[Ref, tuple[Pid, set[str]]] = field(default_factory=dict)
    unlinks: set[tuple[int, Pid, Pid]] = field(default_factory=set)
    shown: set[Term] = field(default_factory=set)
    """Its own processes and aliases that went to the other side in messages."""
    claimed: set[Term] = field(default_factory=set)
    """Its own processes and aliases that the other side wrote first."""
    services: set[Ref] = field(default_factory=set)
    """References with which it asked OTP's own servers."""
    results: dict[Ref, Ref] = field(default_factory=dict)
    """Monitors of its calls through erpc, with the references of the results."""
    led: set[object] = field(default_factory=set)
    """Its own processes that went to the other side as group leaders."""
    spawned: set[Pid] = field(default_factory=set)
    """Its own processes that the other side has spawned."""
    owners: dict[Ref, tuple[Pid, bool]] = field(default_factory=dict)
    """The processes by which its aliases are judged, and true for those that stood beside their alias."""

    def end_call(self, ref: Term) -> None:
        """Forgets a call that ended with its monitor."""
        self.calls = {one: call for one, call in self.calls.items() if one != ref}
        self.shown.discard(ref)


class Tracking:
    def __init__(self, nodes: dict[str, tuple[Atom, int]], people: Mapping[int, Who] = MappingProxyType({})) -> None:
        """``people`` are processes of the guarded node by their numbers; all others are users' without names."""
        self.nodes = nodes
        self.people = people
        self.sides = {PEER: Memory(), GUARD: Memory()}
        self.links: dict[frozenset[Pid], Link] = {}
        self.crossed: set[frozenset[Pid]] = set()
        """Links that were made anew while an ending of the one before was still to come."""

    def person(self, target: Term) -> Who:
        """Who a process of the guarded node is."""
        if isinstance(target, Pid) and (target.id, target.serial) == (0, 0):
            return Who("init", otp=True)
        return self.people.get(target.id, USER) if isinstance(target, Pid) else USER

    def own(self, side: str, term: Term) -> bool:
        return isinstance(term, Pid | Ref) and (term.node, term.creation) == self.nodes[side]

    def scopes(self, side: str, target: Term) -> set[str]:
        """How a process or alias of the other side's came to be known to ``side``."""
        theirs = self.sides[other(side)]
        found = {"exposed"} if target in theirs.shown else set()
        if target in theirs.spawned:
            found.add("spawned")
        open_links = [pair for pair, link in self.links.items() if not link.exited and side not in link.ended_by]
        if any(target in pair for pair in open_links):
            found.add("linked")
        return found

    # === answers and endings ===

    def impossible(self, side: str, message: Message) -> bool:
        """True for the end of a spawned process before the reply about it, for which a node closes the connection."""
        return message.command == "monitor_exit" and message.args["ref"] in self.sides[other(side)].spawns

    def answered(self, side: str, message: Message) -> object | None:
        """What a command of ``side`` answers or ends; None: nothing that is known of."""
        mine, theirs = self.sides[side], self.sides[other(side)]
        args: dict[str, Any] = message.args
        match message.command:
            case "monitor_exit":
                monitor = theirs.monitors.get(args["ref"])
                if monitor and not monitor.ended and (monitor.watcher, monitor.target) == (args["to"], args["from"]):
                    return monitor
            case "demonitor":
                monitor = mine.monitors.get(args["ref"])
                if monitor and not monitor.given_up and monitor.watcher == args["from"]:
                    return monitor
            case "exit" | "unlink":
                link = self.links.get(frozenset((args["from"], args["to"])))
                if link and (link.again or len(link.ended_by) == 2):
                    raise Undecided
                if link and side not in link.ended_by:
                    return link
                if frozenset((args["from"], args["to"])) in self.crossed:
                    raise Undecided
            case "unlink_ack":
                key = (args["id"], args["to"], args["from"])
                return key if key in theirs.unlinks else None
            case "spawn_reply":
                spawn = theirs.spawns.get(args["ref"])
                return spawn if spawn and spawn[0] == args["to"] else None
            case "send" | "alias_send":
                return self._reply(side, message)
            case _:
                pass
        return None

    def _reply(self, side: str, message: Message) -> object | None:
        theirs, to = self.sides[other(side)], message.args["to"]
        match message.payload:
            case (Atom("io_reply"), ref, _) | (ref, _) if ref_of := reference(ref):
                asked = theirs.calls.get(ref_of)
                if asked and (to == asked.pid or (to == asked.ref and message.command == "alias_send")):
                    return asked
            case (Atom("rex" | "features_reply" as kind), *_) if message.command == "send":
                waits = Waiting(to, str(kind))
                return waits if waits in theirs.servers else None
            case _:
                pass
        return None

    # === what passes ===

    def passed(self, side: str, message: Message, answer: object | None) -> None:
        """Takes note of a command of ``side`` that goes through."""
        mine, theirs = self.sides[side], self.sides[other(side)]
        args: dict[str, Any] = message.args
        if side == PEER:
            theirs.claimed |= self._written(message) - theirs.shown
        shows = self._shows(side, message)
        match message.command:
            case "monitor":
                mine.monitors[args["ref"]] = Monitor(args["from"], args["to"])
            case "demonitor":
                if isinstance(answer, Monitor):
                    answer.given_up = True
                    if answer.ended:
                        del mine.monitors[args["ref"]]
            case "monitor_exit":
                if isinstance(answer, Monitor):
                    answer.ended = True
                    if answer.given_up:
                        del theirs.monitors[args["ref"]]
            case "link":
                pair = frozenset((args["from"], args["to"]))
                if pair in self.links and self.links[pair].ended_by:
                    self.crossed.add(pair)
                if self.own(side, args["from"]) and self.own(other(side), args["to"]):
                    self.links[pair] = Link()
            case "exit" | "unlink":
                pair = frozenset((args["from"], args["to"]))
                if link := self.links.get(pair):
                    link.again = link.again or side in link.ended_by
                    link.ended_by.add(side)
                    link.exited = link.exited or message.command == "exit"
                    link.unlinks |= {args["id"]} if message.command == "unlink" else set()
                if message.command == "unlink":
                    mine.unlinks.add((args["id"], args["from"], args["to"]))
            case "unlink_ack":
                if answer:
                    theirs.unlinks.discard((args["id"], args["to"], args["from"]))
                    pair = frozenset((args["from"], args["to"]))
                    link = self.links.get(pair)
                    if link and link.again:
                        raise Undecided
                    if link and link.ended_by == {other(side)} and args["id"] in link.unlinks:
                        del self.links[pair]
            case "spawn_request":
                options = {str(one) for one in args["options"]}
                mine.spawns[args["ref"]] = (args["from"], options)
                if "monitor" in options and (result := self._result_of(side, message)):
                    mine.results[args["ref"]] = result
                if self.own(side, args["group_leader"]) and args["group_leader"] not in mine.claimed - mine.shown:
                    mine.shown.add(args["group_leader"])
                    mine.led.add(args["group_leader"])
            case "spawn_reply":
                if answer is None and args["ref"] in theirs.spawns:
                    raise Undecided  # a rule let it pass, though another process had asked
                if answer:
                    del theirs.spawns[args["ref"]]
                    self._spawned(side, args)
            case "group_leader":
                if self.own(side, args["from"]):
                    mine.led.add(args["from"])
            case "send" | "alias_send" | "reg_send":
                self._sent(side, message, answer)
            case _:
                pass
        if shows:
            self._show(side, args.get("from"), message.payload)
            self._own(side, args.get("from"), message.payload)

    def _spawned(self, side: str, args: dict[str, Any]) -> None:
        mine, result, flags = self.sides[side], args["result"], args["flags"]
        if not isinstance(result, Pid):
            return
        mine.spawned.add(result)
        mine.shown.add(result)
        if flags & 1:
            self.links[frozenset((args["to"], result))] = Link()
        if flags & 2:
            self.sides[other(side)].monitors[args["ref"]] = Monitor(args["to"], result)

    def _sent(self, side: str, message: Message, answer: object | None) -> None:
        mine, theirs = self.sides[side], self.sides[other(side)]
        args: dict[str, Any] = message.args
        payload = message.payload
        if isinstance(answer, OpenCall):
            del theirs.calls[answer.ref]
            theirs.shown.discard(answer.ref)  # an alias is gone with its answer
            theirs.owners.pop(answer.ref, None)
        elif isinstance(answer, Waiting):
            theirs.servers.remove(answer)
        name = args["to"] if message.command == "reg_send" else None
        is_otps = name in OTP_SERVERS or (side == PEER and self.person(args["to"]).otp)
        if is_otps and (asked := call_of(payload)) and (ref_asked := reference(asked[1])):
            mine.services.add(ref_asked)
        call = message_call(name, payload, args["from"]) if name is not None else NoCall
        if (
            isinstance(call, Call)
            and self.own(side, call.leader)
            and not (side == GUARD and call.leader in mine.claimed - mine.shown)
        ):
            mine.led.add(call.leader)

        def asks(pid: Pid) -> bool:
            # A server of the guarded node may send on what a peer has written in the name of another process.
            return self.own(side, pid) and (side == PEER or args.get("from") in (pid, None))

        match payload:
            case (_, (Pid() as pid, tag), _) if asks(pid) and (ref := reference(tag)) and self.own(side, ref):
                self._called(side, pid, ref, args.get("from"))
            case (Atom("io_request"), Pid() as pid, Ref() as ref, _) if asks(pid) and self.own(side, ref):
                self._called(side, pid, ref, args.get("from"))
            case (Pid() as pid, Atom("features_request")) if name == REX and asks(pid):
                mine.servers.append(Waiting(pid, "features_reply"))
            case (Pid() as pid, tuple()) if name == REX and asks(pid):
                mine.servers.append(Waiting(pid, "rex"))
            case _:
                pass

    def _called(self, side: str, pid: Pid, ref: Ref, sender: Pid | None) -> None:
        mine = self.sides[side]
        # The peer may have had a reference sent back that it was shown before.
        first = mine.owners.get(ref, (None, False))[0] if ref in mine.shown else pid
        known_to_send = sender is not None or ref not in mine.shown
        if side == PEER or (ref not in mine.claimed and first == pid and known_to_send):
            mine.calls[ref] = OpenCall(pid, ref)

    def _written(self, message: Message) -> set[Term]:
        """The guarded node's processes and aliases in a command of the peer's. A creation of 0 is any."""
        args: dict[str, Any] = message.args
        leader = args["from"] if message.command == "group_leader" else args.get("group_leader")
        payload = None if message.payload is NOTHING else message.payload
        node, creation = self.nodes[GUARD]
        found = {one for one in identifiers((payload, leader), makers=True) if isinstance(one, Pid | Ref)}
        return {replace(one, creation=creation) for one in found if one.node == node and one.creation in (0, creation)}

    def _result_of(self, side: str, message: Message) -> Ref | None:
        """The reference of the result, of a spawn request that is a call through erpc."""
        args: dict[str, Any] = message.args
        module, function, _ = args["mfa"]
        called = message.payload if (module, function) == ("erpc", "execute_call") else None
        ref = called[0] if isinstance(called, list) and len(called) == 4 else None
        return ref if isinstance(ref, Ref) and ref.node == self.nodes[side][0] else None

    def _shows(self, side: str, message: Message) -> bool:
        """True if what stands in a command is shown to the other side."""
        theirs = self.sides[other(side)]
        args: dict[str, Any] = message.args
        match message.command, message.payload:
            case "send" | "alias_send" | "reg_send", (Atom("rex"), _) | (Atom("rex" | "features_reply"), _, _):
                return False
            case "send" | "alias_send" | "reg_send", (Atom("io_reply" | "file_reply"), tag, _) | (tag, _):
                return reference(tag) not in theirs.services
            case "send" | "alias_send" | "reg_send" | "spawn_request", _:
                return True
            case "monitor_exit", (ref, Atom("return"), _):
                return isinstance(ref, Ref) and theirs.results.get(args["ref"]) == ref
            case _:
                return False

    def _show(self, side: str, sender: Term, term: Term) -> None:
        """Notes the processes and aliases of ``side`` in a message of its own."""
        mine = self.sides[side]
        found: set[Term] = {one for one in identifiers(term) if self.own(side, one)}
        found -= mine.claimed - {sender}
        for one in found - mine.shown:
            if isinstance(one, Ref):
                mine.owners.pop(one, None)
                if isinstance(sender, Pid):
                    mine.owners[one] = (sender, False)
        mine.shown |= found

    def _own(self, side: str, sender: Term, payload: Term) -> None:
        """Notes the caller of a call beside its alias, if it sends the call itself and was the first to show it."""
        mine = self.sides[side]
        match payload:
            case (_, (Pid() as pid, tag), *rest) if 1 <= len(rest) <= 3 and self.own(side, pid) and sender == pid:
                ref = reference(tag)
                if ref is not None and ref in mine.shown and mine.owners.get(ref, (None, False))[0] == pid:
                    mine.owners[ref] = (pid, True)
            case _:
                pass
