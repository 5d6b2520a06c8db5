"""The policy file: changed, damaged, applied on trial, confirmed, taken back."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from distwall._core import KNOWN_FLAGS
from distwall.audit import AuditLog, Event
from distwall.control import ControlError, Firewall
from distwall.control.reload import Reloader
from distwall.policy import load
from tests.audit.until import until

FOO = "foo@h"
TEXT = """
[guard]
nodes = ["bar@127.0.0.2"]
cookie_file = "cluster.cookie"
[tables.ops]
rules = ["accept exit2"]
[[peers]]
node = "foo@*"
cookie_file = "foo.cookie"
tables = ["ops"]
rules = ["deny *"]
"""
OPEN = TEXT.replace('"deny *"', '"deny *", "accept link"')


class Ground:
    """A firewall with its file, and one open channel."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "distwall.toml"
        self.events: list[Event] = []
        self.closed: list[str] = []
        audit = AuditLog(folder / "audit.jsonl")
        audit.subscribe(self.events.append)
        policy = load(self.file)
        self.firewall = Firewall(policy, audit)
        self.firewall.start()
        self.reloader = Reloader(self.firewall)
        self.handle = self.firewall.open_channel(
            peer=FOO,
            peer_creation=3,
            guard="bar@127.0.0.2",
            guard_creation=7,
            flags=KNOWN_FLAGS,
            entry=policy.entries[0],
            source="127.0.0.1",
            close=self.closed.append,
        )

    def verdict(self, command: str = "link") -> str:
        found = self.handle._judgement.core.judge(command)[0][0]
        assert found == self.firewall.test_filter(FOO, command)
        return found

    def told(self, kind: str) -> list[Event]:
        return [event for event in self.events if event["event"] == kind]

    async def until(self, what: Callable[[], Any]) -> None:
        await until(what)


Story = Callable[[Ground], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Story], None]:
    for name, text in (("distwall.toml", TEXT), ("cluster.cookie", "cluster"), ("foo.cookie", "foo-cookie")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)

    def run(story: Story) -> None:
        async def main() -> None:
            ground = Ground(tmp_path)
            ground.reloader.start()
            # The watcher is another thread, which takes a moment.
            await asyncio.sleep(0.3)
            try:
                await story(ground)
            finally:
                await ground.reloader.close()
                ground.firewall.close()

        asyncio.run(main())

    return run


Play = Callable[[Story], None]


def test_a_changed_file_is_in_force_at_once(play: Play) -> None:
    async def story(ground: Ground) -> None:
        assert ground.verdict() == "deny"
        ground.file.write_text(OPEN)
        await ground.until(lambda: ground.verdict() == "accept")
        (told,) = ground.told("policy_changed")
        assert told["changes"] == ["+peer foo@*: accept link"]
        assert ground.closed == []

    play(story)


@pytest.mark.parametrize(
    ("more", "given"),
    [
        ("limits = { tracked = 5 }", ({"tracked": 5}, False)),
        ('on_limit = "close"', ({}, True)),
        ('limits = { bytes_per_second = 7 }\non_limit = "close"', ({"bytes_per_second": 7}, True)),
    ],
)
def test_changed_limits_reach_open_channels(play: Play, more: str, given: tuple[dict[str, int], bool]) -> None:
    async def story(ground: Ground) -> None:
        kept: list[tuple[dict[str, int], bool]] = []

        class Core:
            """The channel's, with what limits it is given."""

            def __init__(self, core: Any) -> None:
                self._core = core

            def set_limits(self, limits: dict[str, int], *, close_on_limit: bool) -> None:
                self._core.set_limits(limits, close_on_limit=close_on_limit)
                kept.append((limits, close_on_limit))

            def __getattr__(self, name: str) -> Any:
                return getattr(self._core, name)

        ground.handle.core = Core(ground.handle.core)  # type: ignore[assignment]  # it passes the rest on
        ground.reloader.apply(TEXT + more)
        assert kept == [given]
        assert ground.closed == []
        ground.reloader.apply(TEXT.replace('"deny *"', '"deny *", "accept link"') + more)
        assert len(kept) == 1, "the limits are the same"
        ground.reloader.apply(TEXT)
        assert kept[1:] == [({}, False)]

    play(story)


@pytest.mark.parametrize("how", ["replaced", "removed first", "linked"])
def test_editors_write_in_other_ways(play: Play, how: str) -> None:
    async def story(ground: Ground) -> None:
        beside = ground.file.with_name("other")
        beside.write_text(OPEN)
        if how == "linked":
            ground.file.unlink()
            ground.file.symlink_to(beside)
        else:
            if how == "removed first":
                ground.file.unlink()
                await ground.until(lambda: ground.told("policy_refused"))
                assert ground.verdict() == "deny"
            beside.replace(ground.file)
        await ground.until(lambda: ground.verdict() == "accept")

    play(story)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (OPEN + "\n[peers", "not TOML"),
        (OPEN.replace("accept link", "accept links"), "unknown command `links`"),
        (OPEN.replace("127.0.0.2", "127.0.0.3"), "[guard] has changed; restart distwall"),
        (OPEN + '[audit]\nfile = "other.jsonl"\n', "[audit] has changed; restart distwall"),
        (OPEN.replace("foo.cookie", "none.cookie"), "none.cookie"),
        ("nonsense", "not TOML"),
    ],
)
def test_what_is_wrong_is_refused_whole(play: Play, text: str, problem: str) -> None:
    async def story(ground: Ground) -> None:
        ground.file.write_text(text)
        await ground.until(lambda: ground.told("policy_refused"))
        assert any(problem in line for line in ground.told("policy_refused")[0]["problems"])
        assert ground.verdict() == "deny"
        ground.file.write_text(OPEN)
        await ground.until(lambda: ground.verdict() == "accept")

    play(story)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("foo@*", "qux@*", "no entry names it any more"),
        ('rules = ["deny *"]', 'visible = true\nrules = ["deny *"]', "`visible` is true now"),
        ('rules = ["deny *"]', 'from = ["10.0.0.0/8"]\nrules = ["deny *"]', "may not come from there"),
    ],
)
def test_channels_that_could_not_be_opened_now_are_closed(play: Play, old: str, new: str, why: str) -> None:
    async def story(ground: Ground) -> None:
        ground.file.write_text(TEXT.replace(old, new))
        await ground.until(lambda: ground.closed)
        assert why in ground.closed[0]

    play(story)


