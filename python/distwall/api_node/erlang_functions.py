"""Requests of Erlang programs as calls of the runtime API.

A request is ``{Function, Arguments, Options}``, as the module `distwall` sends it. The answer is ``{ok, Value}`` or
``{error, Kind, Argument, Text}``. Its kind is ``badarg`` (``Argument`` counts from 1; 0: no particular argument),
``refused`` or ``internal``. Every request gets an answer.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Never

from distwall import operations
from distwall._core import COMMANDS, print_atom
from distwall.api_node.session import Caller
from distwall.audit.schema import CallFailed
from distwall.control import BadCallError, ControlError, Firewall, GivenKey, NotFoundError
from distwall.control.evaluated_calls import Extent
from distwall.etf import Atom, DecodeError, Pid, Ref, Term, text_of
from distwall.operations import ParameterType, Result
from distwall.policy.language.names import is_glob

_ATOMS = frozenset({"command", "guard", "opened_by", "peer", "verdict"})
"""Fields of answers whose texts are atoms in Erlang."""

_UNDEFINED = Atom("undefined")
_EXTENTS: dict[str, Extent] = {"whole": "whole", "named": "named", "closed": "closed"}
_MAX_ARITY = 255


class _ArgumentError(Exception):
    """An argument that the function doesn't take."""

    def __init__(self, index: int, text: str) -> None:
        super().__init__(text)
        self.index = index


class ErlangFunctions:
    """Answers requests."""

    def __init__(self, firewall: Firewall) -> None:
        self._firewall = firewall

    def answer(self, caller: Caller, request: Term | DecodeError) -> Term:
        """The answer to a request of ``caller``; to the reason, if it can't be read. Never raises."""
        name = "unknown"
        try:
            match request:
                case (Atom() as function, list() as arguments, list() as options):
                    name = str(function)
                    return Atom("ok"), self._call(caller, name, arguments, options)
                case DecodeError():
                    raise BadCallError(f"distwall does not read this: {request}")
                case _:
                    raise BadCallError("not a request; use the functions of the module distwall")
        except _ArgumentError as error:
            return _error("badarg", error.index, str(error))
        except (BadCallError, NotFoundError) as error:
            return _error("badarg", 0, str(error))
        except ControlError as error:
            return _error("refused", 0, str(error))
        except Exception as error:  # noqa: BLE001  # stays in this request
            self._firewall.record(
                CallFailed(node=caller.name, function=name[:255], detail=f"{type(error).__name__}: {error}")
            )
            return _error("internal", 0, "distwall met an error here; its log says more")

    def _call(self, caller: Caller, name: str, arguments: list[Term], options: list[Term]) -> Term:
        if name == "judge_call" and caller.guard is not None:
            return self._judged(arguments, caller.guard)
        operation = _FUNCTIONS.get((name, len(arguments)))
        if operation is None:
            raise BadCallError(f"distwall:{name}/{len(arguments)} is unknown to this version of distwall")
        for option in options:
            if option != "persist" or not operation.is_persistent:
                raise _ArgumentError(len(arguments) + 1, "the options are [] and [persist]")
        if caller.guard is not None and not operation.is_for_guards and operation.acts:
            self._refuse_unless_alone()
        given = _Arguments(arguments, caller.guard)
        values = {parameter.name: _READ[parameter.type](given) for parameter in operation.positional}
        if operation.is_for_guards:
            values["guard"] = given.guard
        if operation.is_persistent:
            values["persist"] = bool(options)
        return _told(operation.result, operation.call(self._firewall, values, caller.name), caller.guard)

    def _judged(self, arguments: list[Term], guard: str) -> Term:
        """Answers the evaluator of a guarded node. No program may ask this."""
        match arguments:
            case [Atom() as peer, (Atom() as module, Atom() as function, int() as arity), Atom() as extent] if (
                extent in _EXTENTS and 0 <= arity <= _MAX_ARITY
            ):
                call = (str(module), str(function), arity)
                return Atom(self._firewall.judge_call(str(peer), call, _EXTENTS[extent], guard))
            case _:
                raise BadCallError("no call of a peer")

    def _refuse_unless_alone(self) -> None:
        """Raises ControlError if a guarded node's change of tables would reach other guarded nodes."""
        nodes = self._firewall.policy.guard.nodes
        if len(nodes) > 1 or is_glob(nodes[0]):
            raise ControlError("other guarded nodes share the tables: let an operator's node set them")


