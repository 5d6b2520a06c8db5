"""``funs = "checked"``: funs of real shells, read before they may run."""

import base64
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest

from distwall.etf import Atom, Export, Fun, Term, decode, encode
from distwall.handlers.fun_checker import RefusedFunError, checked

ALLOWED = {"inventory:touch/1", "lists:map/2", "lists:max/1", "erlang:nodes/0", "erpc:multicast/2", "erlang:spawn/1"}
ALLOWED |= {"erlang:length/1", "erpc:cast/4", "io:format/2"}


def accepts(module: str, function: str, arity: int) -> bool:
    return f"{module}:{function}/{arity}" in ALLOWED or module == "trusted"


PASS = {
    "one call": "fun() -> inventory:touch(1) end",
    "the proposal's line with an allowed call": "fun H() -> erpc:multicast(nodes(), H), inventory:touch(1) end",
    "recursion": "fun H(N) -> case N of 0 -> done; _ -> H(N - 1) end end",
    "all that is harmless": (
        "fun(A, #{k := V} = M) when is_list(A), length(A) > 1 -> B = [X * 2 || X <- A, X > 1],"
        ' <<C:8, _/binary>> = <<"abc">>, try {B, C, V, M#{k => "s"}, $c, 1.5, -1} catch _:_ -> [h | t] after ok end end'
    ),
    "a comprehension": "fun(L) -> [inventory:touch(X) || X <- L] end",
    "a fun inside": "fun(L) -> lists:map(fun(X) -> inventory:touch(X) end, L) end",
    "a spawn of a fun inside": "fun() -> spawn(fun() -> inventory:touch(1) end) end",
    "an export inside": "fun(L) -> lists:map(fun inventory:touch/1, L) end",
    "a literal function to run": "fun() -> erpc:cast(n, inventory, touch, [1]) end",
    "called where it stands": "fun() -> (fun(X) -> inventory:touch(X) end)(1) end",
    "receive": "fun() -> receive {a, X} -> X after 10 -> none end end",
    "a built-in function": "fun(L) -> length(L) end",
    "an if": "fun(X) -> if X > 1 -> a; true -> b end end",
}
REFUSE = {
    "the proposal's line": ("fun H() -> erpc:multicast(nodes(), H), erlang:halt(1) end", "erlang:halt/1"),
    "without a module": ("fun() -> halt(1) end", "erlang:halt/1"),
    "in a list": ("fun() -> [1, os:cmd(x) | []] end", "os:cmd/1"),
    "in a tuple": ("fun() -> {1, {os:cmd(x)}} end", "os:cmd/1"),
    "in a map": ("fun() -> #{a => os:cmd(x)} end", "os:cmd/1"),
    "as a map's key": ("fun() -> #{os:cmd(x) => 1} end", "os:cmd/1"),
    "in an update of a map": ("fun(M) -> M#{a := os:cmd(x)} end", "os:cmd/1"),
    "in a binary": ("fun() -> <<(os:cmd(x)):8>> end", "os:cmd/1"),
    "as a size": ("fun() -> <<1:(os:cmd(x))>> end", "os:cmd/1"),
    "in a comprehension": ("fun(L) -> [os:cmd(X) || X <- L] end", "os:cmd/1"),
    "in a generator": ("fun() -> [X || X <- os:cmd(x)] end", "os:cmd/1"),
    "in a filter": ("fun(L) -> [X || X <- L, os:cmd(X)] end", "os:cmd/1"),
    "in a binary comprehension": ("fun() -> << <<(os:cmd(X))>> || <<X>> <= <<1>> >> end", "os:cmd/1"),
    "in a case": ("fun() -> case os:cmd(x) of _ -> ok end end", "os:cmd/1"),
    "in a clause": ("fun(X) -> case X of 1 -> os:cmd(x); _ -> ok end end", "os:cmd/1"),
    "in a catch": ("fun() -> catch os:cmd(x) end", "os:cmd/1"),
    "in a try": ("fun() -> try a of _ -> os:cmd(x) catch _:_ -> ok end end", "os:cmd/1"),
    "in its after": ("fun() -> try a after os:cmd(x) end end", "os:cmd/1"),
    "in an after of receive": ("fun() -> receive after os:cmd(x) -> ok end end", "os:cmd/1"),
    "in an argument": ("fun() -> inventory:touch(os:cmd(x)) end", "os:cmd/1"),
    "in an operator": ("fun() -> 1 + os:cmd(x) end", "os:cmd/1"),
    "in a block": ("fun() -> begin ok, os:cmd(x) end end", "os:cmd/1"),
    "in an if's body": ("fun(X) -> if X -> os:cmd(x) end end", "os:cmd/1"),
    "in a fun inside": ("fun(L) -> lists:map(fun(X) -> os:cmd(X) end, L) end", "os:cmd/1"),
    "in a named fun inside": ("fun() -> fun F() -> os:cmd(x), F() end end", "os:cmd/1"),
    "an export": ("fun(L) -> lists:map(fun os:cmd/1, L) end", "os:cmd/1"),
    "a send": ("fun() -> init ! {stop, stop} end", "erlang:!/2"),
    "apply": ("fun() -> apply(os, cmd, [x]) end", "erlang:apply/3"),
    "a variable": ("fun(F) -> F(x) end", "known only at run time"),
    "a variable for the module": ("fun(M) -> M:cmd(x) end", "known only at run time"),
    "a variable for the function": ("fun(F) -> os:F(x) end", "known only at run time"),
    "what a call returns": ("fun() -> (inventory:touch(1))(x) end", "known only at run time"),
    "another function of a named fun's name": ("fun H() -> fun(G) -> G() end end", "known only at run time"),
    "an unreadable function to run": ("fun(F) -> erpc:cast(n, os, F, [1]) end", "known only at run time"),
    "a literal one that is not allowed": ("fun() -> erpc:cast(n, os, cmd, [x]) end", "os:cmd/1"),
    "unreadable arguments": ("fun(A) -> erpc:cast(n, inventory, touch, A) end", "known only at run time"),
    "a spawned variable": ("fun(F) -> spawn(F) end", "known only at run time"),
    "multicast of another fun": ("fun(F) -> erpc:multicast(nodes(), F) end", "known only at run time"),
    "a fun made of names": ("fun() -> fun(M) -> fun M:f/1 end end", "known only at run time"),
    "a function of the shell": ("fun() -> c(hack) end", "erlang:c/1"),
    "a fun of the shell": ("fun() -> fun c/1 end", "a `fun`"),
}


