"""Requests of Erlang programs as calls of the runtime API.

A request is ``{Function, Arguments, Options}``, as the module `distwall` sends it. The answer is ``{ok, Value}`` or
``{error, Kind, Argument, Text}``. Its kind is ``badarg`` (``Argument`` counts from 1; 0: no particular argument),
``refused`` or ``internal``. Every request gets an answer.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Never

from distwall._core import COMMANDS
from distwall.api_node.session import Caller
from distwall.audit.schema import CallFailed
from distwall.control import BadCallError, ControlError, Firewall, GivenKey, NotFoundError
from distwall.etf import Atom, Pid, Ref, Term, text_of
from distwall.policy.language.names import atom, is_glob

_ATOMS = frozenset({"command", "guard", "opened_by", "peer", "verdict"})
"""Fields of answers whose texts are atoms in Erlang."""

_UNDEFINED = Atom("undefined")


class _ArgumentError(Exception):
    """An argument that the function doesn't take."""

    def __init__(self, index: int, text: str) -> None:
        super().__init__(text)
        self.index = index


class Operations:
    """Answers requests."""

    def __init__(self, firewall: Firewall) -> None:
        self._firewall = firewall

    def answer(self, caller: Caller, request: Term) -> Term:
        """The answer to a request of ``caller``. Never raises."""
        name = "unknown"
        try:
            match request:
                case (Atom() as function, list() as arguments, list() as options):
                    name = str(function)
                    return Atom("ok"), self._call(caller, name, arguments, options)
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
        if (name, len(arguments)) not in _FUNCTIONS:
            raise BadCallError(f"distwall:{name}/{len(arguments)} is unknown to this version of distwall")
        function, may_persist = _FUNCTIONS[name, len(arguments)]
        about: dict[str, Any] = {"guard": caller.guard, "actor": caller.name}
        if may_persist:
            about["persist"] = False
        for option in options:
            if option != "persist" or not may_persist:
                raise _ArgumentError(len(arguments) + 1, "the options are [] and [persist]")
            about["persist"] = True
        return function(self._firewall, _Arguments(arguments), about)


class _Arguments:
    """The arguments of a request. Each method reads the next argument, or raises _ArgumentError."""

    def __init__(self, terms: Sequence[Term]) -> None:
        self._terms = terms
        self._index = 0

    def atom(self, what: str) -> str:
        term = self._next()
        if not isinstance(term, Atom):
            self._fail(f"{what} is an atom")
        return str(term)

    def module(self) -> str | None:
        name = self.atom("a module")
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

    def key(self, about: dict[str, Any]) -> GivenKey:
        """A key as the Firewall takes it. The key of a process narrows the call to the channels of its node."""
        match term := self._next():
            case Atom():
                return None if term == "_" else atom(term)
            case (Atom() as module, Atom() as function, int() as arity):
                return str(module), str(function), arity
            case (Atom() as module, Atom() as function, Atom("_")):
                return str(module), str(function), "_"
            case (Atom("to"), Atom() as scope):
                return f"to {scope}"
            case Pid(node, number, serial):
                self._narrow(about, node)
                return f"<0.{number}.{serial}>"
            case Ref(node, _, words):
                self._narrow(about, node)
                return f"#Ref<0.{'.'.join(str(word) for word in reversed(words))}>"
            case _:
                if (text := text_of(term)) is None:
                    self._fail(
                        "a key is a name, {M, F, A}, {to, Scope}, a pid, an alias, '_', or a string as in a rule"
                    )
                return text

    def _narrow(self, about: dict[str, Any], node: str) -> None:
        if about["guard"] not in (None, node):
            self._fail(f"a process of another node than {about['guard']}")
        about["guard"] = node

    def _next(self) -> Term:
        self._index += 1
        return self._terms[self._index - 1]

    def _fail(self, text: str) -> Never:
        raise _ArgumentError(self._index, text)


Function = Callable[[Firewall, _Arguments, dict[str, Any]], Term]
"""One function. Its last argument holds the keyword arguments ``guard``, ``actor`` and, if it has it, ``persist``."""


def _set_filter(firewall: Firewall, given: _Arguments, about: dict[str, Any]) -> Term:
    node, command, verdict = given.atom("a node"), given.atom("a command"), given.atom("a verdict")
    return Atom(firewall.set_filter(node, command, verdict, **about))


def _add_filter(firewall: Firewall, given: _Arguments, about: dict[str, Any]) -> Term:
    node, command, key, verdict = (
        given.atom("a node"),
        given.atom("a command"),
        given.key(about),
        given.atom("a verdict"),
    )
    return Atom(firewall.add_filter(node, command, key, verdict, **about))