class _Arguments:
    """The arguments of a request. Each method reads the next argument, or raises _ArgumentError."""

    def __init__(self, terms: Sequence[Term], guard: str | None) -> None:
        """``guard`` is the guarded node that calls; None: an operator's node."""
        self.guard = guard
        self._terms = terms
        self._index = 0

    def atom(self, what: str) -> str:
        term = self._next()
        if not isinstance(term, Atom):
            self._fail(f"{what} is an atom")
        return str(term)

    def module(self) -> str | None:
        name = self.atom("a module")
        if self.guard is not None and ":" in name:
            # Code in distwall sees the channels of all guarded nodes, and any function could be named as a handler.
            self._fail("a module in Python, which runs in distwall: let an operator set it")
        return None if name == _UNDEFINED else name

    def name(self, what: str) -> str:
        term = self._next()
        text = str(term) if isinstance(term, Atom) else text_of(term)
        if text is None:
            self._fail(f"{what} is an atom, a string or a binary in UTF-8")
        return text

    def seconds(self) -> float:
        term = self._next()
        if not isinstance(term, int | float):
            self._fail("seconds are a number")
        # Before it is calculated with: it may be as big as integers get.
        return min(max(term, -1), 1 << 53)

    def rules(self) -> list[str] | None:
        term = self._next()
        if term == _UNDEFINED:
            return None
        texts = [text_of(rule) for rule in term] if isinstance(term, list) else [None]
        rules = [text for text in texts if text is not None]
        if len(rules) != len(texts):
            self._fail("rules are a list of strings or binaries; or undefined, for those of the policy file")
        return rules

    def key(self) -> GivenKey:
        """A key as the Firewall takes it. The key of a process narrows the call to the channels of its node."""
        match term := self._next():
            case Atom():
                return None if term == "_" else print_atom(term)
            case (Atom() as module, Atom() as function, int() as arity):
                return str(module), str(function), arity
            case (Atom() as module, Atom() as function, Atom("_")):
                return str(module), str(function), "_"
            case (Atom("to"), Atom() as scope):
                return f"to {scope}"
            case Pid(node, number, serial):
                self._narrow(node)
                return f"<0.{number}.{serial}>"
            case Ref(node, _, words):
                self._narrow(node)
                return f"#Ref<0.{'.'.join(str(word) for word in reversed(words))}>"
            case _:
                if (text := text_of(term)) is None:
                    self._fail(
                        "a key is a name, {M, F, A}, {to, Scope}, a pid, an alias, '_', or a string as in a rule"
                    )
                return text

    def _narrow(self, node: str) -> None:
        if self.guard not in (None, node):
            self._fail(f"a process of another node than {self.guard}")
        self.guard = node

    def _next(self) -> Term:
        self._index += 1
        return self._terms[self._index - 1]

    def _fail(self, text: str) -> Never:
        raise _ArgumentError(self._index, text)


_READ: dict[ParameterType, Callable[[_Arguments], Any]] = {
    ParameterType.NODE: lambda given: given.atom("a node"),
    ParameterType.COMMAND: lambda given: given.atom("a command"),
    ParameterType.KEY: _Arguments.key,
    ParameterType.VERDICT: lambda given: given.atom("a verdict"),
    ParameterType.MODULE: _Arguments.module,
    ParameterType.TABLE: lambda given: given.name("a table"),
    ParameterType.RULES: _Arguments.rules,
    ParameterType.SECONDS: _Arguments.seconds,
    ParameterType.TEXT: lambda given: given.name("a reason"),
}

_FUNCTIONS = {
    (operation.name, len(operation.positional)): operation
    for operation in (*operations.FIREWALL, *operations.READERS)
    if operation.erlang
}
"""By name and number of arguments."""


def _told(result: Result, value: Any, guard: str | None) -> Term:
    """A result as a term; of lists, what concerns ``guard`` (None: everything)."""
    match result:
        case operations.VERDICT_NOW | operations.PREVIOUS_VERDICT | operations.PREVIOUS_MODULE:
            return Atom(value or _UNDEFINED)
        case operations.COUNTS:
            return _counts(value["inbound"])
        case operations.EXPLANATION:
            return _answer({**value.to_json(), "reason": Atom(value.reason)})
        case operations.FOUND:
            return [_answer(each.to_json()) for each in value if guard in (None, each.guard)]
        case _:
            return Atom("ok")


def _counts(statistics: Mapping[Any, Mapping[Any, int]]) -> Term:
    """The counters in the shape of ``erlang:statistics(dist)``."""
    return [
        (Atom(command), [(Atom(verdict), statistics[command][verdict]) for verdict in ("accept", "deny", "drop")])
        for command in COMMANDS
    ]


def _answer(value: object, field: str = "") -> Term:
    """An answer of the HTTP API as a term: maps have atoms as keys; texts are binaries, except a few."""
    match value:
        case dict():
            return {Atom(key): _answer(item, key) for key, item in value.items()}
        case list() | tuple():
            return [_answer(item, field) for item in value]
        case None:
            return _UNDEFINED
        case str() if field in _ATOMS:
            return Atom(value)
        case str() | int() | float():
            return value
        case _:
            raise TypeError(f"{type(value).__name__} in an answer")


def _error(kind: str, argument: int, text: str) -> Term:
    return Atom("error"), Atom(kind), argument, text
