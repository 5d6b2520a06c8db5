"""Checks funs before they may run: ``funs = "checked"``.

Theory of operation. A fun typed in a shell has no code of its own: it is a fun of `erl_eval`. It carries the syntax
tree to evaluate, the values of its variables, and two functions that the evaluator asks about each call. So its calls
can be read from it. It passes only if the policy accepts every call, anywhere in the tree. A call that is decided only
at run time is refused: of a variable, by ``apply`` with a variable, of a function looked up by name. Every form unknown
to this module is refused, too. The two functions are removed: other functions in their place would change the meaning
of the tree. A fun inside the fun, among its variables, or anywhere else in the message has to pass the same check.
``fun M:F/A`` and the funs of other modules run code that is there already, and are judged as calls of it.

Source: the abstract format of OTP 25 to 29 (erts user's guide), and the environment of the funs of ``erl_eval``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from distwall.etf import Atom, Export, Fun, Improper, Map, Record, Term

Accepts = Callable[[str, str, int], bool]
"""True if the policy accepts a call of module, function and arity. For a fun of compiled code the function is ``-``:
only a rule for all functions of the module accepts it."""

NONE = Atom("none")

# Functions that run what they are given: module, function, arity, and which argument is the fun, or is the module (the
# function and its arguments stand behind it).
_RUNS_FUN = {
    ("erlang", "apply", 2): 0,
    ("erlang", "spawn", 1): 0,
    ("erlang", "spawn", 2): 1,
    ("erlang", "spawn_link", 1): 0,
    ("erlang", "spawn_link", 2): 1,
    ("erlang", "spawn_monitor", 1): 0,
    ("erlang", "spawn_monitor", 2): 1,
    ("erpc", "call", 2): 1,
    ("erpc", "cast", 2): 1,
    ("erpc", "multicall", 2): 1,
    ("erpc", "multicast", 2): 1,
}
_RUNS_MFA = {
    ("erlang", "apply", 3): 0,
    ("erlang", "spawn", 3): 0,
    ("erlang", "spawn", 4): 1,
    ("erlang", "spawn_link", 3): 0,
    ("erlang", "spawn_link", 4): 1,
    ("erlang", "spawn_monitor", 3): 0,
    ("erlang", "spawn_monitor", 4): 1,
    ("erpc", "call", 4): 1,
    ("erpc", "cast", 4): 1,
    ("erpc", "multicall", 4): 1,
    ("erpc", "multicast", 4): 1,
    ("rpc", "call", 4): 1,
    ("rpc", "cast", 4): 1,
    ("rpc", "block_call", 4): 1,
    ("rpc", "async_call", 4): 1,
    ("rpc", "multicall", 3): 0,
    ("rpc", "multicall", 4): 1,
    ("rpc", "eval_everywhere", 3): 0,
    ("rpc", "eval_everywhere", 4): 1,
    ("timer", "apply_after", 4): 1,
    ("timer", "apply_interval", 4): 1,
    ("timer", "apply_repeatedly", 4): 1,
    ("timer", "tc", 3): 0,
}
_RUNNERS = frozenset({*_RUNS_FUN, *_RUNS_MFA})
_RUNNING_MODULES = frozenset({"erpc", "rpc", "proc_lib", "timer", "erl_eval", "shell", "peer", "slave", "pool"})
_RUNNING_BIFS = frozenset({"spawn_opt", "spawn_request", "hibernate"})
_HARMLESS = frozenset({("timer", "sleep"), ("timer", "now_diff"), ("timer", "seconds"), ("timer", "minutes")})

# Guards contain only such calls, and these change nothing.
_GUARD_BIFS = frozenset(
    {
        *(
            "abs",
            "binary_part",
            "bit_size",
            "byte_size",
            "ceil",
            "element",
            "float",
            "floor",
            "hd",
            "is_atom",
            "is_binary",
        ),
        *("is_bitstring", "is_boolean", "is_float", "is_function", "is_integer", "is_list", "is_map", "is_map_key"),
        *("is_number", "is_pid", "is_port", "is_record", "is_reference", "is_tuple", "length", "map_get", "map_size"),
        *("max", "min", "node", "round", "self", "size", "tl", "trunc", "tuple_size"),
    }
)

# Forms whose parts are forms, lists of forms, or plain values that mean nothing by themselves.
_PLAIN = {"atom": Atom, "integer": int, "float": float, "char": int, "string": list, "var": Atom}
_COMPOUND = frozenset(
    {
        *(
            "match",
            "tuple",
            "cons",
            "map",
            "map_field_assoc",
            "map_field_exact",
            "bin",
            "block",
            "if",
            "case",
            "receive",
        ),
        *("try", "catch", "lc", "bc", "mc", "generate", "generate_strict", "b_generate", "b_generate_strict"),
        *("m_generate", "m_generate_strict", "zip", "maybe", "maybe_match", "maybe_else", "else", "op", "clause"),
    }
)


class RefusedFunError(Exception):
    """A fun may not pass; the text says why."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """The position of the check in a fun: the names of enclosing funs, which are checked with it."""

    funs: frozenset[str] = frozenset()
    guard: bool = False


def checked(term: Term, accepts: Accepts) -> Term:
    """The term (no deeper than `etf.decode` reads) with all funs in it made fit to run. Raises RefusedFunError."""
    return _Checker(accepts).term(term)


class _Checker:
    def __init__(self, accepts: Accepts) -> None:
        self.accepts = accepts

    def term(self, term: Term) -> Term:
        match term:
            case Fun():
                return self.fun(term)
            case Export(module, function, arity):
                self.call(module, function, arity)
                return term
            case tuple():
                return tuple(self.term(part) for part in term)
            case list():
                return [self.term(part) for part in term]
            case Improper(elements, tail):
                return Improper(tuple(self.term(part) for part in elements), self.term(tail))
            case Map(pairs):
                return Map(tuple((self.term(key), self.term(value)) for key, value in pairs))
            case Record():
                return replace(term, fields=tuple((name, self.term(value)) for name, value in term.fields))
            case _:
                return term

    def fun(self, fun: Fun) -> Fun:
        if fun.module != "erl_eval":
            if not self.accepts(fun.module, "-", fun.arity):
                raise RefusedFunError(f"a fun of {fun.module}: the policy does not accept all functions of that module")
            return replace(fun, free=tuple(self.term(value) for value in fun.free))
        match fun.free:
            case ((anno, bindings, _, _, used, list() as clauses),):
                self.clauses(clauses, _Scope())
                return replace(fun, free=((anno, self.term(bindings), NONE, NONE, self.term(used), clauses),))
            case ((anno, bindings, _, _, used, list() as clauses, Atom() as name),):
                self.clauses(clauses, _Scope(frozenset({name})))
                return replace(fun, free=((anno, self.term(bindings), NONE, NONE, self.term(used), clauses, name),))
            case _:
                raise RefusedFunError("a fun of erl_eval with an environment that distwall does not know")

    def call(self, module: str, function: str, arity: int) -> None:
        if not self.accepts(module, function, arity):
            raise RefusedFunError(f"{module}:{function}/{arity}")

    # --- the abstract format ---

    def forms(self, forms: Iterable[Term], scope: _Scope) -> None:
        for form in forms:
            self.form(form, scope)

    def clauses(self, clauses: Iterable[Term], scope: _Scope) -> None:
        for clause in clauses:
            match clause:
                case (Atom("clause"), _, list() as patterns, list() as guards, list() as body):
                    self.forms(patterns, replace(scope, guard=True))
                    for guard in guards:
                        if not isinstance(guard, list):
                            raise RefusedFunError("a guard of a form that distwall does not know")
                        self.forms(guard, replace(scope, guard=True))
                    self.forms(body, scope)
                case _:
                    raise RefusedFunError("a clause of a form that distwall does not know")

    def form(self, form: Term, scope: _Scope) -> None:
        match form:
            case (Atom("nil"), _):
                return
            case (Atom() as kind, _, value) if isinstance(value, _PLAIN.get(kind, ())):
                # A fun in the place of a value would be one, and so would one in a string.
                if isinstance(value, list) and not all(isinstance(character, int) for character in value):
                    raise RefusedFunError("a malformed string")
            case (Atom("call"), _, function, list() as arguments):
                self.applied(function, arguments, scope)
            case (Atom("fun"), _, (Atom("clauses"), list() as clauses)):
                self.clauses(clauses, replace(scope, guard=False))
            case (Atom("named_fun"), _, Atom() as name, list() as clauses):
                self.clauses(clauses, _Scope(scope.funs | {name}))
            case (Atom("fun"), _, (Atom("function"), module, function, arity)):
                self.call(*_literal_mfa(module, function, arity))
            case (Atom("op"), _, Atom("!"), left, right):
                self.call("erlang", "!", 2)
                self.forms((left, right), scope)
            case (Atom("op"), _, Atom(), *operands):
                self.forms(operands, scope)
            case (Atom("clause"), *_):
                self.clauses([form], scope)
            case (Atom("bin_element"), _, value, size, _):
                self.form(value, scope)
                if size != "default":
                    self.form(size, scope)
            case (Atom() as kind, _, *parts) if kind in _COMPOUND:
                self.parts(parts, scope)
            case _:
                what = form[0] if isinstance(form, tuple) and form and isinstance(form[0], Atom) else "form"
                raise RefusedFunError(f"a `{what}` in it")

    def parts(self, parts: Iterable[Term], scope: _Scope) -> None:
        """The parts of a compound form: forms, and lists of them."""
        for part in parts:
            match part:
                case list():
                    self.parts(part, scope)
                case tuple():
                    self.form(part, scope)
                case _:
                    raise RefusedFunError("a form that distwall does not know")

    def applied(self, function: Term, arguments: list[Term], scope: _Scope) -> None:
        match function:
            case (Atom("remote"), _, (Atom("atom"), _, Atom() as module), (Atom("atom"), _, Atom() as name)):
                pass
            case (Atom("atom"), _, Atom() as name):
                # Without its functions, only the built-in functions of the language are defined.
                module = Atom("erlang")
            case (Atom("var"), _, Atom() as variable) if variable in scope.funs:
                self.forms(arguments, scope)
                return
            case (Atom("fun") | Atom("named_fun"), *_):
                self.form(function, scope)
                self.forms(arguments, scope)
                return
            case _:
                raise RefusedFunError("a call of a function known only at run time")
        key = (str(module), str(name), len(arguments))
        if not (scope.guard and module == "erlang" and name in _GUARD_BIFS):
            self.call(*key)
        if key in _RUNNERS:
            self.run(key, arguments, scope)
        elif _runs_otherwise(module, name):
            raise RefusedFunError(f"{module}:{name}/{len(arguments)}, which runs any function")
        self.forms(arguments, scope)

    def run(self, key: tuple[str, str, int], arguments: list[Term], scope: _Scope) -> None:
        """Checks a function that runs one of its arguments, which has to be readable here."""
        if (at := _RUNS_FUN.get(key)) is not None:
            match arguments[at]:
                case (Atom("fun") | Atom("named_fun"), *_):
                    return  # checked with all other arguments
                case (Atom("var"), _, Atom() as variable) if variable in scope.funs:
                    return
                case _:
                    pass
            raise RefusedFunError(f"{key[0]}:{key[1]}/{key[2]} of a function known only at run time")
        at = _RUNS_MFA[key]
        self.call(*_literal_mfa(arguments[at], arguments[at + 1], _length(arguments[at + 2])))


def _literal_mfa(module: Term, function: Term, arity: Term) -> tuple[str, str, int]:
    """Module, function and arity, if all are literals."""

    def literal(term: Term) -> Term:
        match term:
            case (Atom("atom") | Atom("integer"), _, value):
                return value
            case _:
                return term

    found = (literal(module), literal(function), literal(arity))
    match found:
        case (Atom() as m, Atom() as f, int() as a):
            return str(m), str(f), a
        case _:
            pass
    raise RefusedFunError("a function known only at run time")


def _length(form: Term) -> Term:
    """The length of a list, if every element is written down."""
    length = 0
    while True:
        match form:
            case (Atom("cons"), _, _, tail):
                length += 1
                form = tail
            case (Atom("nil"), _):
                return length
            case (Atom("string"), _, list() as characters):
                return length + len(characters)
            case _:
                return None


def _runs_otherwise(module: str, name: str) -> bool:
    """True if a function runs one of its arguments in a way that isn't followed here."""
    if (module, name) in _HARMLESS:
        return False
    return module in _RUNNING_MODULES or (module == "erlang" and name in _RUNNING_BIFS)