def _del_filter(firewall: Firewall, given: _Arguments, about: dict[str, Any]) -> Term:
    return Atom(firewall.del_filter(given.atom("a node"), given.atom("a command"), given.key(about), **about))


def _test_filter(firewall: Firewall, given: _Arguments, about: dict[str, Any]) -> Term:
    node, command, key = given.atom("a node"), given.atom("a command"), given.key(about)
    return Atom(firewall.test_filter(node, command, key, guard=about["guard"]))


def _explain(firewall: Firewall, given: _Arguments, about: dict[str, Any]) -> Term:
    node, command, key = given.atom("a node"), given.atom("a command"), given.key(about)
    found = firewall.explain(node, command, key, guard=about["guard"])
    return _answer({**found.to_json(), "reason": Atom(found.reason)})


def _set_default_filter(firewall: Firewall, given: _Arguments, about: dict[str, Any]) -> Term:
    command, key, verdict = given.atom("a command"), given.key(about), given.atom("a verdict")
    return Atom(firewall.set_default_filter(command, key, verdict, **about))


def _set_handler(firewall: Firewall, given: _Arguments, about: dict[str, Any]) -> Term:
    node, command, module = given.atom("a node"), given.atom("a command"), given.module()
    return Atom(firewall.set_handler(node, command, module, **about) or _UNDEFINED)


def _filter(firewall: Firewall, given: _Arguments, about: dict[str, Any]) -> Term:
    return Atom(firewall.filter(given.atom("a node"), given.module(), **about) or _UNDEFINED)


def _attach(firewall: Firewall, given: _Arguments, about: dict[str, Any]) -> Term:
    firewall.attach(given.atom("a node"), given.name("a table"), **about)
    return Atom("ok")


def _detach(firewall: Firewall, given: _Arguments, about: dict[str, Any]) -> Term:
    firewall.detach(given.atom("a node"), given.name("a table"), **about)
    return Atom("ok")


def _set_table(firewall: Firewall, given: _Arguments, about: dict[str, Any]) -> Term:
    guard = about.pop("guard")
    nodes = firewall.policy.guard.nodes
    if guard is not None and (len(nodes) > 1 or is_glob(nodes[0])):
        raise ControlError("other guarded nodes share the tables: let an operator's node set them")
    firewall.set_table(given.name("a table"), given.rules(), **about)
    return Atom("ok")


def _grant(firewall: Firewall, given: _Arguments, about: dict[str, Any]) -> Term:
    firewall.grant(given.atom("a node"), given.name("a table"), given.seconds(), given.name("a reason"), **about)
    return Atom("ok")


def _revoke(firewall: Firewall, given: _Arguments, about: dict[str, Any]) -> Term:
    firewall.revoke(given.atom("a node"), given.name("a table"), **about)
    return Atom("ok")


def _grants(firewall: Firewall, _: _Arguments, about: dict[str, Any]) -> Term:
    return [_answer(grant.to_json()) for grant in firewall.grants() if about["guard"] in (None, grant.guard)]


def _statistics(firewall: Firewall, _: _Arguments, __: dict[str, Any]) -> Term:
    return _counts(firewall.statistics()["inbound"])


def _statistics_of(firewall: Firewall, given: _Arguments, _: dict[str, Any]) -> Term:
    return _counts(firewall.statistics(given.atom("a node"))["inbound"])


def _peers(firewall: Firewall, _: _Arguments, about: dict[str, Any]) -> Term:
    return [_answer(info.to_json()) for info in firewall.peers(guard=about["guard"])]


def _disconnect(firewall: Firewall, given: _Arguments, about: dict[str, Any]) -> Term:
    firewall.disconnect(given.atom("a node"), **about)
    return Atom("ok")


_FUNCTIONS: dict[tuple[str, int], tuple[Function, bool]] = {
    ("set_filter", 3): (_set_filter, True),
    ("add_filter", 4): (_add_filter, True),
    ("del_filter", 3): (_del_filter, False),
    ("test_filter", 3): (_test_filter, False),
    ("explain", 3): (_explain, False),
    ("set_default_filter", 3): (_set_default_filter, True),
    ("set_handler", 3): (_set_handler, True),
    ("filter", 2): (_filter, True),
    ("attach", 2): (_attach, True),
    ("detach", 2): (_detach, True),
    ("set_table", 2): (_set_table, True),
    ("grant", 4): (_grant, False),
    ("revoke", 2): (_revoke, False),
    ("grants", 0): (_grants, False),
    ("statistics", 0): (_statistics, False),
    ("statistics", 1): (_statistics_of, False),
    ("peers", 0): (_peers, False),
    ("disconnect", 1): (_disconnect, False),
}
"""Functions by name and number of arguments, each with True if its effect can survive a restart."""


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
