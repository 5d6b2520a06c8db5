"""Answers to distwall's clerk, as a guarded node would give them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from distwall import _core
from tests.support.dist import Message, Op, message
from tests.support.etf import Atom, Export, Pid, Ref, Term

UNDEFINED, OK = Atom("undefined"), Atom("ok")


@dataclass(frozen=True)
class Person:
    """A process of the guarded node: a user's, unless it says otherwise."""

    name: str | None = None
    application: str | None = None
    module: str = "shop"
    """The module of its first call; ``proc_lib`` knows nothing better."""
    started: str = "proc_lib"
    """The module of its first call, as ``proc_lib`` translates it."""
    leader: int = 60
    dead: bool = False


@dataclass
class Office:
    """The identities of a guarded node's processes; without an entry, they are users' without names."""

    people: dict[Pid, Person] = field(default_factory=dict)
    can_spawn: bool = True
    silent: bool = False
    asked: list[Message] = field(default_factory=list)
    """The messages of the clerk."""

    def is_asked(self, sent: Message) -> bool:
        """True if a message to the guarded node comes from the clerk, to learn who processes are."""
        sender = sent.args.get("from")
        if not isinstance(sender, Pid) or (sender.id, sender.serial) != (_core.CLERK, _core.CLERK):
            return False
        return sent.op in (Op.MONITOR_P, Op.DEMONITOR_P, Op.REG_SEND) or _is_question(sent)

    def answers(self, asked: Sequence[Message]) -> Iterator[Message]:
        """The guarded node's answers, in the order of the questions."""
        self.asked += asked
        for sent in asked:
            if not self.silent:
                yield from self._answer(sent)

    def _answer(self, sent: Message) -> Iterator[Message]:
        args = sent.args
        clerk = args["from"]
        assert isinstance(clerk, Pid)
        match sent.op:
            case Op.MONITOR_P:
                target = args["to"]
                assert isinstance(target, Pid)
                if self._person(target).dead:
                    yield message(Op.PAYLOAD_MONITOR_P_EXIT, target, clerk, args["ref"], payload=Atom("noproc"))
            case Op.SPAWN_REQUEST if not self.can_spawn:
                yield message(Op.SPAWN_REPLY, args["ref"], clerk, 0, Atom("system_limit"))
            case Op.SPAWN_REQUEST:
                assert isinstance(sent.payload, list)
                ref, _, function, arguments = sent.payload
                assert isinstance(function, Atom)
                assert isinstance(arguments, list)
                leader = args["group_leader"]
                assert isinstance(leader, Pid)
                worker = replace(leader, id=7777)
                yield message(Op.SPAWN_REPLY, args["ref"], clerk, 2, worker)
                reason = (ref, Atom("return"), self._result(arguments))
                yield message(Op.PAYLOAD_MONITOR_P_EXIT, worker, clerk, args["ref"], payload=reason)
            case Op.REG_SEND:
                match sent.payload:
                    case (_, (Pid() as asker, Ref() as ref), (Atom("block_call"), _, _, list() as arguments, _)):
                        node = next(one for one in arguments[1] if isinstance(one, Pid))
                        yield message(
                            Op.SEND_SENDER, replace(node, id=7778), asker, payload=(ref, self._result(arguments))
                        )
                    case _:
                        raise AssertionError(f"not a question: {sent}")
            case _:
                pass

    def _person(self, pid: Pid) -> Person:
        return self.people.get(pid, Person())

    def _result(self, arguments: list[Term]) -> Term:
        function, pids, *_ = arguments
        assert isinstance(function, Export)
        assert isinstance(pids, list)
        tell = {"process_info": self._info, "get_application": self._application, "translate_initial_call": self._call}
        return [tell[str(function.function)](pid) for pid in pids if isinstance(pid, Pid)]

    def _info(self, pid: Pid) -> Term:
        person = self._person(pid)
        if person.dead:
            return UNDEFINED
        return [
            (Atom("registered_name"), [] if person.name is None else Atom(person.name)),
            (Atom("group_leader"), replace(pid, id=person.leader, serial=0)),
            (Atom("initial_call"), (Atom(person.module), Atom("init"), 1)),
        ]

    def _application(self, pid: Pid) -> Term:
        application = self._person(pid).application
        return UNDEFINED if application is None else (OK, Atom(application))

    def _call(self, pid: Pid) -> Term:
        started = self._person(pid).started
        return (Atom(started), Atom("init_p"), 5)


def _is_question(sent: Message) -> bool:
    match sent.op, sent.payload:
        case Op.SPAWN_REQUEST, [Ref(), Atom("lists"), Atom("map" | "zipwith"), [Export(), *_]]:
            return True
        case _:
            return False
