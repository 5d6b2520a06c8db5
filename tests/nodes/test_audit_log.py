"""The audit log of a distwall between real nodes: a full disk, floods, and what the counters say."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from distwall.audit.verify import log_files, verify
from tests.support.scene import GUARD, Scene

FOO = "foo@127.0.0.1"
RULES = ["deny *", "accept ping", "drop reg_send dropped"]


@contextmanager
def full_disk(scene: Scene) -> Iterator[None]:
    """No file of distwall's can grow beyond what the log has now."""
    pid = scene.wall.process.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    size = (scene.folder / "audit.jsonl").stat().st_size
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, before[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def whole(scene: Scene) -> bool:
    path = scene.folder / "audit.jsonl"
    return verify(log_files(path), log=path).ok


def test_what_cannot_be_recorded_does_not_pass() -> None:
    with Scene(RULES) as scene:
        scene.guard()
        foo = scene.peer()
        foo.wait_until(f"net_adm:ping('{GUARD}') =:= pong")
        scene.wall.wait_event("connect")
        with full_disk(scene):
            seen = foo.begin(
                f"erlang:monitor_node('{GUARD}', true), receive Down -> Down after 20000 -> still_there end"
            )
            foo.eval(f"{{victim, '{GUARD}'}} ! refused")
            assert seen.result(25) == f"{{nodedown,'{GUARD}'}}"
            for _ in range(3):
                assert foo.eval(f"net_adm:ping('{GUARD}')") == "pang"
            assert "can't write the audit log: File too large; make room" in scene.wall.process.logged()
        resumed = scene.wall.wait_event("audit_resumed", 10)
        assert (resumed["reason"], resumed["lost"]) == ("File too large", 0)
        foo.wait_until(f"net_adm:ping('{GUARD}') =:= pong")
        # What happened meanwhile was kept, and is in the log in its order.
        kinds = [event["event"] for event in scene.wall.events()]
        assert kinds.index("refused") < kinds.index("disconnect") < kinds.index("audit_resumed")
        assert scene.wall.stop() == 0
        assert whole(scene)


def test_it_goes_on_if_the_policy_says_so() -> None:
    with Scene(RULES, start=False) as scene:
        config = scene.wall.config
        config.write_text(config.read_text().replace('"audit.jsonl"', '"audit.jsonl"\non_full = "continue"'))
        scene.wall.start()
        scene.guard()
        foo = scene.peer()
        foo.wait_until(f"net_adm:ping('{GUARD}') =:= pong")
        scene.wall.wait_event("connect")
        with full_disk(scene):
            foo.eval(f"{{victim, '{GUARD}'}} ! refused")
            scene.wall.process.wait_logged("can't write the audit log")
            assert foo.eval(f"net_adm:ping('{GUARD}')") == "pong"
            assert foo.eval("nodes(connected)") == f"['{GUARD}']"
        scene.wall.wait_event("audit_resumed", 10)
        assert len(scene.wall.events("refused")) == 1
        assert scene.wall.stop() == 0
        assert whole(scene)


@pytest.mark.parametrize("killed", [False, True], ids=["ends", "restarts"])
def test_events_and_counters_agree(killed: bool) -> None:
    """Three floods with pauses: what is told and what was folded is what was counted."""
    with Scene(RULES) as scene:
        scene.guard()
        foo = scene.peer()
        foo.wait_until(f"net_adm:ping('{GUARD}') =:= pong")
        flood = f"""
            [[{{Name, '{GUARD}'}} ! N || N <- lists:seq(1, 400), Name <- [denied, dropped]] || _ <- [1, 2, 3],
                receive after 700 -> true end],
            net_adm:ping('{GUARD}')
        """
        assert foo.eval(flood, 30) == "pong"
        counted = scene.wall.statistics(FOO)["inbound"]["reg_send"]
        assert (counted["deny"], counted["drop"]) == (1200, 1200)
        foo.eval(f"erlang:disconnect_node('{GUARD}')")
        end = scene.wall.wait_event("disconnect")
        if killed:
            # The log goes on behind what was there.
            scene.wall.kill()
            scene.wall.start()
            scene.wall.wait_event("start", behind=1)
        refused = scene.wall.events("refused")
        assert len(refused) < 1000
        assert sum(1 + event["folded"] for event in refused) + end["folded"] == 2400
        assert [event["seq"] for event in scene.wall.events()] == list(range(1, len(scene.wall.events()) + 1))
        assert scene.wall.stop() == 0
        assert whole(scene)
