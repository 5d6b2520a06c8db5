"""What a handler in Python gets, and what it returns.

A handler is a class with asynchronous methods named after the commands that it handles::

    from distwall.handlers import Changed, Command


    class Orders:
        async def reg_send(self, command: Command):
            match command.message():
                case ("$gen_call", _, ("order", int(amount))) if amount > 1000:
                    return "deny"
                case ("order", amount):
                    return Changed(("order", min(amount, 100)))
            return "accept"

It runs in a thread of its own, so a slow one holds up nobody but the sender whose command it decides about. An
exception, no answer in time, or anything that is no answer means ``deny``.
"""

from dataclasses import dataclass

from distwall.etf import Pid, Ref, Term, decode


@dataclass(frozen=True, slots=True)
class Command:
    """One command that the rules accept, and that waits for the handler."""

    node: str
    """The peer."""
    guard: str
    """The guarded node."""
    name: str
    """``reg_send``, ``send``, ``alias_send``, ``spawn_request`` or ``group_leader``."""
    target: str
    """At what, as Erlang prints it: a name, a pid, a reference, ``M:F/A``."""
    sender: Pid | None
    """Who sends it, if the command says so; for ``group_leader``: who is to be the group leader."""
    to: str | Pid | Ref | tuple[str, str, int]
    """A registered name, a process, an alias; for spawn requests: module, function and arity."""
    payload: bytes | None

    def message(self) -> Term:
        """The message; for spawn requests: the list of arguments. Decoded when it is asked for.

        Raises DecodeError for one that is too large to be looked at here.
        """
        if self.payload is None:
            return None
        return decode(self.payload)[0]


@dataclass(frozen=True, slots=True)
class Changed:
    """Accepted, with another message (for spawn requests: other arguments, as many)."""

    message: Term


def command(node: str, guard: str, name: str, target: str, *, control: bytes, payload: bytes | None) -> Command:
    """A command by its control message. Source: the list of control messages of the distribution protocol."""
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