def test_another_cookie_in_its_file(play: Play) -> None:
    """The text is the same; SIGHUP has it read again."""

    async def story(ground: Ground) -> None:
        (ground.file.parent / "foo.cookie").write_text("another-cookie")
        ground.reloader.reload()
        assert "its cookie is another one" in ground.closed[0]
        (told,) = ground.told("policy_changed")
        assert told["changes"] == ["~ foo@*: cookie"]
        assert "another-cookie" not in str(ground.events)

    play(story)


def test_a_table_that_is_granted_must_stay(play: Play) -> None:
    async def story(ground: Ground) -> None:
        ground.firewall.grant(FOO, "ops", 60, "a fix")
        without = TEXT.replace('[tables.ops]\nrules = ["accept exit2"]\n', "").replace('tables = ["ops"]\n', "")
        with pytest.raises(ControlError, match="in use for foo@h"):
            ground.reloader.apply(without)
        assert ground.verdict("exit2") == "accept"
        ground.firewall.revoke(FOO, "ops")
        ground.reloader.apply(without)
        assert ground.verdict("exit2") == "deny"

    play(story)


class TestTrial:
    def test_it_comes_back_by_itself(self, play: Play) -> None:
        async def story(ground: Ground) -> None:
            applied = ground.reloader.apply(OPEN, actor="ann", confirm_within=0.2)
            assert applied.changes == ["+peer foo@*: accept link"]
            assert ground.verdict() == "accept"
            assert ground.file.read_text() == TEXT, "the file is as it was until somebody confirms"
            await ground.until(lambda: ground.verdict() == "deny")
            assert ground.told("policy_rolled_back")[0]["reason"] == "not confirmed in time"
            with pytest.raises(ControlError, match="no policy is on trial"):
                ground.reloader.confirm()

        play(story)

    def test_confirmed(self, play: Play) -> None:
        async def story(ground: Ground) -> None:
            ground.reloader.apply(OPEN, confirm_within=0.3)
            ground.reloader.confirm(actor="ann")
            assert ground.file.read_text() == OPEN
            await asyncio.sleep(0.6)
            assert ground.verdict() == "accept"
            assert not ground.told("policy_refused")

        play(story)

    def test_rolled_back_by_hand(self, play: Play) -> None:
        async def story(ground: Ground) -> None:
            ground.reloader.apply(OPEN, confirm_within=60)
            ground.reloader.roll_back(actor="ann")
            assert (ground.verdict(), ground.file.read_text()) == ("deny", TEXT)

        play(story)

    def test_one_after_another_goes_back_to_what_was_confirmed(self, play: Play) -> None:
        async def story(ground: Ground) -> None:
            ground.reloader.apply(OPEN, confirm_within=60)
            ground.reloader.apply(OPEN.replace("accept link", "accept unlink"), confirm_within=60)
            ground.reloader.roll_back()
            assert ground.reloader.text == TEXT
            assert ground.verdict("unlink") == "deny"

        play(story)

    def test_a_change_of_the_file_ends_it(self, play: Play) -> None:
        async def story(ground: Ground) -> None:
            ground.reloader.apply(OPEN, confirm_within=60)
            ground.file.write_text(TEXT + "\n")
            await ground.until(lambda: ground.verdict() == "deny")
            assert not ground.reloader.on_trial

        play(story)

    def test_a_stop_in_the_middle_leaves_the_file(self, play: Play) -> None:
        async def story(ground: Ground) -> None:
            ground.reloader.apply(OPEN, confirm_within=60)
            await ground.reloader.close()
            assert ground.file.read_text() == TEXT

        play(story)


def test_without_trial_the_file_is_replaced(play: Play) -> None:
    async def story(ground: Ground) -> None:
        mode = ground.file.stat().st_mode
        ground.reloader.apply(OPEN)
        assert (ground.file.read_text(), ground.file.stat().st_mode) == (OPEN, mode)
        await asyncio.sleep(0.4)
        assert len(ground.told("policy_changed")) == 1

    play(story)


def test_what_cannot_be_written_is_not_in_force(play: Play) -> None:
    async def story(ground: Ground) -> None:
        ground.file.with_name("distwall.toml.new").mkdir()
        with pytest.raises(ControlError, match="can't be replaced"):
            ground.reloader.apply(OPEN)
        assert ground.verdict() == "deny"

    play(story)
