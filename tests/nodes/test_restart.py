"""distwall is killed and comes back."""

from tests.support.scene import GUARD, Scene

FOO = "foo@127.0.0.1"
RULES = ["deny *", "accept ping", "accept reg_send counter", "accept monitor counter"]


def test_killed_it_lets_nothing_pass_and_comes_back() -> None:
    with Scene(RULES) as scene:
        bar, foo = scene.guard(), scene.peer()
        bar.eval("probe:start_server(counter), probe:collector(victim)")
        assert foo.eval(f"gen_server:call({{counter, '{GUARD}'}}, {{add, 1}})") == "1"
        watch = "erlang:monitor_node('{}', true), receive Down -> Down after 5000 -> still_there end"
        seen = [foo.begin(watch.format(GUARD)), bar.begin(watch.format(FOO))]
        bar.wait_until(f"nodes(hidden) =:= ['{FOO}']")

        scene.wall.kill()

        assert [one.result() for one in seen] == [f"{{nodedown,'{GUARD}'}}", f"{{nodedown,'{FOO}'}}"]
        foo.eval(f"{{victim, '{GUARD}'}} ! sneaked, {{counter, '{GUARD}'}} ! sneaked")
        assert foo.eval(f"net_adm:ping('{GUARD}')") == "pang"
        assert bar.eval("nodes(connected)") == "[]"

        scene.wall.start()

        # A node registers again by itself, two seconds after it lost its EPMD.
        foo.wait_until(f"net_adm:ping('{GUARD}') =:= pong", 10)
        assert foo.eval(f"gen_server:call({{counter, '{GUARD}'}}, {{add, 1}})") == "2"
        assert foo.eval(f"catch erpc:call('{GUARD}', erlang, node, [], 2000)").startswith("{'EXIT',{{erpc,not_allowed}")
        foo.eval(f"{{victim, '{GUARD}'}} ! refused")
        assert foo.eval(f"gen_server:call({{counter, '{GUARD}'}}, get)") == "2"
        assert bar.eval("probe:got(victim)") == "[]"


def test_it_ends_cleanly_when_asked_to() -> None:
    with Scene(RULES) as scene:
        bar, foo = scene.guard(), scene.peer()
        assert foo.eval(f"net_adm:ping('{GUARD}')") == "pong"
        assert scene.wall.stop() == 0
        foo.wait_until("nodes(connected) =:= []")
        bar.wait_until("nodes(connected) =:= []")
        assert len(scene.wall.events("stop")) == 1


def test_a_new_incarnation_of_the_guarded_node_takes_its_place() -> None:
    with Scene(RULES) as scene:
        bar, foo = scene.guard(), scene.peer()
        for count in range(3):
            bar.eval("probe:start_server(counter)")
            foo.wait_until(f"net_adm:ping('{GUARD}') =:= pong", 10)
            assert foo.eval(f"gen_server:call({{counter, '{GUARD}'}}, {{add, {count}}})") == str(count)
            bar.kill()
            foo.wait_until("nodes(connected) =:= []")
            assert foo.eval(f"net_adm:ping('{GUARD}')") == "pang"
            bar = scene.guard()
