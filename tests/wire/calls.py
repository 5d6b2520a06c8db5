"""Functions that call what their arguments name, each with arguments for a call of ``called:one/1`` or ``zero/0``.

One list serves two tests: a real node is asked whether the call happens, and the core whether it sees it.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.core_channel import GUARD
from tests.support.etf import Atom, Export, Pid, Ref, Term

HERE = Atom(GUARD)
"""Stands for the node that runs the call."""

M, F0, F1 = Atom("called"), Atom("zero"), Atom("one")
LEADER = Pid(HERE, 0, 0, 0)
MFA = (M, F1, [Atom("x")])
ZERO, ONE = Export(M, F0, 0), Export(M, F1, 1)
ARGS = [Atom("x")]
NO: list[Term] = []
SECOND = Atom("second")


@dataclass(frozen=True)
class Wrapped:
    module: str
    function: str
    arguments: tuple[Term, ...]
    zero: bool = False
    """It calls ``zero/0``."""
    since: int = 25
    """The release of OTP that has it."""
    until: int = 99
    """The last release that has it."""
    waits: bool = False
    """It calls when its process gets a message."""

    def __str__(self) -> str:
        return f"{self.module}:{self.function}/{len(self.arguments)}"


def spawning(module: str, function: str) -> list[Wrapped]:
    return [
        Wrapped(module, function, (ZERO,), zero=True),
        Wrapped(module, function, (HERE, ZERO), zero=True),
        Wrapped(module, function, MFA),
        Wrapped(module, function, (HERE, *MFA)),
    ]


def with_options(module: str, function: str) -> list[Wrapped]:
    return [
        Wrapped(module, function, (ZERO, NO), zero=True),
        Wrapped(module, function, (HERE, ZERO, NO), zero=True),
        Wrapped(module, function, (*MFA, NO)),
        Wrapped(module, function, (HERE, *MFA, NO)),
    ]


def remote(
    module: str, function: str, *, nodes: bool = False, timeout: bool = False, funs: bool = True
) -> list[Wrapped]:
    where: Term = [HERE] if nodes else HERE
    made = [Wrapped(module, function, (where, *MFA))]
    if funs:
        made.append(Wrapped(module, function, (where, ZERO), zero=True))
    if timeout:
        made.append(Wrapped(module, function, (where, *MFA, 5000)))
        if funs:
            made.append(Wrapped(module, function, (where, ZERO, 5000), zero=True))
    return made


def later(function: str, since: int = 25) -> list[Wrapped]:
    return [
        Wrapped("timer", function, (1, *MFA), since=since),
        Wrapped("timer", function, (1, ZERO), zero=True, since=27),
        Wrapped("timer", function, (1, ONE, ARGS), since=27),
    ]


WRAPPED: list[Wrapped] = [
    Wrapped("erlang", "apply", MFA),
    Wrapped("erlang", "apply", (ONE, ARGS)),
    Wrapped("erlang", "hibernate", MFA, waits=True),
    *spawning("erlang", "spawn"),
    *spawning("erlang", "spawn_link"),
    *spawning("erlang", "spawn_monitor"),
    *with_options("erlang", "spawn_opt"),
    *spawning("erlang", "spawn_request"),
    *with_options("erlang", "spawn_request"),
    Wrapped("erpc", "execute_call", MFA),
    Wrapped("erpc", "execute_call", (Ref(HERE, 1, (1, 2, 3)), *MFA)),
    Wrapped("erpc", "execute_cast", MFA),
    *remote("erpc", "call", timeout=True),
    *remote("erpc", "cast"),
    *remote("erpc", "send_request"),
    *remote("erpc", "multicall", nodes=True, timeout=True),
    *remote("erpc", "multicast", nodes=True),
    *remote("rpc", "call", timeout=True, funs=False),
    *remote("rpc", "block_call", timeout=True, funs=False),
    *remote("rpc", "cast", funs=False),
    *remote("rpc", "async_call", funs=False),
    *remote("rpc", "multicall", nodes=True, timeout=True, funs=False),
    *remote("rpc", "eval_everywhere", nodes=True, funs=False),
    *spawning("proc_lib", "spawn"),
    *spawning("proc_lib", "spawn_link"),
    *with_options("proc_lib", "spawn_opt"),
    *(
        Wrapped("proc_lib", function, (*MFA, *more))
        for function in ("start", "start_link", "start_monitor")
        for more in ((), (50,), (50, NO))
    ),
    Wrapped("proc_lib", "init_p", (Atom("parent"), NO, ZERO), zero=True),
    Wrapped("proc_lib", "init_p", (Atom("parent"), NO, *MFA)),
    Wrapped("proc_lib", "hibernate", MFA, waits=True),
    Wrapped("proc_lib", "wake_up", MFA),
    Wrapped("timer", "tc", (ZERO,), zero=True),
    Wrapped("timer", "tc", (ONE, ARGS)),
    Wrapped("timer", "tc", MFA),
    Wrapped("timer", "tc", (ZERO, SECOND), zero=True, since=26),
    Wrapped("timer", "tc", (ONE, ARGS, SECOND), since=26),
    Wrapped("timer", "tc", (*MFA, SECOND), since=26),
    Wrapped("error_handler", "undefined_function", MFA),
    Wrapped("error_handler", "undefined_lambda", (M, ONE, ARGS)),
    Wrapped("erts_code_purger", "pending_purge_lambda", (M, ONE, ARGS)),
    Wrapped("net_kernel", "spawn_func", (Atom("nolink"), (LEADER, Atom("tag")), *MFA, LEADER)),
    Wrapped("c", "appcall", (Atom("app"), *MFA)),
    Wrapped("pool", "do_spawn", (LEADER, *MFA)),
    Wrapped("fprof", "apply", MFA),
    Wrapped("Elixir.Kernel", "apply", MFA),
    Wrapped("Elixir.Kernel", "apply", (ONE, ARGS)),
    *(
        Wrapped("Elixir.Kernel", name, arguments, zero=len(arguments) == 1)
        for name in ("spawn", "spawn_link", "spawn_monitor")
        for arguments in ((ZERO,), MFA)
    ),
    *with_options("Elixir.Node", "spawn")[1:2],
    *with_options("Elixir.Node", "spawn")[3:],
    *(
        Wrapped("Elixir.Node", name, arguments, zero=len(arguments) == 2)
        for name in ("spawn", "spawn_link", "spawn_monitor")
        for arguments in ((HERE, ZERO), (HERE, *MFA))
    ),
    *with_options("Elixir.Process", "spawn")[::2],
    Wrapped("Elixir.Process", "hibernate", MFA, waits=True),
    *(
        Wrapped("Elixir.Task", name, arguments, zero=len(arguments) == 1)
        for name in ("start", "start_link", "async")
        for arguments in ((ZERO,), MFA)
    ),
    # Those that go on calling come last.
    *later("apply_after"),
    *later("apply_interval"),
    *later("apply_repeatedly", since=26),
]
