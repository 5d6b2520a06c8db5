"""The limits of an entry are changed in the policy file while its peer is connected."""

from tests.support.scene import GUARD, Scene

LIMITS = 'limits = { reg_send_per_second = 0 }\non_limit = "refuse"\n'


def test_changed_limits_reach_the_open_channel() -> None:
    with Scene(["accept *"]) as scene:
        bar, foo = scene.guard(), scene.peer()
        bar.eval("probe:collector(target)")
        text = scene.wall.config.read_text()
        with_limits = text.replace("visible = false\n", f"visible = false\n{LIMITS}")
        assert with_limits != text
        # On the one channel that there is.
        watch = foo.begin(f"erlang:monitor_node('{GUARD}', true), receive Down -> Down after 4000 -> still_there end")
        for number, (written, arrives) in enumerate([(text, True), (with_limits, False), (text, True)]):
            if number:
                scene.wall.config.write_text(written)
                scene.wall.wait_event("policy_changed", 10, behind=number - 1)
            foo.eval(f"{{target, '{GUARD}'}} ! {{number, {number}}}, erpc:call('{GUARD}', erlang, node, [])")
            if arrives:
                bar.wait_until(f"lists:member({{number, {number}}}, probe:got(target))")
        # What was sent behind it has arrived.
        assert bar.eval("lists:member({number, 1}, probe:got(target))") == "false"
        assert watch.result() == "still_there"
        assert {event["reason"] for event in scene.wall.events("refused")} == {"limit:reg_send_per_second"}