@cache
def typed() -> Mapping[str, bytes]:
    """The funs above as a real shell makes them, by their text."""
    texts = [*PASS.values(), *(text for text, _ in REFUSE.values()), *OTHERS.values()]
    lines = "".join(f'io:format("~n=~s~n", [base64:encode(term_to_binary({text}))]).\n' for text in texts)
    bound = "Secret = fun os:cmd/1.\nEvil = fun() -> os:cmd(x) end.\n"
    shell = subprocess.run(
        ["erl"], input=f"{bound}{lines}halt().\n", stdout=subprocess.PIPE, text=True, check=True, timeout=60
    ).stdout
    found = [base64.b64decode(line[1:]) for line in shell.splitlines() if line.startswith("=")]
    assert len(found) == len(texts), shell
    return dict(zip(texts, found, strict=True))


OTHERS = {
    "not allowed": "fun() -> {Secret} end",
    "a fun": "fun() -> {Evil} end",
}


def fun(text: str) -> Fun:
    term, _ = decode(typed()[text], 1)
    assert isinstance(term, Fun)
    return term


@pytest.mark.parametrize("name", PASS)
def test_a_fun_that_calls_only_what_is_allowed_passes(name: str) -> None:
    made = checked(fun(PASS[name]), accepts)
    assert isinstance(made, Fun)
    environment = made.free[0]
    assert isinstance(environment, tuple)
    assert environment[2:4] == (Atom("none"), Atom("none")), "nobody else is asked about its calls"


@pytest.mark.parametrize("name", REFUSE)
def test_a_fun_that_calls_anything_else_is_refused(name: str) -> None:
    text, why = REFUSE[name]
    with pytest.raises(RefusedFunError) as caught:
        checked((Atom("x"), [fun(text)]), accepts)
    assert why in str(caught.value)


