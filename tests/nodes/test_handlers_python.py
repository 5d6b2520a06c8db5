"""Handlers in Python, and module filters: what they see, change and refuse, between real nodes."""

import importlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from distwall.control import BadCallError, handler_dispatch
from tests.nodes.in_process_scene import FOO, InProcessScene, in_process_scene
from tests.support.node import Node
from tests.support.scene import GUARD
from tests.support.waiting import wait_until
from tests.support.wall import Peer

SOURCE = Path(__file__).parent / "handlers" / "orders.py"
ORDERS = "orders:Orders"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[InProcessScene, Node, Path]]:
    folder = tmp_path_factory.mktemp("handlers")
    shutil.copy(SOURCE, folder / "orders.py")
    with in_process_scene(folder, [Peer(["accept *"])]) as here:
        here.bar.eval("probe:collector(target), probe:collector(shut), probe:start_server(server)")
        yield here, here.peer(), folder


@pytest.fixture
def here(ground: tuple[InProcessScene, Node, Path]) -> Iterator[InProcessScene]:
    inside = ground[0]
    for name in ("target", "shut"):
        inside.bar.eval(f"probe:do({name}, stop, kill), probe:until(fun() -> whereis({name}) =:= undefined end),"
                        f"probe:collector({name})")  # fmt: skip
    inside.firewall.set_handler(FOO, "reg_send", ORDERS)
    yield inside
    for command in ("reg_send", "spawn_request", "send"):
        inside.firewall.set_handler(FOO, command, None)
    inside.firewall.filter(FOO, None)


@pytest.fixture
def foo(ground: tuple[InProcessScene, Node, Path]) -> Node:
    return ground[1]


def got(here: InProcessScene, expected: str) -> None:
    here.bar.wait_until(f"probe:got(target) =:= {expected}")


def send(foo: Node, *messages: str) -> None:
    """All by one process, in order."""
    sends = ", ".join(f"{{target, '{GUARD}'}} ! {message}" for message in messages)
    foo.eval(f"spawn(fun() -> {sends} end)")


def seen(here: InProcessScene) -> list[Any]:
    module = here.firewall.dispatch._loaded[ORDERS].__class__.__module__
    return importlib.import_module(module).SEEN  # type: ignore[no-any-return]


def failures(here: InProcessScene) -> list[str]:
    return [event["detail"] for event in here.wall.seen if event["event"] == "handler_failed"]


def test_it_accepts_changes_denies_and_drops(here: InProcessScene, foo: Node) -> None:
    send(foo, "hello", "{order, 5}", "{order, 5000}", "{drop, 1}", "last")
    got(here, "[hello, {order,10}, last]")


def test_it_sees_the_command_and_its_terms(here: InProcessScene, foo: Node) -> None:
    send(foo, '{text, "äö", <<1,2>>, 1.5, #{a => [b|c]}, self()}')
    here.bar.wait_until("length(probe:got(target)) =:= 1")
    command = seen(here)[-1]
    assert (command.node, command.guard, command.name, command.to) == (FOO, GUARD, "reg_send", "target")
    assert command.sender is not None
    assert command.message()[5] == command.sender


def test_order_is_kept_behind_a_slow_one(here: InProcessScene, foo: Node) -> None:
    """Of one sender; another one's messages overtake."""
    send(foo, "{slow, 700}", "second", "{order, 1}")
    foo.eval(f"{{target, '{GUARD}'}} ! other")
    got(here, "[other, {slow,700}, second, {order,2}]")


def test_it_sees_what_rex_passes_on(here: InProcessScene, foo: Node) -> None:
    passed_on = [f"{{self(), {{sbcast, target, {message}}}}}" for message in ("{order, 5}", "{order, 5000}", "last")]
    foo.eval(f"spawn(fun() -> {', '.join(f'{{rex, {GUARD!r}}} ! {one}' for one in passed_on)} end)")
    got(here, "[{order, 10}, last]")
    foo.eval(f"{{rex, '{GUARD}'}} ! {{self(), {{send, target, {{order, 5}}}}}}")
    here.bar.wait_until("length(probe:got(target)) =:= 3")
    assert seen(here)[-1].to == "target"


