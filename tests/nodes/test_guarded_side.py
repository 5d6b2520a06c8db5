"""Under ``deny *`` a guarded node can still ask: its own calls, monitors, links and spawns towards a peer work."""

from collections.abc import Iterator

import pytest

from tests.nodes.programs import PROGRAMS, run, same_release
from tests.support.scene import GUARD, Scene
from tests.support.wall import Peer

FOO = "foo@127.0.0.1"
CLOSED = Peer(["deny *"], visible=True, extra="funs = true")


@pytest.fixture(params=["direct", "distwall"])
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with Scene(None if request.param == "direct" else [CLOSED]) as scene:
        yield scene


def test_its_own_programs_work() -> None:
    programs = [program for program in PROGRAMS if program.own]
    assert len(programs) > 30
    results: dict[str, dict[str, str]] = {}
    for through, peers in (("direct", None), ("distwall", [CLOSED])):
        with Scene(peers) as scene:
            bar, foo = scene.guard(), scene.peer()
            for node in (foo, bar):
                node.eval("probe:start_server(counter), probe:collector(victim), {ok, _} = pg:start(pg)")
            assert foo.eval(f"net_kernel:connect_node('{GUARD}')") == "true"
            bar.wait_until(f"nodes() =:= ['{FOO}']")
            results[through] = {program.name: run(program, bar, foo) for program in programs}
            if same_release(foo, bar):
                wrong = {p.name: results[through][p.name] for p in programs if results[through][p.name] != p.expected}
                assert wrong == {}, through
            # The control: the peer can do nothing of the kind.
            _, got = foo.timed(f"erpc:call('{GUARD}', erlang, node, [])")
            assert got == (f"'{GUARD}'" if scene.direct else "{error,{erpc,not_allowed}}")
    assert results["distwall"] == results["direct"]


def test_answers_pass_only_once_and_only_when_asked_for(scene: Scene) -> None:
    """What looks like an answer, and answers nothing, is a send like any other."""
    bar, foo = scene.guard(), scene.peer()
    foo.eval("probe:collector(worker)")
    asker = bar.term("probe:collector(asker)")
    assert foo.eval(f"net_kernel:connect_node('{GUARD}')") == "true"
    foo.eval(f"{asker} ! {{make_ref(), unasked}}")
    bar.eval(f"probe:do(asker, fun() -> {{worker, '{FOO}'}} ! {{'$gen_call', {{self(), make_ref()}}, question}} end)")
    foo.wait_until("length(probe:got(worker)) =:= 1")
    foo.eval("[{'$gen_call', {Pid, Tag}, question}] = probe:got(worker), Pid ! {Tag, first}, Pid ! {Tag, second}")
    got = bar.eval("probe:await(asker, 1, 5000), timer:sleep(200), [A || {_, A} <- probe:got(asker)]")
    assert got == ("[unasked,first,second]" if scene.direct else "[first]")


def test_an_answer_that_may_not_pass_ends_the_call_at_once() -> None:
    """Its own call is answered with a fun, which the peer may not send: it fails rather than waits for ever."""
    with Scene([Peer(["deny *"])]) as scene:
        bar, foo = scene.guard(), scene.peer()
        assert foo.eval(f"net_kernel:connect_node('{GUARD}')") == "true"
        milliseconds, got = bar.timed(f"catch erpc:call('{FOO}', erlang, make_fun, [erlang, node, 0])", 20)
        assert "not_allowed" in got
        assert milliseconds < 2000
        assert scene.wall.wait_event("refused")["reason"] == "funs"
