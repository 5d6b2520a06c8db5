"""What stays in a VM for good, and what is larger than anybody needs."""

from collections.abc import Sequence

from tests.attacks.corpus.attack import COLLECTOR, Attack, Prey
from tests.support.dist import EMPTY, Message, Op, message, plain
from tests.support.etf import Atom, Fun, Pid
from tests.support.raw_peer import Connection

TABLE = """fun() ->
    {match, Found} = re:run(erlang:system_info(info), "=hash_table:NAME[^=]*?objs: ([0-9]+)",
        [global, {capture, all_but_first, list}]),
    lists:sum([list_to_integer(N) || [N] <- Found])
end()"""
LIMITS = "limits = { new_atoms = 500, new_funs = 100 }"
ATOMS = "persistent_term:put(before, erlang:system_info(atom_count))"
MORE_ATOMS = "erlang:system_info(atom_count) - persistent_term:get(before) > 1900"
FRESH = "list_to_atom(binary_to_list(element(2, Mark)) ++ integer_to_list(N))"


def table(name: str) -> str:
    """How many entries a table of the VM has."""
    return TABLE.replace("NAME", name)


def grown(name: str) -> str:
    return f"{table(name)} - persistent_term:get(before) > 1900"


def names(prey: Prey, count: int) -> list[Atom]:
    assert isinstance(prey.mark, tuple)
    return [Atom(f"{prey.mark[1]!r}{number}") for number in range(count)]


def inline(c: Connection, prey: Prey) -> bytes:
    control = (6, c.pid(), EMPTY, Atom("target"))
    return b"".join(plain(control, [*names(prey, 2000)[at : at + 50]]) for at in range(0, 2000, 50))


def pids(c: Connection, prey: Prey) -> Sequence[Message]:
    to = Atom("target")
    return [
        message(Op.REG_SEND, c.pid(), EMPTY, to, payload=Pid(Atom(f"{name}@h"), 1, 0, 1)) for name in names(prey, 2000)
    ]


def spawns(c: Connection, prey: Prey) -> Sequence[Message]:
    return [
        message(Op.SPAWN_REQUEST, c.ref(), c.pid(), c.pid(), (Atom("m"), name, 0), [], payload=[])
        for name in names(prey, 2000)
    ]


def fun_tables(c: Connection, prey: Prey) -> Sequence[Message]:
    to = Atom("target")
    return [
        message(
            *(Op.REG_SEND, c.pid(), EMPTY, to),
            payload=Fun(Atom("m"), 1, number.to_bytes(16), number, 1, number, c.pid()),
        )
        for number in range(2000)
    ]


ATTACKS = [
    Attack(
        name="atoms by the cache",
        alone=True,
        does="2,000 new atoms in the headers of messages: 12 MB of them would end the VM",
        policy=["accept reg_send target"],
        settings=LIMITS,
        reason="limit:new_atoms",
        setup=f"{COLLECTOR}, {ATOMS}",
        erlang=f"[To ! {FRESH} || N <- lists:seq(1, 2000)], ok",
        effect=MORE_ATOMS,
        fragments=False,
    ),
    Attack(
        name="atoms in what is refused",
        alone=True,
        does="the same in messages to a name that nobody may send to: the VM makes the atoms all the same",
        policy=["accept reg_send target"],
        reason="default",
        setup=ATOMS,
        erlang=f"[{{nobody, G}} ! {FRESH} || N <- lists:seq(1, 2000)], ok",
        effect=MORE_ATOMS,
        fragments=False,
    ),
    Attack(
        name="atoms inline",
        alone=True,
        does="the same written out in the messages, past the cache",
        policy=["accept reg_send target"],
        settings=LIMITS,
        reason="limit:new_atoms",
        setup=f"{COLLECTOR}, {ATOMS}",
        frames=inline,
        effect=MORE_ATOMS,
    ),
    Attack(
        name="atoms as node names",
        alone=True,
        does="the same as nodes of pids",
        policy=["accept reg_send target"],
        reason="third_node",
        setup=f"{COLLECTOR}, {ATOMS}",
        frames=pids,
        effect=MORE_ATOMS,
    ),
    Attack(
        name="atoms as functions",
        alone=True,
        does="the same as functions to spawn",
        policy=["accept *", "deny spawn_request"],
        reason="rule",
        setup=ATOMS,
        frames=spawns,
        effect=MORE_ATOMS,
    ),
    Attack(
        name="exports",
        alone=True,
        does="2,000 external funs; each has an entry in the VM's export table for good, which holds 524,288",
        policy=["accept reg_send target"],
        settings=f"funs = true\n{LIMITS}",
        reason="limit:new_funs",
        setup=f"{COLLECTOR}, persistent_term:put(before, {table('export_list')})",
        erlang="[To ! erlang:make_fun(M, F, N) || M <- [lists, maps, sets, erlang], F <- [a, b],"
        " N <- lists:seq(0, 250)], ok",
        effect=grown("export_list"),
    ),
    Attack(
        name="funs",
        alone=True,
        does="2,000 funs of as many modules; each stays in the VM's table of funs",
        policy=["accept reg_send target"],
        settings=f"funs = true\n{LIMITS}",
        reason="limit:new_funs",
        setup=f"{COLLECTOR}, persistent_term:put(before, {table('fun_table')})",
        frames=fun_tables,
        effect=grown("fun_table"),
    ),
    Attack(
        name="funs where none are wanted",
        does="sends a process a fun, which it might call",
        policy=["accept reg_send target"],
        by_pid=["accept send"],
        reason="funs",
        setup=COLLECTOR,
        erlang="To ! fun() -> Mark end, ok",
        effect="lists:any(fun(M) -> is_function(M, 0) end, probe:got(target))",
    ),
    Attack(
        name="a huge integer",
        does="an integer of 100,000 bytes: printing one takes quadratic time",
        policy=["accept reg_send target"],
        by_pid=["accept send"],
        reason="limit:bigint_bytes",
        setup=COLLECTOR,
        erlang="To ! 1 bsl 800000, ok",
        effect="probe:got(target) =/= []",
    ),
    Attack(
        name="a deep term",
        does="a list nested 100,000 levels deep",
        policy=["accept reg_send target"],
        by_pid=["accept send"],
        reason="term_depth",
        closes=True,
        setup=COLLECTOR,
        erlang="To ! lists:foldl(fun(_, T) -> [T] end, [], lists:seq(1, 100000)), ok",
        effect="probe:got(target) =/= []",
    ),
    Attack(
        name="a huge message",
        does="a message of 2 MB",
        policy=["accept *"],
        settings="limits = { message_size = 1000000 }",
        reason="message_size",
        closes=True,
        setup=COLLECTOR,
        erlang="To ! binary:copy(<<0>>, 2000000), ok",
        effect="probe:got(target) =/= []",
    ),
]
