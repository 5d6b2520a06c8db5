"""The arguments and results of a handler in Python.

A handler is a class with asynchronous methods named after the commands that it handles::

    from distwall.etf import Atom
    from distwall.handlers import Changed, Command

    class Orders:
        async def reg_send(self, command: Command):
            match command.message():
                case ("$gen_call", _, ("order", int(amount))) if amount > 1000:
                    return "deny"
                case ("order", amount):
                    return Changed((Atom("order"), min(amount, 100)))
            return "accept"

It runs in a thread of its own, so a slow handler delays only the sender of the command. An exception, no answer in
time, or an invalid answer means ``deny``.
"""

from dataclasses import dataclass

from distwall.etf import Pid, Ref, Term, decode


@dataclass(frozen=True, slots=True)
class Command:
    """One command that the rules accept, waiting for the handler."""

    node: str
    """The peer."""
    guard: str
    """The guarded node."""
    name: str
    """``reg_send``, ``send``, ``alias_send``, ``spawn_request`` or ``group_leader``."""
    target: str
    """The target, as Erlang prints it: a name, a pid, a reference, ``M:F/A``."""
    sender: Pid | None
    """The sender, if the command names it; for ``group_leader``: the new group leader."""
    to: str | Pid | Ref | tuple[str, str, int]
    """A registered name, a process, an alias; for spawn requests: module, function and arity."""
    payload: bytes | None

    def message(self) -> Term:
        """The message; for spawn requests: the list of arguments. Decoded at each call.

        Raises DecodeError if it is too large to be decoded here.
        """
        if self.payload is None:
            return None
        return decode(self.payload)[0]


@dataclass(frozen=True, slots=True)
class Changed:
    """Accepted, with another message (for spawn requests: other arguments, as many).

    A plain ``str`` in it is a binary.
    """

    message: Term


def command(node: str, guard: str, name: str, target: str, *, control: bytes, payload: bytes | None) -> Command:
    """The command of a control message. Source: the control messages of the distribution protocol."""
    term = decode(control)[0]
    assert isinstance(term, tuple)  # noqa: S101  # the core has read it
    op, *rest = term
    sender: object = None
    to: object
    match op:
        case 29 | 30:
            sender, to = rest[1], rest[3]
        case 2 | 12:
            to = rest[1]
        case 6 | 16:
            sender, to = rest[0], rest[2]
        case 37:
            sender, to = rest[1], rest[2]
        case _:
            sender, to = rest[0], rest[1]
    return Command(
        node=node,
        guard=guard,
        name=name,
        target=target,
        sender=sender if isinstance(sender, Pid) else None,
        to=to,  # type: ignore[arg-type]
        payload=payload,
    )
