"""What the pages of services say of an attacker: it is true, through distwall and under that service alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from tests.support.attack_scene import HIDDEN, OPEN, AttackScene
from tests.support.dist import EMPTY, OTP_25, Op, message
from tests.support.etf import Atom, Export, Map, Pid, Term
from tests.support.node import Node
from tests.support.raw_peer import Connection
from tests.support.scene import GUARD, Scene
from tests.support.wall import Peer

A = Atom
FOO = "foo@127.0.0.1"


@dataclass(frozen=True)
class Line:
    """A line of a page, and a peer that does as it says."""

    service: str
    do: Callable[[Connection, Node], object]
    effect: str
    """An Erlang expression for the guarded node, which is true in the end."""
    setup: str = "ok"
    more: Sequence[str] = ()
    """Rules beside the service."""
    visible: bool = False
    """True if the peer is a node of the mesh, whose messages may carry funs."""


def asks(name: str, *request: Term) -> Callable[[Connection, Node], object]:
    return lambda peer, _: peer.call(name, request)


def sends(*payload: Term, to: str) -> Callable[[Connection, Node], object]:
    return lambda peer, _: peer.reg_send(to, payload)


def reaches_what_is_listed(peer: Connection, _: Node) -> None:
    """Finds a process that nobody has told it of."""
    peer.spawn("observer_backend", "procs_info", [peer.pid()])
    peer.receive(0.5)
    for one in peer.log:
        if isinstance(one.payload, tuple) and one.payload[0] == A("procs_info"):
            assert isinstance(one.payload[2], list)
            (found,) = [row for row in one.payload[2] if isinstance(row, tuple) and A("patient_collector") in row]
            peer.send(message(Op.SEND_SENDER, peer.pid(), found[1], payload=A("surprise")))


def registers(peer: Connection, _: Node) -> None:
    peer.call(
        "global_name_server", (A("register"), A("free"), peer.pid(), Export(A("global"), A("random_exit_name"), 3))
    )


def holds_a_lock(peer: Connection, _: Node) -> None:
    assert peer.call("global_name_server", (A("set_lock"), (A("bank"), peer.pid()))) == A("true")


def logs(peer: Connection, _: Node, **metadata: Term) -> None:
    found = Map(((A("pid"), peer.pid()), *((A(key), value) for key, value in metadata.items())))
    peer.reg_send("logger_proxy", (A("log"), A("emergency"), [ord(c) for c in "forged ~p"], [1], found))


def reads_a_dictionary(peer: Connection, bar: Node) -> None:
    bar.eval("probe:do(patient_collector, fun() -> put(a, secret) end)")
    bar.eval(f"{{nobody, '{OPEN}'}} ! {{see, whereis(patient_collector)}}")
    seen = peer.wait_for(Op.REG_SEND).payload
    assert isinstance(seen, tuple)
    assert "secret" in str(peer.erpc("erlang", "process_info", [seen[1], A("dictionary")]))


def asks_for_statistics(peer: Connection, _: Node) -> None:
    """As often as it can, and its processes have no use for their links any more."""
    for word in range(QUESTIONS):
        answer = peer.spawn("observer_backend", "fetch_stats", [peer.pid(word), 10000], options=[A("link")])
        if isinstance(answer, Pid):
            peer.send(message(Op.UNLINK_ID, word + 1, peer.pid(), answer))


OWN_FILTER = (
    "Own = fun(#{meta := #{key := Key}}, _) -> binary_to_atom(Key); (Event, _) -> Event end,"
    "logger:add_handler_filter(default, own, {Own, 0})"
)
LOCKED = "not global:set_lock({bank, self()}, [node()], 0)"

QUESTIONS = 20
STREAMS = (
    "length([P || P <- processes(), process_info(P, current_function) =:= "
    "{current_function, {observer_backend, fetch_stats_loop, 2}}])"
)

LINES = {
    "gen_event: an event at which a handler fails removes it": Line(
        "gen_event patient_event",
        sends(A("notify"), A("fail"), to="patient_event"),
        "gen_event:which_handlers(patient_event) =:= []",
    ),
    "observer: what it lists is shown to the peer": Line(
        "observer",
        reaches_what_is_listed,
        "probe:got(patient_collector) =:= [surprise]",
        more=("accept send to exposed",),
    ),
    "global: it registers a free name": Line("global", registers, "is_pid(global:whereis_name(free))", visible=True),
    "global: it unregisters a name": Line(
        "global",
        asks("global_name_server", A("unregister"), A("mine")),
        "global:whereis_name(mine) =:= undefined",
        setup="yes = global:register_name(mine, whereis(patient_collector))",
        visible=True,
    ),
    "global: it holds a lock": Line("global", holds_a_lock, LOCKED, visible=True),
    "observer: it reads what a process has in its dictionary": Line(
        "observer",
        reads_a_dictionary,
        "true",
    ),
    "observer: questions about statistics leave 16 processes, as long as the peer is there": Line(
        "observer",
        asks_for_statistics,
        f"{STREAMS} =:= 16",
    ),
    "observer: it loads runtime_tools": Line(
        "observer",
        lambda peer, _: peer.erpc("observer_backend", "vsn", []),
        "lists:keymember(runtime_tools, 1, application:loaded_applications())",
    ),
    "logger: it writes into the log": Line(
        "logger", logs, "binary:match(element(2, file:read_file(os:getenv(\"LOG\"))), <<\"forged 1\">>) =/= nomatch"
    ),
    "logger: a filter of your own that fails is removed": Line(
        "logger",
        lambda peer, bar: logs(peer, bar, key=1),
        "{ok, #{filters := Filters}} = logger:get_handler_config(default), not lists:keymember(own, 1, Filters)",
        setup=OWN_FILTER,
    ),
    "ping: it learns that the node is up": Line("ping", asks("net_kernel", A("is_auth"), A(OPEN)), "true"),
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_a_line_of_a_page_is_true(name: str) -> None:
    line = LINES[name]
    extra = "funs = true" if line.visible else ""
    flags = OTP_25 if line.visible else HIDDEN
    rules = {OPEN: ["deny *", f"accept {line.service}", *line.more]}
    with AttackScene(rules, extra=extra, visible=line.visible) as scene:
        bar = scene.bar
        bar.load("patient")
        bar.eval(f'os:putenv("LOG", "{bar.log}"), patient:start()')
        with scene.connect(OPEN, flags=flags) as peer:
            bar.eval(line.setup)
            before = bar.eval(line.effect)
            line.do(peer, bar)
            assert bar.eval(f"probe:until(fun() -> {line.effect} end, 5000)") == "true"
            assert before == "false" or line.effect == "true"


def flood_of_events(scene: AttackScene, peer: Connection) -> str:
    """Logs as much as it can for two seconds, while the node logs twenty events of its own; how many of these came."""
    bar = scene.bar
    bar.eval(f'os:putenv("LOG", "{bar.log}")')
    own = '[begin logger:error("own ~p", [N]), timer:sleep(100) end || N <- lists:seq(1, 20)]'
    pending = bar.begin(f"{own}, timer:sleep(500), ok")
    found = Map(((A("pid"), peer.pid()),))
    event: Term = (A("log"), A("error"), [ord(c) for c in "forged"], [], found)
    flood = peer.sender.bytes(*[message(Op.REG_SEND, peer.pid(), EMPTY, A("logger_proxy"), payload=event)] * 100)
    end = time.monotonic() + 2
    while time.monotonic() < end:
        peer.send_raw(flood)
    assert pending.result(30) == "ok"
    return bar.eval('length(re:split(element(2, file:read_file(os:getenv("LOG"))), "own [0-9]+")) - 1')


def test_a_flood_of_log_events_leaves_room_for_those_of_the_node() -> None:
    with AttackScene({OPEN: ["deny *", "accept logger"]}) as scene, scene.connect() as peer:
        assert flood_of_events(scene, peer) == "20"
        assert "limit:log_events_per_second " in scene.reasons()
    with AttackScene(None) as scene, scene.connect() as peer:
        assert int(flood_of_events(scene, peer)) < 20


def streams_after(rules: list[str] | None, ends: Callable[[Connection, Pid], object]) -> str:
    """Processes that go on answering `observer` when their peer has gone; it has ended its links in that way."""
    with AttackScene(None if rules is None else {OPEN: ["deny *", *rules]}) as scene:
        with scene.connect() as peer:
            for _ in range(10):
                made = peer.spawn("observer_backend", "fetch_stats", [peer.pid(), 10000], options=[A("link")])
                assert isinstance(made, Pid)
                ends(peer, made)
            peer.receive(0.5)
        scene.bar.wait_until("nodes(connected) =:= []")
        if rules is not None:
            scene.bar.wait_until(f"{STREAMS} =:= 0")
        return scene.bar.eval(STREAMS)


def unlinks(peer: Connection, made: Pid) -> None:
    peer.send(message(Op.UNLINK_ID, 1, peer.pid(), made))


def goes_on(_: Connection, __: Pid) -> None:
    pass


def ends_normally(peer: Connection, made: Pid) -> None:
    peer.send(message(Op.PAYLOAD_EXIT, peer.pid(), made, payload=A("normal")))


@pytest.mark.parametrize("ends", [unlinks, goes_on, ends_normally])
def test_observer_nothing_goes_on_when_the_peer_has_gone(ends: Callable[[Connection, Pid], object]) -> None:
    assert streams_after(["accept observer"], ends) == "0"


def test_without_distwall_it_would_go_on() -> None:
    assert streams_after(None, unlinks) == "10"


def test_gen_event_an_event_of_otps_own_manager_stops_the_node() -> None:
    with AttackScene({OPEN: ["deny *", "accept gen_event erl_signal_server"]}) as scene, scene.connect() as peer:
        peer.reg_send("erl_signal_server", (A("notify"), A("sigterm")))
        end = time.monotonic() + 20
        while scene.alive():
            assert time.monotonic() < end
            time.sleep(0.1)


CHANNELS = A("Elixir.Phoenix.Channel.Server")


def broadcast(payload: Term, topic: Term = b"topic", event: Term = b"event") -> Term:
    struct = (A("__struct__"), A("Elixir.Phoenix.Socket.Broadcast"))
    return Map((struct, (A("topic"), topic), (A("event"), event), (A("payload"), payload)))


def adapter_after(sent: list[Term], *, open_to_all: bool = False, wait: int = 5000) -> str:
    """What broadcasts of an endpoint do to the adapter: `passed_on`, `ended`, `nothing`, or `all_ended`.

    ``wait``: milliseconds until nothing has happened.
    """
    rules = None if open_to_all else {OPEN: ["deny *", "accept phoenix_pubsub adapter"]}
    other = "begin P = whereis(adapter), is_pid(P) andalso P =/= persistent_term:get(adapter) end"
    all_ended = "whereis(pubsub_supervisor) =:= undefined"
    with AttackScene(rules) as scene, scene.connect() as peer:
        bar = scene.bar
        bar.load("adapter")
        bar.eval("adapter:start()")
        happened = "nothing"
        for one in sent:
            peer.reg_send("adapter", (A("forward_to_local"), b"topic", one, CHANNELS))
            bar.eval(f"probe:until(fun() -> {all_ended} orelse {other} orelse probe:got(client) =/= [] end, {wait})")
            happened = bar.eval(
                f"case {{{all_ended}, {other}, probe:got(client)}} of {{true, _, _}} -> all_ended;"
                " {_, true, _} -> ended; {_, _, []} -> nothing; _ -> passed_on end"
            )
            bar.eval("persistent_term:put(adapter, whereis(adapter))")
        return happened


@pytest.mark.parametrize("payload", [Map(((b"id", 1),)), (A("binary"), b"\xff"), Map(())])
def test_phoenix_pubsub_broadcasts_of_an_endpoint_pass(payload: Term) -> None:
    assert adapter_after([broadcast(payload)]) == "passed_on"


@pytest.mark.parametrize(
    "sent",
    [
        broadcast([b"a", b"list"]),
        broadcast((A("binary"), 1)),
        broadcast((A("binary"), b"x"), topic=A("topic")),
        broadcast((A("binary"), b"x"), event=1),
        Map(((A("__struct__"), A("Elixir.Phoenix.Socket.Broadcast")),)),
    ],
)
def test_phoenix_pubsub_no_broadcast_of_a_wrong_type_ends_the_adapter(sent: Term) -> None:
    assert adapter_after([sent], open_to_all=True) == "ended"
    assert adapter_after([sent], wait=300) == "nothing"


@pytest.mark.parametrize("value", [Pid(A(OPEN), 1, 0, 1), (1, 2), b"\xff"])
def test_phoenix_pubsub_a_value_that_json_lacks_ends_the_adapter(value: Term) -> None:
    assert adapter_after([broadcast(Map(((b"id", value),)))]) == "ended"


def test_phoenix_pubsub_four_of_them_end_all_adapters() -> None:
    assert adapter_after([broadcast(Map(((b"id", (1, 2)),)))] * 4) == "all_ended"


def test_global_disconnects_the_node_from_another_one() -> None:
    rules = ["deny *", "accept global"]
    scene = AttackScene({OPEN: rules, FOO: rules}, extra="funs = true", visible=True)
    with scene, scene.connect(FOO, flags=OTP_25) as foo, scene.connect(OPEN, flags=OTP_25) as peer:
        locker = (A("locker"), A("no_longer_a_pid"), Map(()), foo.pid())
        foo.reg_send("global_name_server", (A("$gen_cast"), (A("init_connect"), (8, 1), foo.name, locker)))
        scene.bar.wait_until(f"lists:member('{FOO}', nodes())")
        foo.receive(0.5)
        peer.reg_send("global_name_server", (A("remove_connection"), A(FOO)))
        scene.bar.wait_until(f"not lists:member('{FOO}', nodes())")


@contextmanager
def mesh(*services: str) -> Iterator[tuple[Node, Node]]:
    """A guarded node and a peer of its mesh, before they have met."""
    rules = ["deny *", "accept ping", "accept global", *(f"accept {service}" for service in services)]
    with Scene([Peer(rules, visible=True, extra="funs = true")]) as scene:
        yield scene.guard(), scene.peer()


def test_global_runs_a_function_of_the_peer_that_takes_a_name_over() -> None:
    """The peer registers a process of the guarded node, with a function of its own for the case of a conflict."""
    with mesh() as (bar, foo):
        idle = "spawn(fun() -> timer:sleep(infinity) end)"
        theirs = bar.term(idle)
        decide = "fun(_, Pid, _) -> persistent_term:put(ran, node()), Pid end"
        foo.eval(f"pong = net_adm:ping('{GUARD}'), global:sync()")
        foo.eval(f"yes = global:register_name(name, {theirs}, {decide})")
        assert bar.eval("node(global:whereis_name(name))") == f"'{GUARD}'"
        foo.eval(f"erlang:disconnect_node('{GUARD}')")
        foo.wait_until("global:whereis_name(name) =:= undefined")
        foo.eval(f"yes = global:register_name(name, {idle})")
        foo.eval(f"pong = net_adm:ping('{GUARD}')")
        bar.wait_until(f"node(global:whereis_name(name)) =:= '{FOO}'")
        assert bar.eval("persistent_term:get(ran, none)") == f"'{GUARD}'"


def test_mnesia_runs_the_function_that_a_peer_has_put_into_the_schema() -> None:
    """An index plugin: each write of a row calls it, with the table, the place, and the row."""
    with mesh("mnesia") as (bar, foo):
        for node in (bar, foo):
            node.eval("ok = mnesia:start()")
        foo.eval(f"pong = net_adm:ping('{GUARD}')")
        foo.eval(f"{{ok, [_]}} = mnesia:change_config(extra_db_nodes, ['{GUARD}'])", 30)
        foo.eval("{atomic, ok} = mnesia_schema:add_index_plugin({ran}, application, set_env)", 30)
        foo.eval(f"mnesia:create_table(shop, [{{ram_copies, ['{GUARD}']}}, {{index, [{{{{ran}}, bag}}]}}])", 30)
        foo.eval("catch mnesia:dirty_write({shop, key, value})", 30)
        bar.wait_until("application:get_env(shop, {ran}) =/= undefined")