@pytest.mark.parametrize("name", ["not allowed", "a fun"])
def test_its_variables_are_looked_at(name: str) -> None:
    with pytest.raises(RefusedFunError, match="os:cmd/1"):
        checked(fun(OTHERS[name]), accepts)


CMD = Export(Atom("os"), Atom("cmd"), 1)


def _body(form: Term) -> Term:
    """Clauses that pass ``form`` to a function which is allowed."""
    call = (Atom("remote"), 1, (Atom("atom"), 1, Atom("lists")), (Atom("atom"), 1, Atom("map")))
    return [(Atom("clause"), 1, [], [], [(Atom("call"), 1, call, [form, (Atom("nil"), 1)])])]


def _changed(change: Callable[[list[Term]], None]) -> Fun:
    original = fun(PASS["one call"])
    environment = original.free[0]
    assert isinstance(environment, tuple)
    parts = list(environment)
    change(parts)
    return Fun(**{f: getattr(original, f) for f in Fun.__slots__ if f != "free"}, free=(tuple(parts),))


FORGED: dict[str, Callable[[list[Term]], None]] = {
    "a clause that is none": lambda parts: parts.__setitem__(5, [(Atom("clause"), 1, [], [])]),
    "clauses that are none": lambda parts: parts.__setitem__(5, Atom("clauses")),
    "a form that nobody knows": lambda parts: parts.__setitem__(
        5, [(Atom("clause"), 1, [], [], [(Atom("evil"), 1, (Atom("call"), 1, (Atom("atom"), 1, Atom("halt")), []))])]
    ),
    "a call in the place of a plain form": lambda parts: parts.__setitem__(
        5, [(Atom("clause"), 1, [], [], [(Atom("value"), 1, Export(Atom("os"), Atom("cmd"), 1))])]
    ),
    "a fun in the place of an atom": lambda parts: parts.__setitem__(5, _body((Atom("atom"), 1, CMD))),
    "a fun in the place of an integer": lambda parts: parts.__setitem__(5, _body((Atom("integer"), 1, CMD))),
    "a fun in a string": lambda parts: parts.__setitem__(5, _body((Atom("string"), 1, [CMD]))),
    "a fun in the place of a variable": lambda parts: parts.__setitem__(5, _body((Atom("var"), 1, CMD))),
    "too short": lambda parts: parts.__delitem__(-1),
    "too long": lambda parts: parts.extend([Atom("a"), Atom("b")]),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_environments_are_refused(name: str) -> None:
    with pytest.raises(RefusedFunError):
        checked(_changed(FORGED[name]), accepts)


def test_the_evaluators_functions_are_taken_out() -> None:
    """In their place somebody could have put any function, which would be given each call."""
    evil = (Atom("value"), Export(Atom("os"), Atom("cmd"), 2))
    made = checked(_changed(lambda parts: parts.__setitem__(slice(2, 4), [evil, evil])), accepts)
    assert "'os'" not in str(made)


def test_compiled_funs_are_judged_as_their_module() -> None:
    original = fun(PASS["one call"])
    for module, fine in (("trusted", True), ("inventory", False)):
        compiled = Fun(0, original.uniq, 0, Atom(module), 0, 0, original.pid, ())
        if fine:
            assert checked([compiled], accepts) == [compiled]
        else:
            with pytest.raises(RefusedFunError, match=f"a fun of {module}"):
                checked([compiled], accepts)


def test_it_still_runs(tmp_path: Path) -> None:
    """What comes out is a fun that a real node runs."""
    for name, text in {"a": "fun H(N) -> case N of 0 -> done; _ -> H(N - 1) end end"}.items():
        (tmp_path / name).write_bytes(b"\x83" + encode(checked(fun(text), accepts)))
    code = f'{{ok, B}} = file:read_file("{tmp_path}/a"), io:format("~p", [(binary_to_term(B))(5)]), halt().'
    assert subprocess.run(["erl", "-noshell", "-eval", code], stdout=subprocess.PIPE, check=True).stdout == b"done"