def test_a_call_through_a_handler_is_answered(here: InProcessScene, foo: Node) -> None:
    assert foo.eval(f"gen_server:call({{server, '{GUARD}'}}, {{echo, 7}})") == "7"


def test_large_messages_go_through_in_order(here: InProcessScene, foo: Node) -> None:
    send(foo, "{order, 5}", "{big, binary:copy(<<7>>, 300000)}", "{order, 6}")
    got(here, "[{order,10}, {big, binary:copy(<<7>>, 300000)}, {order,12}]")


def test_a_message_that_is_too_long_for_it_is_refused(here: InProcessScene, foo: Node) -> None:
    """A call fails at once. Where no handler sees it, a message may be as long as it likes."""
    long = "binary:copy(<<7>>, 2000000)"
    called = f"gen_server:call({{server, '{GUARD}'}}, {{echo, {long}}})"
    before = len(here.wall.seen)
    assert foo.eval(f"try {called} catch exit:{{Reason, _}} -> Reason end") == "not_allowed"
    wait_until(lambda: "limit:handled_size" in [event.get("reason") for event in here.wall.seen[before:]])
    target = here.bar.term("whereis(target)")
    foo.eval(f"{target} ! {long}")
    got(here, f"[{long}]")
    here.firewall.set_handler(FOO, "reg_send", None)
    assert foo.eval(f"byte_size({called})") == "2000000"


def test_a_replacement_that_is_too_long_is_a_denial(here: InProcessScene, foo: Node) -> None:
    before = len(failures(here))
    send(foo, "{swell, 2000000}", "{swell, 3}", "last")
    got(here, "[<<0,0,0>>, last]")
    assert "more than the limit handled_size" in failures(here)[before]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("'raise'", "it raised RuntimeError: a handler fails"),
        ("odd", "it returned int, not a verdict"),
        ("unfit", "it raised TypeError"),
    ],
)
def test_what_goes_wrong_is_a_denial(here: InProcessScene, foo: Node, message: str, why: str) -> None:
    before = len(failures(here))
    send(foo, message, "last")
    got(here, "[last]")
    assert why in failures(here)[before]


@pytest.mark.parametrize("how", ["slow", "block"])
def test_no_answer_in_time_is_a_denial(
    here: InProcessScene, foo: Node, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handler_dispatch, "TIMEOUT", 0.5)
    before = len(failures(here))
    begun = time.monotonic()
    send(foo, f"{{{how}, 1200}}")
    here.bar.wait_until("true")
    while len(failures(here)) == before:
        assert time.monotonic() < begun + 5
        time.sleep(0.02)
    assert "no answer within 0.5 s" in failures(here)[before]
    time.sleep(max(0.0, begun + 1.4 - time.monotonic()))
    send(foo, "last")
    got(here, "[last]")


def test_spawn_requests_go_through_it(here: InProcessScene, foo: Node) -> None:
    here.firewall.set_handler(FOO, "spawn_request", ORDERS)
    assert "not_allowed" in foo.eval(f"catch spawn('{GUARD}', erlang, halt, [])")
    assert foo.eval(f"erpc:call('{GUARD}', erlang, node, [])") == f"'{GUARD}'"
    command = seen(here)[-1]
    assert (command.name, command.target, command.to) == ("spawn_request", "erlang:node/0", ("erlang", "node", 0))
    assert command.message() == []
    # Whatever carries it.
    for call in (
        f"erpc:call('{GUARD}', erlang, halt, [])",
        f"rpc:block_call('{GUARD}', erlang, halt, [])",
        f"proc_lib:spawn_link('{GUARD}', erlang, halt, [])",
        f"{{rex, '{GUARD}'}} ! {{self(), {{call, erlang, halt, [], group_leader()}}}}",
        f"gen_server:cast({{rex, '{GUARD}'}}, {{cast, erlang, halt, [], group_leader()}})",
        f"{{rex, '{GUARD}'}} ! {{self(), {{call, erlang, apply, [erlang, halt], group_leader()}}}}",
    ):
        foo.eval(f"catch {call}, ok")
    assert foo.eval(f"rpc:block_call('{GUARD}', erlang, node, [])") == f"'{GUARD}'"
    asked = [each for each in seen(here) if each.name == "spawn_request"]
    assert asked[-1].target == "erlang:node/0"


