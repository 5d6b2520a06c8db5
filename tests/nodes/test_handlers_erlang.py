"""Handlers in Erlang, on an unmodified guarded node: the modules of the proposal."""

from collections.abc import Iterator

import pytest

from tests.nodes.in_process_scene import FOO, InProcessScene, in_process_scene
from tests.support.node import Node
from tests.support.scene import GUARD
from tests.support.wall import Peer

BIG = "binary:copy(<<7>>, 200000)"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[InProcessScene, Node]]:
    with in_process_scene(tmp_path_factory.mktemp("handlers"), [Peer(["accept *"])]) as here:
        here.bar.load("my_dist_handler")
        here.bar.eval("probe:collector(seen), probe:collector(target), probe:start_server(server)")
        yield here, here.peer()


@pytest.fixture
def here(ground: tuple[InProcessScene, Node]) -> Iterator[InProcessScene]:
    inside, foo = ground
    foo.eval(f"pong = net_adm:ping('{GUARD}')")
    for name in ("seen", "target"):
        inside.bar.eval(f"probe:do({name}, stop, kill), probe:until(fun() -> whereis({name}) =:= undefined end),"
                        f"probe:collector({name})")  # fmt: skip
    yield inside
    for command in ("reg_send", "send", "alias_send", "spawn_request", "group_leader"):
        inside.firewall.set_handler(FOO, command, None)
    inside.firewall.filter(FOO, None)


@pytest.fixture
def foo(ground: tuple[InProcessScene, Node]) -> Node:
    return ground[1]


def handler(here: InProcessScene, command: str) -> None:
    assert here.firewall.set_handler(FOO, command, "my_dist_handler") is None


def test_setting_returns_the_one_before(here: InProcessScene) -> None:
    firewall = here.firewall
    assert firewall.set_handler(FOO, "send", "one") is None
    assert firewall.set_handler(FOO, "send", "two") == "one"
    assert firewall.set_handler(FOO, "send", None) == "two"
    assert firewall.set_handler(FOO, "send", None) is None


def test_reg_send_goes_through_the_handler(here: InProcessScene, foo: Node) -> None:
    handler(here, "reg_send")
    pid = foo.eval(f"P = spawn(fun() -> {{target, '{GUARD}'}} ! hello, {{target, '{GUARD}'}} ! {{secret, 1}}, "
                   f"{{target, '{GUARD}'}} ! {{double, x}} end), P")  # fmt: skip
    here.bar.wait_until("length(probe:got(target)) =:= 3")
    assert here.bar.eval("lists:sort(probe:got(target))") == "[hello,x,x]"
    assert pid.startswith("<0.")
    assert here.bar.eval("length(probe:got(seen))") == "3"
    assert here.bar.eval(f"[{{reg_send, '{FOO}', F, target}} | _] = probe:got(seen), node(F)") == f"'{FOO}'"


def test_a_call_through_a_handler_is_answered(here: InProcessScene, foo: Node) -> None:
    handler(here, "reg_send")
    assert foo.eval(f"gen_server:call({{server, '{GUARD}'}}, {{echo, 7}})") == "7"


def test_a_large_message_goes_through_the_handler(here: InProcessScene, foo: Node) -> None:
    """In fragments on its way to distwall."""
    handler(here, "reg_send")
    foo.eval(f"{{target, '{GUARD}'}} ! {{big, {BIG}}}")
    here.bar.wait_until(f"probe:got(target) =:= [{{big, {BIG}}}]")


def test_send_and_alias_send_go_through_the_handler(here: InProcessScene, foo: Node) -> None:
    for command in ("send", "alias_send"):
        handler(here, command)
    target = here.bar.term("whereis(target)")
    foo.eval(f"{target} ! by_pid")
    here.bar.wait_until("probe:got(target) =:= [by_pid]")
    assert here.bar.eval(f"[{{send, '{FOO}', _, P}}] = probe:got(seen), P =:= whereis(target)") == "true"
    # The reply to a call of the guarded node goes to its alias; a plain answer to a pid.
    foo.eval("probe:start_server(theirs)")
    assert here.bar.eval(f"gen_server:call({{theirs, '{FOO}'}}, {{echo, 5}})") == "5"


