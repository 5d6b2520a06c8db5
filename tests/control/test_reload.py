"""The policy file: changed, damaged, applied on trial, confirmed, taken back."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from distwall._core import KNOWN_FLAGS
from distwall.audit.event import Event
from distwall.audit.log import AuditLog
from distwall.control import ControlError, Firewall, reload
from distwall.control.channel import ChannelHandle
from distwall.control.reload import SETTLE, Reloader
from distwall.files.settled_file import is_open_for_writing
from distwall.policy import load
from tests.support.waiting import eventually

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


class ReloadScene:
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
        self.handle = self.open()

    def open(self) -> ChannelHandle:
        return self.firewall.open_channel(
            peer=FOO,
            peer_creation=3,
            guard="bar@127.0.0.2",
            guard_creation=7,
            flags=KNOWN_FLAGS,
            entry=self.firewall.policy.entries[0],
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
        await eventually(what)


Story = Callable[[ReloadScene], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Story], None]:
    for name, text in (("distwall.toml", TEXT), ("cluster.cookie", "cluster"), ("foo.cookie", "foo-cookie")):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)

    def run(story: Story) -> None:
        async def main() -> None:
            scene = ReloadScene(tmp_path)
            scene.reloader.start()
            # The watcher is another thread, which takes a moment.
            await asyncio.sleep(0.3)
            try:
                await story(scene)
            finally:
                await scene.reloader.close()
                scene.firewall.close()

        asyncio.run(main())

    return run


Play = Callable[[Story], None]


def test_a_file_that_changes_while_distwall_starts_is_taken_up(tmp_path: Path) -> None:
    """After the policy was read, and before anything watches the file."""
    path = tmp_path / "distwall.toml"
    path.write_text(OPEN)
    for name in ("cluster", "foo"):
        (tmp_path / f"{name}.cookie").write_text(name)

    async def story() -> None:
        audit = AuditLog(tmp_path / "audit.jsonl")
        firewall = Firewall(load(path), audit)
        path.write_text(TEXT)
        firewall.start()
        reloader = Reloader(firewall)
        assert reloader.text == OPEN, "it tells what is in force"
        reloader.start()
        await eventually(lambda: firewall.test_filter(FOO, "link") == "deny")
        assert reloader.text == TEXT
        await reloader.close()
        firewall.close()
        await audit.close()

    asyncio.run(story())


def test_a_changed_file_is_in_force_at_once(play: Play) -> None:
    async def story(scene: ReloadScene) -> None:
        assert scene.verdict() == "deny"
        scene.file.write_text(OPEN)
        await scene.until(lambda: scene.verdict() == "accept")
        (told,) = scene.told("policy_changed")
        assert told["changes"] == ["+peer foo@*: accept link"]
        assert scene.closed == []

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
    async def story(scene: ReloadScene) -> None:
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

        scene.handle.core = Core(scene.handle.core)  # type: ignore[assignment]  # it passes the rest on
        scene.reloader.apply(TEXT + more)
        assert kept == [given]
        assert scene.closed == []
        scene.reloader.apply(TEXT.replace('"deny *"', '"deny *", "accept link"') + more)
        assert len(kept) == 1, "the limits are the same"
        scene.reloader.apply(TEXT)
        assert kept[1:] == [({}, False)]

    play(story)


@pytest.mark.parametrize("how", ["replaced", "removed first", "linked"])
def test_editors_write_in_other_ways(play: Play, how: str) -> None:
    async def story(scene: ReloadScene) -> None:
        beside = scene.file.with_name("other")
        beside.write_text(OPEN)
        if how == "linked":
            scene.file.unlink()
            scene.file.symlink_to(beside)
        else:
            if how == "removed first":
                scene.file.unlink()
                await scene.until(lambda: scene.told("policy_refused"))
                assert scene.verdict() == "deny"
            beside.replace(scene.file)
        await scene.until(lambda: scene.verdict() == "accept")

    play(story)


FIRST_HALF = OPEN.replace('"deny *", ', "") + "#" * 100
"""A whole policy, which opens more than the file does in the end."""
SECOND_HALF = """
[[peers]]
node = "foo@h"
cookie_file = "foo.cookie"
tables = ["ops"]
rules = ["deny *", "accept unlink"]
"""


class TestHalfOfAFile:
    """The first half of a text is a valid policy, which must never be in force."""

    async def in_the_end(self, scene: ReloadScene, seen: list[str]) -> None:
        async def watch() -> None:
            while True:
                seen.append(scene.verdict())
                await asyncio.sleep(0.01)

        watching = asyncio.create_task(watch())
        await scene.until(lambda: scene.verdict("unlink") == "accept")
        watching.cancel()
        assert set(seen) == {"deny"}
        assert len(scene.told("policy_changed")) == 1

    @pytest.mark.parametrize("how", ["kept open", "opened twice", "many pieces", "copied beside and linked"])
    def test_it_is_not_in_force_while_the_file_is_written(self, play: Play, how: str) -> None:
        async def story(scene: ReloadScene) -> None:
            seen: list[str] = []
            watching = asyncio.create_task(self.in_the_end(scene, seen))
            match how:
                case "kept open":
                    with scene.file.open("w") as file:
                        file.write(FIRST_HALF)
                        file.flush()
                        await asyncio.sleep(3 * SETTLE)
                        file.write(SECOND_HALF)
                case "opened twice":
                    scene.file.write_text(FIRST_HALF)
                    await asyncio.sleep(SETTLE / 2)
                    with scene.file.open("a") as file:
                        file.write(SECOND_HALF)
                case "many pieces":
                    scene.file.write_text(FIRST_HALF)
                    for piece in SECOND_HALF.splitlines(keepends=True):
                        await asyncio.sleep(SETTLE / 3)
                        with scene.file.open("a") as file:
                            file.write(piece)
                case _:
                    beside = scene.file.with_name("beside")
                    with beside.open("w") as file:
                        file.write(FIRST_HALF)
                        file.flush()
                        scene.file.unlink()
                        scene.file.symlink_to(beside)
                        await asyncio.sleep(2 * SETTLE)
                        file.write(SECOND_HALF)
            await watching
            assert scene.verdict() == "deny"

        play(story)

    def test_sighup_does_not_take_it_either(self, play: Play) -> None:
        async def story(scene: ReloadScene) -> None:
            with scene.file.open("w") as file:
                file.write(FIRST_HALF)
                file.flush()
                scene.reloader.reload("SIGHUP")
                assert scene.verdict() == "deny"
                file.write(SECOND_HALF)
            scene.reloader.reload("SIGHUP")
            assert scene.verdict("unlink") == "accept"
            assert scene.verdict() == "deny"

        play(story)

    def test_a_file_that_is_written_for_long_is_told(self, play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reload, "PATIENCE", 0.5)

        async def story(scene: ReloadScene) -> None:
            with scene.file.open("a") as file:
                file.write("\n")
                file.flush()
                await scene.until(lambda: scene.told("policy_refused"))
                await asyncio.sleep(2 * SETTLE)
            (told,) = scene.told("policy_refused")
            assert "somebody is still writing it" in told["problems"][0]

        play(story)

    def test_a_reader_and_who_opens_the_file_meanwhile_harm_nobody(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_text("text")
        with file.open():
            assert not is_open_for_writing(file)
        stop = threading.Event()

        def open_and_close() -> None:
            while not stop.is_set():
                with file.open("a"):
                    pass

        writer = threading.Thread(target=open_and_close)
        writer.start()
        try:
            found = {is_open_for_writing(file) for _ in range(3000)}
        finally:
            stop.set()
            writer.join()
        assert found <= {True, False}
        with file.open("a"):
            assert is_open_for_writing(file)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (OPEN + "\n[peers", "not TOML"),
        (OPEN.replace("accept link", "accept links"), "unknown command `links`"),
        (
            OPEN.replace("127.0.0.2", "127.0.0.3"),
            "distwall.toml:3:1: [guard] has changed; restart distwall to apply the change of `nodes`",
        ),
        (
            OPEN + '[audit]\nfile = "other.jsonl"\n',
            "distwall.toml:13:1: [audit] has changed; restart distwall to apply the change of `file`",
        ),
        (OPEN.replace("foo.cookie", "none.cookie"), "none.cookie"),
        ("nonsense", "not TOML"),
    ],
)
def test_what_is_wrong_is_refused_whole(play: Play, text: str, problem: str) -> None:
    async def story(scene: ReloadScene) -> None:
        scene.file.write_text(text)
        await scene.until(lambda: scene.told("policy_refused"))
        assert any(problem in line for line in scene.told("policy_refused")[0]["problems"])
        assert scene.verdict() == "deny"
        assert scene.reloader.refusal is not None
        assert scene.reloader.refusal.problems == scene.told("policy_refused")[0]["problems"]
        scene.file.write_text(OPEN)
        await scene.until(lambda: scene.verdict() == "accept")
        assert scene.reloader.refusal is None

    play(story)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("foo@*", "qux@*", "no entry names this peer any more"),
        ('rules = ["deny *"]', 'visible = true\nrules = ["deny *"]', "`visible` is true now"),
        ('rules = ["deny *"]', 'from = ["10.0.0.0/8"]\nrules = ["deny *"]', "may not connect from this address"),
        ('rules = ["deny *"]', 'rules_out = ["accept *"]\nrules = ["deny *"]', "it has `rules_out` now"),
    ],
)
def test_channels_that_could_not_be_opened_now_are_closed(play: Play, old: str, new: str, why: str) -> None:
    async def story(scene: ReloadScene) -> None:
        scene.file.write_text(TEXT.replace(old, new))
        await scene.until(lambda: scene.closed)
        assert why in scene.closed[0]

    play(story)


def test_a_channel_that_followed_its_peer_goes_on_when_it_gets_outbound_rules(play: Play) -> None:
    async def story(scene: ReloadScene) -> None:
        unused = '[tables.quiet]\nrules = []\nrules_out = ["accept link"]\n'
        scene.file.write_text(TEXT.replace("[[peers]]", unused + "[[peers]]"))
        scene.reloader.reload()
        scene.closed.clear()
        later = scene.open()
        scene.firewall.attach(FOO, "quiet")
        assert len(scene.closed) == 1, "the one that was opened before there were any such rules"
        assert later.core.receive(False, b"", 0.0)[3] is None

    play(story)


def test_another_cookie_in_its_file_closes_the_channel(play: Play) -> None:
    """The text is the same; SIGHUP has it read again."""

    async def story(scene: ReloadScene) -> None:
        (scene.file.parent / "foo.cookie").write_text("another-cookie")
        scene.reloader.reload()
        assert "its cookie has changed" in scene.closed[0]
        (told,) = scene.told("policy_changed")
        assert told["changes"] == ["~ foo@*: cookie"]
        assert "another-cookie" not in str(scene.events)

    play(story)


def test_a_table_that_is_granted_must_stay(play: Play) -> None:
    async def story(scene: ReloadScene) -> None:
        scene.firewall.grant(FOO, "ops", 60, "a fix")
        without = TEXT.replace('[tables.ops]\nrules = ["accept exit2"]\n', "").replace('tables = ["ops"]\n', "")
        with pytest.raises(ControlError, match="in use for foo@h"):
            scene.reloader.apply(without)
        assert scene.verdict("exit2") == "accept"
        scene.firewall.revoke(FOO, "ops")
        scene.reloader.apply(without)
        assert scene.verdict("exit2") == "deny"

    play(story)


class TestTrial:
    def test_it_goes_on_if_distwall_has_just_begun_and_the_file_is_the_same(self, play: Play) -> None:
        async def story(scene: ReloadScene) -> None:
            scene.reloader.apply(OPEN, confirm_within=60)
            await asyncio.sleep(2 * SETTLE)
            assert scene.reloader.on_trial

        play(story)

    def test_it_comes_back_by_itself(self, play: Play) -> None:
        async def story(scene: ReloadScene) -> None:
            applied = scene.reloader.apply(OPEN, actor="ann", confirm_within=0.2)
            assert applied.changes == ["+peer foo@*: accept link"]
            assert scene.verdict() == "accept"
            assert scene.file.read_text() == TEXT, "the file is as it was until somebody confirms"
            await scene.until(lambda: scene.verdict() == "deny")
            assert scene.told("policy_rolled_back")[0]["reason"] == "not confirmed in time"
            with pytest.raises(ControlError, match="no policy is on trial"):
                scene.reloader.confirm()

        play(story)

    def test_once_confirmed_it_stays(self, play: Play) -> None:
        async def story(scene: ReloadScene) -> None:
            scene.reloader.apply(OPEN, confirm_within=0.3)
            scene.reloader.confirm(actor="ann")
            assert scene.file.read_text() == OPEN
            await asyncio.sleep(0.6)
            assert scene.verdict() == "accept"
            assert not scene.told("policy_refused")

        play(story)

    def test_it_can_be_rolled_back_by_hand(self, play: Play) -> None:
        async def story(scene: ReloadScene) -> None:
            scene.reloader.apply(OPEN, confirm_within=60)
            scene.reloader.roll_back(actor="ann")
            assert (scene.verdict(), scene.file.read_text()) == ("deny", TEXT)

        play(story)

    def test_one_after_another_goes_back_to_what_was_confirmed(self, play: Play) -> None:
        async def story(scene: ReloadScene) -> None:
            scene.reloader.apply(OPEN, confirm_within=60)
            scene.reloader.apply(OPEN.replace("accept link", "accept unlink"), confirm_within=60)
            scene.reloader.roll_back()
            assert scene.reloader.text == TEXT
            assert scene.verdict("unlink") == "deny"

        play(story)

    def test_a_change_of_the_file_ends_it(self, play: Play) -> None:
        async def story(scene: ReloadScene) -> None:
            scene.reloader.apply(OPEN, confirm_within=60)
            scene.file.write_text(TEXT + "\n")
            await scene.until(lambda: scene.verdict() == "deny")
            assert not scene.reloader.on_trial

        play(story)

    def test_a_stop_in_the_middle_leaves_the_file(self, play: Play) -> None:
        async def story(scene: ReloadScene) -> None:
            scene.reloader.apply(OPEN, confirm_within=60)
            await scene.reloader.close()
            assert scene.file.read_text() == TEXT

        play(story)


def test_without_trial_the_file_is_replaced(play: Play) -> None:
    async def story(scene: ReloadScene) -> None:
        mode = scene.file.stat().st_mode
        scene.reloader.apply(OPEN)
        assert (scene.file.read_text(), scene.file.stat().st_mode) == (OPEN, mode)
        await asyncio.sleep(0.4)
        assert len(scene.told("policy_changed")) == 1

    play(story)


def test_what_cannot_be_written_is_not_in_force(play: Play) -> None:
    async def story(scene: ReloadScene) -> None:
        scene.file.with_name("distwall.toml.new").mkdir()
        with pytest.raises(ControlError, match="can't be replaced"):
            scene.reloader.apply(OPEN)
        assert scene.verdict() == "deny"

    play(story)