def test_it_is_loaded_anew_when_set_again(
    here: InProcessScene, foo: Node, ground: tuple[InProcessScene, Node, Path]
) -> None:
    file = ground[2] / "orders.py"
    text = file.read_text()
    try:
        file.write_text(text.replace("amount * 2", "amount * 3"))
        assert here.firewall.set_handler(FOO, "reg_send", ORDERS) == ORDERS
        send(foo, "{order, 5}")
        got(here, "[{order,15}]")
    finally:
        file.write_text(text)


@pytest.mark.parametrize(
    "name",
    ["orders:None_", "no_such:Thing", "orders:", "/etc/orders:Thing", "../orders:Thing", "orders/x:Thing"],
)
def test_what_is_not_there_is_an_error(here: InProcessScene, foo: Node, name: str) -> None:
    with pytest.raises(BadCallError, match="can't be loaded"):
        here.firewall.set_handler(FOO, "reg_send", name)
    send(foo, "{order, 5}")
    got(here, "[{order,10}]")


def test_a_module_may_be_a_filter(here: InProcessScene, foo: Node) -> None:
    here.firewall.set_handler(FOO, "reg_send", None)
    here.firewall.filter(FOO, "orders:only_open")
    foo.eval(f"[begin {{N, '{GUARD}'}} ! I end || I <- [1, 2, 3], N <- [shut, target]]")
    got(here, "[1,2,3]")
    assert here.bar.eval("probe:got(shut)") == "[]"


def test_a_peer_may_leave_in_the_middle(here: InProcessScene, foo: Node) -> None:
    send(foo, "{slow, 300}")
    foo.eval(f"erlang:disconnect_node('{GUARD}')")
    time.sleep(0.5)
    send(foo, "again")
    got(here, "[again]")


CARRIERS = [
    "spawn('{G}', inventory, touch, [{N}])",
    "erpc:call('{G}', inventory, touch, [{N}])",
    "erpc:cast('{G}', inventory, touch, [{N}])",
    "proc_lib:spawn('{G}', inventory, touch, [{N}])",
    "rpc:block_call('{G}', inventory, touch, [{N}])",
    "{{rex, '{G}'}} ! {{self(), {{call, inventory, touch, [{N}], group_leader()}}}}",
    "gen_server:cast({{rex, '{G}'}}, {{cast, inventory, touch, [{N}], group_leader()}})",
]


def test_a_handler_decides_about_an_accepted_call_whatever_carries_it(tmp_path: Path) -> None:
    """Without the handler each of the carriers brings the call."""
    (tmp_path / "closed.py").write_text(
        "class Closed:\n    async def spawn_request(self, command):\n        return 'deny'\n"
    )
    entry = Peer(["deny *", "accept call inventory:touch/1", "accept monitor rex"])
    with in_process_scene(tmp_path, [entry]) as here, here.peer() as foo:
        here.bar.load("inventory")
        for number, carrier in enumerate(CARRIERS):
            foo.eval(f"catch {carrier.format(G=GUARD, N=number)}, ok")
            here.bar.wait_until(f"lists:member({number}, inventory:touched())")
        here.firewall.set_handler(FOO, "spawn_request", "closed:Closed")
        for carrier in CARRIERS:
            foo.eval(f"catch {carrier.format(G=GUARD, N=99)}, ok")
        # Three of them wait for no answer.
        wait_until(lambda: sum(event.get("reason") == "handler" for event in here.wall.seen) >= len(CARRIERS))
        here.firewall.set_handler(FOO, "spawn_request", None)
        foo.eval(f"erpc:call('{GUARD}', inventory, touch, [100])")
        assert here.bar.eval("{lists:member(99, inventory:touched()), lists:member(100, inventory:touched())}") == (
            "{false,true}"
        )