def test_group_leader_goes_through_the_handler(here: InProcessScene, foo: Node) -> None:
    handler(here, "group_leader")
    target = here.bar.term("whereis(target)")
    foo.eval(f"group_leader(self(), {target})")
    here.bar.wait_until(f"node(element(2, process_info(whereis(target), group_leader))) =:= '{FOO}'")
    assert here.bar.eval("[{group_leader, _, _, P}] = probe:got(seen), P =:= whereis(target)") == "true"


def test_spawn_request_goes_through_the_handler(here: InProcessScene, foo: Node) -> None:
    handler(here, "spawn_request")
    assert foo.eval(f"erpc:call('{GUARD}', erlang, '+', [1, 2])") == "3"
    assert here.bar.eval("[{spawn, _, erlang, '+', A} | _] = probe:got(seen), A") == "[1,2]"
    assert "refused" in foo.eval(f"catch erpc:call('{GUARD}', erlang, halt, [])")
    foo.eval(f"proc_lib:spawn('{GUARD}', erlang, halt, []), ok")
    # A message to rex is no spawn request that could be rewritten.
    assert "not_allowed" in foo.eval(f"rpc:block_call('{GUARD}', erlang, node, [])")
    foo.eval(f"spawn('{GUARD}', erlang, halt, [])")
    foo.eval(f"spawn('{GUARD}', erlang, send, [target, hi])")
    here.bar.wait_until("probe:got(target) =:= [hi]")
    assert foo.eval(f"{{P, R}} = spawn_monitor('{GUARD}', erlang, halt, []),"
                    " receive {'DOWN', R, _, P, Reason} -> Reason end") == "refused"  # fmt: skip


def test_large_arguments_go_through_the_handler(here: InProcessScene, foo: Node) -> None:
    handler(here, "spawn_request")
    assert foo.eval(f"erpc:call('{GUARD}', erlang, byte_size, [{BIG}])") == "200000"


def test_one_that_crashes_loses_its_message_only(here: InProcessScene, foo: Node) -> None:
    handler(here, "reg_send")
    foo.eval(f"{{target, '{GUARD}'}} ! crash, {{target, '{GUARD}'}} ! after_it")
    here.bar.wait_until("probe:got(target) =:= [after_it]")


def test_one_that_is_not_there_refuses(here: InProcessScene, foo: Node) -> None:
    here.firewall.set_handler(FOO, "spawn_request", "no_such_module")
    assert "undef" in foo.eval(f"{{P, R}} = spawn_monitor('{GUARD}', erlang, node, []),"
                               " receive {'DOWN', R, _, P, Reason} -> Reason end")  # fmt: skip


class TestFilter:
    def test_its_answers_decide_and_are_kept(self, here: InProcessScene, foo: Node) -> None:
        assert here.firewall.filter(FOO, "my_dist_handler") is None
        here.bar.eval("probe:collector(shut), probe:collector(boom), probe:collector(odd)")
        foo.eval(f"[begin {{N, '{GUARD}'}} ! {{N, I}} end || I <- [1, 2, 3], N <- [target, shut, boom, odd]]")
        here.bar.wait_until("length(probe:got(target)) =:= 3")
        assert here.bar.eval("[probe:got(N) || N <- [shut, boom, odd]]") == "[[],[],[]]"
        assert here.bar.eval("[C || {filter, _, C} <- probe:got(seen)]") == "[{reg_send,target}]"
        here.firewall.filter(FOO, "my_dist_handler")
        foo.eval(f"{{target, '{GUARD}'}} ! again")
        here.bar.wait_until("length([C || {filter, _, C} <- probe:got(seen)]) =:= 2")

    def test_refusals_are_told_to_the_caller(self, here: InProcessScene, foo: Node) -> None:
        here.firewall.filter(FOO, "my_dist_handler")
        here.bar.eval("catch unregister(shut), probe:start_server(shut)")
        assert "not_allowed" in foo.eval(f"catch gen_server:call({{shut, '{GUARD}'}}, {{echo, 7}})")


def test_what_waits_keeps_its_order(here: InProcessScene, foo: Node) -> None:
    """Messages, a call, links and exits of one process behind messages that wait for a filter."""
    here.firewall.filter(FOO, "my_dist_handler")
    foo.eval(f"spawn(fun() -> [{{target, '{GUARD}'}} ! I || I <- lists:seq(1, 200)] end)")
    here.bar.wait_until("length(probe:got(target)) =:= 200")
    assert here.bar.eval("probe:got(target) =:= lists:seq(1, 200)") == "true"
