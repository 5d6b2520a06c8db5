"""The firewall object: channels, counters, budgets and the event stream."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from distwall._core import COMMANDS
from distwall._core import Event as CoreEvent
from distwall.audit.schema import EpmdRefused, Register
from distwall.control import ChannelHandle, RefusedChannelError
from distwall.control.statistics import PeerCounters
from tests.support.firewall_scene import FirewallScene
from tests.support.policies import peer, policy, with_rules
from tests.support.waiting import eventually

KILL = EpmdRefused(source="10.0.0.1", reason="kill", detail="kill", folded=0)


@pytest.fixture
def scene(tmp_path: Path) -> FirewallScene:
    return FirewallScene(tmp_path, with_rules(["accept link", "deny *"]))


def test_a_channel_comes_and_goes(scene: FirewallScene) -> None:
    handle = scene.open()
    (info,) = scene.firewall.peers()
    assert (info.peer, info.guard, info.entry, info.source, info.visible) == (
        "foo@h",
        "bar@127.0.0.2",
        "foo@*",
        "127.0.0.1",
        False,
    )
    assert info.since.endswith("Z")
    handle.closed("peer closed")
    handle.closed("again")
    assert scene.firewall.peers() == []
    assert scene.kinds() == ["connect", "disconnect"]
    assert scene.events[1]["reason"] == "peer closed"
    assert scene.events[1]["folded"] == 0


def test_channels_are_listed_in_order(scene: FirewallScene) -> None:
    for name in ("foo@z", "foo@a"):
        scene.open(name)
    assert [info.peer for info in scene.firewall.peers()] == ["foo@a", "foo@z"]
    json.dumps([info.to_json() for info in scene.firewall.peers()])


def test_a_refused_command_names_its_rule(scene: FirewallScene) -> None:
    handle = scene.open()
    deny = scene.policy.rules[1]
    handle.record(
        [
            CoreEvent("inbound", "spawn_request", "erlang:halt/1", "deny", deny.id, "rule", 4),
            CoreEvent("inbound", "send", "<0.5.0>", "deny", None, "spoofed", 0),
        ]
    )
    assert scene.events[1] == {
        "v": 1,
        "seq": 2,
        "time": scene.events[1]["time"],
        "event": "refused",
        "peer": "foo@h",
        "guard": "bar@127.0.0.2",
        "direction": "inbound",
        "command": "spawn_request",
        "target": "erlang:halt/1",
        "verdict": "deny",
        "rule": {"text": "deny *", "where": "entry", "file": "distwall.toml", "line": 9, "column": 26},
        "reason": "rule",
        "folded": 4,
    }
    assert (scene.events[2]["rule"], scene.events[2]["reason"]) == (None, "spoofed")


def test_statistics_have_the_shape_of_the_vms(scene: FirewallScene) -> None:
    for statistics in (scene.firewall.statistics(), scene.firewall.statistics("never@seen")):
        assert list(statistics) == ["inbound", "outbound"]
        assert tuple(statistics["inbound"]) == COMMANDS
        assert statistics["inbound"]["link"] == {"accept": 0, "deny": 0, "drop": 0}


def test_counters_outlive_connections(scene: FirewallScene) -> None:
    handle = scene.open()
    handle.closed("")
    assert scene.firewall.knows("foo@h")
    assert not scene.firewall.knows("never@seen")


def test_the_counts_of_very_many_names_are_summed_at_once() -> None:
    """Who has a cookie for a glob has any number of names. Nobody waits while all of them are counted."""
    counters = PeerCounters()
    for number in range(PeerCounters.MAX_NAMES):
        counters.of(f"n{number}@host", "bar@h", ())
    begun = time.thread_time()
    assert counters.statistics()["outbound"]["link"] == {"accept": 0, "deny": 0, "drop": 0}
    for number in range(1000):
        assert counters.inbound(f"n{number}@host", "bar@h") == (0, 0, 0)
    # It was ninety milliseconds.
    assert time.thread_time() - begun < 0.03


class FakeCounters:
    """Counters that count what a test says."""

    def __init__(self) -> None:
        self.links = 0

    def add(self, other: "FakeCounters") -> None:
        self.links += other.links

    def snapshot(self) -> dict[str, dict[str, dict[str, int]]]:
        return {"inbound": {"link": {"accept": self.links}}}


def test_the_oldest_names_are_forgotten_but_not_their_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distwall.control.statistics.Counters", FakeCounters)
    monkeypatch.setattr(PeerCounters, "MAX_NAMES", 2)
    peer_counters = PeerCounters()
    for number, name in enumerate("abc"):
        counters: Any = peer_counters.of(name, "bar@h", {"a"})
        counters.links = 10**number
    assert [name for name in "abc" if name in peer_counters] == ["a", "c"]
    assert peer_counters.statistics()["inbound"]["link"]["accept"] == 111
    assert peer_counters.statistics("b")["inbound"]["link"]["accept"] == 0
    assert peer_counters.statistics("c")["inbound"]["link"]["accept"] == 100
    kept: Any = peer_counters.of("c", "bar@h", {})
    assert kept.links == 100
    peer_counters.of("d", "bar@h", {"a", "c"})
    assert [name for name in "acd" if name in peer_counters] == ["a", "c", "d"]  # those in use stay, whatever the bound


def test_what_is_counted_is_told_for_one_guarded_node_or_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distwall.control.statistics.Counters", FakeCounters)
    monkeypatch.setattr(PeerCounters, "MAX_NAMES", 4)
    peer_counters = PeerCounters()

    def links(name: str | None, guard: str | None) -> int:
        return peer_counters.statistics(name, guard)["inbound"]["link"]["accept"]

    for number, (name, guard) in enumerate((name, guard) for name in "ab" for guard in ("x", "y")):
        counters: Any = peer_counters.of(name, guard, ())
        counters.links = 10**number
    assert [links(name, guard) for name in "ab" for guard in ("x", "y", None)] == [1, 10, 11, 100, 1000, 1100]
    assert [links(None, guard) for guard in ("x", "y", "z", None)] == [101, 1010, 0, 1111]
    # The oldest pair goes, and stays in the sum of its guarded node.
    peer_counters.of("c", "y", ())
    assert [links(None, guard) for guard in ("x", "y", None)] == [101, 1010, 1111]
    assert (links("a", "x"), links("a", None)) == (0, 10)


def test_budgets_belong_to_an_entry_and_an_incarnation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    budgets: list[object] = []

    class FakeChannel:
        def __init__(self, *, budget: object, **_: object) -> None:
            budgets.append(budget)

    monkeypatch.setattr("distwall.control.channels.Channel", FakeChannel)
    scene = FirewallScene(tmp_path, policy(peer("foo@*") + peer("qux@*")))
    scene.open("foo@a")
    scene.open("foo@b")
    scene.open("qux@a")
    scene.open("foo@a", creation=8)
    scene.open("foo@a", guard="baz@127.0.0.2")
    first, again, other_entry, restarted, other_guard = budgets
    assert first is again
    assert len({id(b) for b in (first, other_entry, restarted, other_guard)}) == 4


def test_limits_and_compiled_rules_reach_the_channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    class FakeChannel:
        def __init__(self, **arguments: Any) -> None:
            given.update(arguments)

    monkeypatch.setattr("distwall.control.channels.Channel", FakeChannel)
    scene = FirewallScene(tmp_path, policy(peer(more="limits = { new_atoms = 5 }")))
    scene.open()
    assert given["limits"] == {"new_atoms": 5}
    entry = scene.policy.entries[0]
    assert given["policy"] is scene.firewall.rulebook.judgement(entry, "foo@h", "bar@127.0.0.2").core


def test_a_flood_of_refusals_is_folded(scene: FirewallScene) -> None:
    async def scenario() -> None:
        for _ in range(30):
            scene.firewall.refused(source="10.0.0.1", peer="x@h", guard=None, reason="bad_cookie")
        scene.firewall.record(KILL)
        scene.firewall.close()
        await scene.audit.close()

    asyncio.run(scenario())
    assert set(scene.kinds()) == {"handshake_refused", "epmd_refused"}
    assert sum(1 + event["folded"] for event in scene.events) == 31
    assert len(scene.events) == 7


def test_the_folded_come_out_by_themselves(scene: FirewallScene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distwall.audit.flood_limiter.FloodLimiter.WINDOW", 0.05)

    async def scenario() -> None:
        for _ in range(20):
            scene.firewall.record(KILL)
        await eventually(lambda: sum(1 + event["folded"] for event in scene.events) == 20)
        await scene.audit.close()

    asyncio.run(asyncio.wait_for(scenario(), 10))
    # Five and their count; on a slow machine, they fall into more windows.
    assert 6 <= len(scene.events) < 20


def test_what_is_recorded_is_an_event(scene: FirewallScene) -> None:
    scene.firewall.record(Register(guard="bar", port=4711, listening=None))
    assert (scene.events[0]["event"], scene.events[0]["port"]) == ("register", 4711)


class TestFullDisk:
    def _scene(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_full: str) -> FirewallScene:
        def fail(_fd: int, _data: bytes) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("distwall.audit.log_file.os.write", fail)
        return FirewallScene(tmp_path, policy(f'[audit]\non_full = "{on_full}"\n' + peer()))

    def test_deny_closes_what_is_open_and_opens_no_more(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        scene = self._scene(tmp_path, monkeypatch, "deny")
        reasons: list[str] = []

        async def scenario() -> None:
            handles: list[ChannelHandle] = []

            def close(reason: str) -> None:
                reasons.append(reason)
                handles[0].closed(reason)

            handles.append(scene.open(close=close))
            await scene.audit.flush()
            with pytest.raises(RefusedChannelError, match="the audit log can't be written"):
                scene.open()

        asyncio.run(scenario())
        assert reasons == ["the audit log can't be written: No space left on device"]
        assert scene.firewall.peers() == []

    def test_continue_goes_on(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        scene = self._scene(tmp_path, monkeypatch, "continue")
        reasons: list[str] = []

        async def scenario() -> None:
            scene.open(close=reasons.append)
            await scene.audit.flush()
            assert scene.audit.trouble
            scene.open()

        asyncio.run(scenario())
        assert reasons == []
        assert len(scene.firewall.peers()) == 2


@pytest.mark.parametrize("shadowed", [True, False])
def test_names_under_a_glob_share_what_is_compiled(tmp_path: Path, shadowed: bool) -> None:
    """Also beside a shadow policy: the peers of an entry have as many names as they like."""
    text = peer() + peer("foot*@*")
    scene = FirewallScene(tmp_path, policy(text))
    if shadowed:
        scene.firewall.set_shadow(policy(text))
    judged = {id(scene.open(f"foo@h{number}")._judgement) for number in range(20)}
    assert len(judged) == 1
    assert id(scene.open("foot@h")._judgement) not in judged
    assert len(scene.firewall.rulebook._judgements) == 2
