"""The runtime API: what each function returns and changes, for nodes connected or not, and what it leaves alone."""

import asyncio
import errno
import threading
from pathlib import Path
from typing import Any

import pytest

from distwall.control import BadCallError, ControlError, GivenKey, NotFoundError, StateFile, UnsafeStateError
from distwall.policy import Policy
from tests.support.firewall_scene import FirewallScene
from tests.support.policies import GUARD, peer, policy
from tests.support.waiting import eventually

FOO = "foo@h"
TABLES = '[tables.ops]\nrules = ["accept exit2", "accept reg_send ops"]\n'


@pytest.fixture
def scene(tmp_path: Path) -> FirewallScene:
    return FirewallScene(tmp_path, policy(TABLES + peer(rules=str(["deny *", "accept link", "accept reg_send open"]))))


def judged(scene: FirewallScene, command: str, key: tuple[str, ...] | None = None, *, node: str = FOO) -> str:
    """What the core is given to judge an open channel by, and what the API says: they must agree."""
    (handle,) = [h for h in scene.firewall._channels if h.peer == node]
    found = handle._judgement.core.judge(command, key)
    verdict = found[0][0] if found else "deny"
    text: GivenKey = None if key is None else f"{key[0]}:{key[1]}/{key[2]}" if len(key) == 3 else key[0]
    assert scene.firewall.test_filter(node, command, text) == verdict
    return verdict


class TestFilters:
    def test_the_guide_of_the_proposal_holds(self, scene: FirewallScene) -> None:
        """Set, add, delete, test, as the proposal writes them."""
        firewall = scene.firewall
        scene.open()
        assert firewall.set_filter(FOO, "link", "reject") == "accept"
        assert judged(scene, "link") == "deny"
        assert firewall.add_filter(FOO, "reg_send", "my_secret_process", "accept") == "deny"
        assert judged(scene, "reg_send", ("my_secret_process",)) == "accept"
        assert firewall.test_filter(FOO, "reg_send", "my_secret_process") == "accept"
        assert firewall.add_filter(FOO, "reg_send", "my_secret_process", "reject") == "accept"
        assert firewall.test_filter(FOO, "reg_send", "my_secret_process") == "deny"
        assert firewall.add_filter(FOO, "spawn_request", ("my_mod", "my_fun", 0), "accept") == "deny"
        assert judged(scene, "spawn_request", ("my_mod", "my_fun", "0")) == "accept"
        assert judged(scene, "spawn_request", ("my_mod", "my_fun", "1")) == "deny"
        assert firewall.del_filter(FOO, "spawn_request", ("my_mod", "my_fun", 0)) == "accept"
        assert judged(scene, "spawn_request", ("my_mod", "my_fun", "0")) == "deny"
        assert firewall.del_filter(FOO, "link") == "deny"
        assert judged(scene, "link") == "accept"

    @pytest.mark.parametrize("function", ["lists:reverse/1", "erlang:spawn/3", "erlang:apply/3", "rpc:call/4"])
    @pytest.mark.parametrize("command", ["call", "spawn_request"])
    def test_a_function_is_read_back_as_it_was_set(self, scene: FirewallScene, command: str, function: str) -> None:
        """Also one that runs another by its arguments, which the judge would have to know."""
        assert scene.firewall.add_filter(FOO, command, function, "accept") == "deny"
        assert scene.firewall.test_filter(FOO, command, function) == "accept"
        assert scene.firewall.del_filter(FOO, command, function) == "accept"
        assert scene.firewall.test_filter(FOO, command, function) == "deny"

    def test_what_the_file_says_is_not_deleted(self, scene: FirewallScene) -> None:
        assert scene.firewall.del_filter(FOO, "reg_send", "open") == "accept"
        assert scene.firewall.test_filter(FOO, "reg_send", "open") == "accept"

    def test_a_key_decides_before_a_command(self, scene: FirewallScene) -> None:
        """A rule of the file with a key is more specific than what is set for the command."""
        assert scene.firewall.set_filter(FOO, "reg_send", "drop") == "deny"
        assert scene.firewall.test_filter(FOO, "reg_send", "open") == "accept"
        assert scene.firewall.test_filter(FOO, "reg_send", "other") == "drop"

    def test_run_time_comes_before_the_file_among_equals(self, scene: FirewallScene) -> None:
        assert scene.firewall.add_filter(FOO, "reg_send", "open", "drop") == "accept"
        assert scene.firewall.test_filter(FOO, "reg_send", "open") == "drop"

    def test_one_filter_may_be_for_all_commands(self, scene: FirewallScene) -> None:
        assert scene.firewall.set_filter(FOO, "_", "accept") == "deny"
        assert scene.firewall.test_filter(FOO, "exit2") == "accept"
        assert scene.firewall.set_filter(FOO, "_", "drop") == "accept"

    def test_another_spelling_is_the_same(self, scene: FirewallScene) -> None:
        scene.firewall.add_filter(FOO, "reg_send", "'name'", "accept")
        scene.firewall.add_filter(FOO, "reg_send", "name", "drop")
        scene.firewall.del_filter(FOO, "reg_send", "'name'")
        assert scene.firewall.test_filter(FOO, "reg_send", "name") == "deny"
        assert scene.firewall.settings() == []

    def test_they_can_be_set_before_a_node_connects_and_after_it_has_gone(self, scene: FirewallScene) -> None:
        scene.firewall.set_filter(FOO, "exit2", "accept")
        handle = scene.open()
        assert judged(scene, "exit2") == "accept"
        handle.closed("peer closed")
        assert scene.firewall.set_filter(FOO, "exit2", "drop") == "accept"
        scene.open()
        assert judged(scene, "exit2") == "drop"

    def test_what_is_set_for_one_guarded_node_holds_there_only(self, scene: FirewallScene) -> None:
        """Where one distwall guards several, what is set for one holds there only."""
        firewall = scene.firewall
        firewall.set_filter(FOO, "exit2", "accept", guard="bar@127.0.0.2")
        assert firewall.test_filter(FOO, "exit2", guard="bar@127.0.0.2") == "accept"
        assert firewall.test_filter(FOO, "exit2", guard="baz@127.0.0.2") == "deny"
        assert firewall.test_filter(FOO, "exit2") == "deny"

    def test_others_are_judged_as_before(self, scene: FirewallScene) -> None:
        scene.open(FOO)
        scene.open("foo@other")
        scene.firewall.set_filter(FOO, "exit2", "accept")
        assert (judged(scene, "exit2"), judged(scene, "exit2", node="foo@other")) == ("accept", "deny")

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda f: f.set_filter(FOO, "links", "deny"), "unknown command `links`"),
            (lambda f: f.set_filter(FOO, "link", "refuse"), "unknown verdict `refuse`"),
            (lambda f: f.set_filter("foo", "link", "deny"), "`foo` is not the name of a node"),
            (lambda f: f.set_filter("foo@*", "link", "deny"), "is not the name of a node"),
            (lambda f: f.add_filter(FOO, "link", "x", "deny"), "takes no key"),
            (lambda f: f.add_filter(FOO, "reg_send", "Var", "deny"), "is a variable"),
            (lambda f: f.add_filter(FOO, "spawn_request", ("m", "f", 256), "deny"), "arity"),
            (lambda f: f.add_filter(FOO, "spawn_request", "m", "deny"), "`:` is missing"),
            (lambda f: f.test_filter(FOO, "nothing"), "unknown command"),
            (lambda f: f.attach(FOO, "nope"), "no table `nope`"),
            (lambda f: f.set_filter("foe@h", "link", "deny"), "entry names foe@h; did you mean foo@"),
            (lambda f: f.add_filter("foe@h", "reg_send", "x", "deny"), "entry names foe@h"),
            (lambda f: f.set_handler("foe@h", "send", "my_handler"), "entry names foe@h"),
            (lambda f: f.filter("foe@h", "my_filter"), "entry names foe@h"),
            (lambda f: f.attach("foe@h", "ops"), "entry names foe@h"),
            (lambda f: f.detach("foe@h", "ops"), "entry names foe@h"),
            (lambda f: f.issue_token("foe@h", "ops", 60, "a fix"), "entry names foe@h"),
            (lambda f: f.set_filter("other@elsewhere", "link", "deny"), "; add one, or correct the name"),
            (lambda f: f.set_table("t", ["accept nothing"]), "unknown command"),
            (lambda f: f.set_table("t", ["deny link", "accept link"]), "repeats"),
            (lambda f: f.grant(FOO, "nope", 1, "x"), "no table"),
            (lambda f: f.grant(FOO, "ops", 0, "x"), "0 seconds"),
            (lambda f: f.grant(FOO, "ops", 1e9, "x"), "at most"),
            (lambda f: f.grant(FOO, "ops", float("nan"), "x"), "seconds"),
            (lambda f: f.grant(FOO, "ops", 1, " "), "without a reason"),
            (lambda f: f.revoke(FOO, "ops"), "no grant"),
            (lambda f: f.disconnect(FOO), "not connected"),
            (lambda f: f.set_handler(FOO, "link", "m"), "no handlers for `link`"),
        ],
    )
    def test_what_makes_no_sense_changes_nothing(self, scene: FirewallScene, call: Any, message: str) -> None:
        with pytest.raises(ControlError, match=message) as caught:
            call(scene.firewall)
        assert "\n" not in str(caught.value)
        assert (scene.firewall.settings(), scene.firewall.grants()) == ([], [])
        assert "setting" not in scene.kinds()


class TestDefaults:
    def test_they_speak_where_nothing_attached_does(self, tmp_path: Path) -> None:
        scene = FirewallScene(tmp_path, policy(peer(rules=str(["accept link"]))))
        scene.open()
        assert scene.firewall.set_default_filter("_", "_", "drop") == "deny"
        assert scene.firewall.set_default_filter("spawn_request", ("auth", "authenticate", 1), "accept") == "drop"
        assert judged(scene, "exit2") == "drop"
        assert judged(scene, "link") == "accept"
        assert judged(scene, "spawn_request", ("auth", "authenticate", "1")) == "accept"
        assert scene.firewall.set_default_filter("_", "_", "deny") == "drop"

    def test_run_time_comes_before_the_file(self, tmp_path: Path) -> None:
        scene = FirewallScene(
            tmp_path, policy('[defaults]\nrules = ["accept exit2"]\n' + peer(rules=str(["accept link"])))
        )
        assert scene.firewall.set_default_filter("exit2", None, "drop") == "accept"
        assert scene.firewall.test_filter(FOO, "exit2") == "drop"


class TestTables:
    def test_a_change_reaches_all_that_it_is_attached_to(self, scene: FirewallScene) -> None:
        for node in (FOO, "foo@other", "foo@third"):
            scene.open(node)
        scene.firewall.attach(FOO, "ops")
        scene.firewall.attach("foo@other", "ops")
        assert [judged(scene, "exit2", node=n) for n in (FOO, "foo@other", "foo@third")] == ["accept", "accept", "deny"]
        scene.firewall.set_table("ops", ["accept unlink"])
        assert judged(scene, "exit2") == judged(scene, "exit2", node="foo@other") == "deny"
        assert judged(scene, "unlink") == "accept"
        scene.firewall.set_table("ops", None)
        assert judged(scene, "exit2") == "accept"
        scene.firewall.detach(FOO, "ops")
        assert (judged(scene, "exit2"), judged(scene, "exit2", node="foo@other")) == ("deny", "accept")

    def test_a_table_of_the_entry_can_be_detached_and_attached_again(self, tmp_path: Path) -> None:
        scene = FirewallScene(tmp_path, policy(TABLES + peer(rules=str(["deny *"]), more='tables = ["ops"]')))
        scene.open()
        assert judged(scene, "exit2") == "accept"
        scene.firewall.detach(FOO, "ops")
        assert judged(scene, "exit2") == "deny"
        scene.firewall.attach(FOO, "ops")
        assert judged(scene, "exit2") == "accept"

    def test_a_new_table_can_be_attached_and_not_removed_while_in_use(self, scene: FirewallScene) -> None:
        scene.firewall.set_table("fresh", ["accept reg_send fresh"])
        scene.firewall.attach(FOO, "fresh")
        assert scene.firewall.test_filter(FOO, "reg_send", "fresh") == "accept"
        with pytest.raises(NotFoundError, match="in use for foo@h"):
            scene.firewall.set_table("fresh", None)


class Clocks:
    """Clocks that a test turns."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.monotonic = 1_800_000_000.0, 100.0
        monkeypatch.setattr("time.time", lambda: self.wall)
        monkeypatch.setattr("time.monotonic", lambda: self.monotonic)

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


class TestGrants:
    def test_it_is_a_layer_above_all_else(self, scene: FirewallScene, clocks: Clocks) -> None:
        """Even a rule of the entry that names the same key is overruled, until it ends."""
        scene.firewall.add_filter(FOO, "reg_send", "ops", "drop")
        scene.open()
        scene.firewall.grant(FOO, "ops", 900, "a fix", actor="ann")
        assert judged(scene, "reg_send", ("ops",)) == "accept"
        assert judged(scene, "reg_send", ("open",)) == "accept"
        clocks.pass_by(899)
        assert [grant.table for grant in scene.firewall.grants()] == ["ops"]
        clocks.pass_by(1)
        assert scene.firewall.grants() == []
        assert judged(scene, "reg_send", ("ops",)) == "drop"
        assert judged(scene, "exit2") == "deny"
        kinds = scene.kinds()
        assert [kind for kind in kinds if kind.startswith("grant")] == ["grant", "grant_expired"]
        given = scene.events[kinds.index("grant")]
        assert (given["actor"], given["reason"], given["node"], given["table"]) == ("ann", "a fix", FOO, "ops")

    def test_what_changes_meanwhile_stays_changed(self, scene: FirewallScene, clocks: Clocks) -> None:
        scene.firewall.grant(FOO, "ops", 900, "a fix")
        scene.firewall.set_filter(FOO, "exit2", "drop")
        assert scene.firewall.test_filter(FOO, "exit2") == "accept"
        clocks.pass_by(900)
        scene.firewall.grants()
        assert scene.firewall.test_filter(FOO, "exit2") == "drop"

    def test_a_revoked_grant_ends_at_once(self, scene: FirewallScene, clocks: Clocks) -> None:
        clocks.pass_by(1)
        scene.firewall.grant(FOO, "ops", 900, "a fix")
        scene.firewall.revoke(FOO, "ops", actor="bob")
        assert scene.firewall.test_filter(FOO, "exit2") == "deny"
        assert scene.events[-1]["by"] == "bob"

    def test_to_revoke_is_to_end_it_wherever_it_holds(self, scene: FirewallScene) -> None:
        for guard in (None, "bar@127.0.0.2", "baz@127.0.0.2"):
            scene.firewall.grant(FOO, "ops", 900, "a fix", guard=guard)
        revoked = scene.firewall.revoke(FOO, "ops", guard="bar@127.0.0.2").to_json()
        assert revoked == {"ok": True, "revoked": ["bar@127.0.0.2"], "left": [None, "baz@127.0.0.2"]}
        assert scene.firewall.test_filter(FOO, "exit2", guard="bar@127.0.0.2") == "accept", "it is granted for all"
        with pytest.raises(NotFoundError, match="it is granted for all guarded nodes; see"):
            scene.firewall.revoke(FOO, "ops", guard="bar@127.0.0.2")
        assert scene.firewall.revoke(FOO, "ops").to_json() == {
            "ok": True,
            "revoked": [None, "baz@127.0.0.2"],
            "left": [],
        }
        assert scene.firewall.grants() == []
        assert [event["guard"] for event in scene.events if event["event"] == "grant_revoked"] == [
            "bar@127.0.0.2",
            None,
            "baz@127.0.0.2",
        ]

    def test_a_clock_set_back_prolongs_nothing(self, scene: FirewallScene, clocks: Clocks) -> None:
        scene.firewall.grant(FOO, "ops", 900, "a fix")
        clocks.wall -= 10_000
        clocks.monotonic += 900
        assert scene.firewall.grants() == []


class TestRestart:
    """What outlives the process, and that nothing else does."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "state.json"

    def scene(self, tmp_path: Path, path: Path) -> FirewallScene:
        made = policy(TABLES + peer(rules=str(["deny *"])))
        return FirewallScene(tmp_path, made, state=StateFile(path))

    def test_persistent_settings_and_grants_are_there_again(self, tmp_path: Path, path: Path, clocks: Clocks) -> None:
        before = self.scene(tmp_path, path)
        before.firewall.set_filter(FOO, "link", "accept", persist=True)
        before.firewall.set_filter(FOO, "unlink", "accept")
        before.firewall.set_table("mine", ["accept monitor"], persist=True)
        before.firewall.attach(FOO, "mine", persist=True)
        before.firewall.grant(FOO, "ops", 900, "a fix")
        clocks.wall += 600
        clocks.monotonic = 5
        after = self.scene(tmp_path, path)
        verdicts = [after.firewall.test_filter(FOO, c) for c in ("link", "unlink", "monitor", "exit2")]
        assert verdicts == ["accept", "deny", "accept", "accept"]
        clocks.pass_by(300)
        assert after.firewall.grants() == []
        assert after.firewall.test_filter(FOO, "exit2") == "deny"

    def test_a_grant_that_ended_meanwhile_is_over(self, tmp_path: Path, path: Path, clocks: Clocks) -> None:
        self.scene(tmp_path, path).firewall.grant(FOO, "ops", 900, "a fix")
        clocks.pass_by(1000)
        after = self.scene(tmp_path, path)
        assert after.firewall.test_filter(FOO, "exit2") == "deny"

    def test_what_is_deleted_stays_deleted(self, tmp_path: Path, path: Path) -> None:
        before = self.scene(tmp_path, path)
        before.firewall.set_filter(FOO, "link", "accept", persist=True)
        before.firewall.del_filter(FOO, "link")
        assert self.scene(tmp_path, path).firewall.test_filter(FOO, "link") == "deny"

    def test_what_cannot_be_saved_does_not_hold(self, tmp_path: Path, path: Path) -> None:
        scene = self.scene(tmp_path, path)
        path.with_name("state.json.new").mkdir()
        for call in (
            lambda: scene.firewall.set_filter(FOO, "link", "accept", persist=True),
            lambda: scene.firewall.grant(FOO, "ops", 900, "a fix"),
        ):
            with pytest.raises(UnsafeStateError, match="can't save"):
                call()
        assert scene.firewall.test_filter(FOO, "link") == scene.firewall.test_filter(FOO, "exit2") == "deny"
        assert (scene.firewall.settings(), scene.firewall.grants()) == ([], [])


class TestParties:
    """Grants of names that two entries let in, each with a cookie of its own."""

    BAR, BAZ = "bar@127.0.0.2", "baz@127.0.0.2"

    def policy(self, first: str = "FOO", second: str = "OPERATORS", *, names: str = "foo@*") -> Policy:
        twins = peer(names, str(["deny *"]), f'guards = ["{self.BAR}"]') + peer(
            "foo@h", str(["deny *"]), f'guards = ["{self.BAZ}"]'
        ).replace("FOO", second)
        guard = GUARD.replace(f'["{self.BAR}"]', f'["{self.BAR}", "{self.BAZ}"]')
        return policy(TABLES + twins.replace("FOO", first), guard=guard)

    def verdicts(self, scene: FirewallScene) -> list[str]:
        return [scene.firewall.test_filter(FOO, "exit2", guard=guard) for guard in (self.BAR, self.BAZ)]

    def test_a_grant_names_one_of_them(self, tmp_path: Path) -> None:
        scene = FirewallScene(tmp_path, self.policy())
        with pytest.raises(BadCallError, match="one of several parties, by the entries in lines"):
            scene.firewall.grant(FOO, "ops", 900, "a fix")
        assert scene.firewall.grant(FOO, "ops", 900, "a fix", guard=self.BAR).to_json()["entries"] == ["foo@*"]
        assert self.verdicts(scene) == ["accept", "deny"]

    def test_with_one_cookie_they_are_one_party(self, tmp_path: Path) -> None:
        scene = FirewallScene(tmp_path, self.policy(second="FOO"))
        assert scene.firewall.grant(FOO, "ops", 900, "a fix").to_json()["entries"] == ["foo@*", "foo@h"]
        assert self.verdicts(scene) == ["accept", "accept"]

    def test_nobody_is_granted_anything_whom_no_entry_names(self, scene: FirewallScene) -> None:
        with pytest.raises(NotFoundError, match="entry names other@h"):
            scene.firewall.grant("other@h", "ops", 900, "a fix")

    @pytest.mark.parametrize(("second", "after"), [("OPERATORS", "deny"), ("FOO", "accept")])
    def test_a_policy_that_gives_the_name_to_another_party_ends_it(
        self, tmp_path: Path, second: str, after: str
    ) -> None:
        before = policy(TABLES + peer("foo@*", str(["deny *"])))
        scene = FirewallScene(tmp_path, before, state=StateFile(tmp_path / "state.json"))
        scene.firewall.grant(FOO, "ops", 900, "a fix")
        now = policy(TABLES + peer("foo@*", str(["deny *"])) + peer("foo@h", str(["deny *"])).replace("FOO", second))
        scene.firewall.apply(now)
        assert scene.firewall.test_filter(FOO, "exit2") == after
        again = FirewallScene(tmp_path, now, state=StateFile(tmp_path / "state.json"))
        assert again.firewall.test_filter(FOO, "exit2") == after
        assert ("grant_revoked" in scene.kinds()) == (after == "deny")


class TestUnsavedRevocation:
    """A grant is revoked while the state file can't be written."""

    def scene(self, tmp_path: Path) -> FirewallScene:
        made = policy(TABLES + peer(rules=str(["deny *"])))
        return FirewallScene(tmp_path, made, state=StateFile(tmp_path / "state.json"))

    def test_it_holds_at_once_and_is_saved_as_soon_as_that_works(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("distwall.control.firewall.RETRY_SAVE", 0.05)
        in_the_way = tmp_path / "state.json.new"

        async def main() -> None:
            scene = self.scene(tmp_path)
            scene.firewall.start()
            scene.firewall.grant(FOO, "ops", 900, "a fix")
            in_the_way.mkdir()
            for _ in range(2):
                # Also the second time, though the grant is gone.
                with pytest.raises(UnsafeStateError, match="is revoked now, but could come back with a restart"):
                    scene.firewall.revoke(FOO, "ops")
                assert scene.firewall.test_filter(FOO, "exit2") == "deny"
            assert "state_trouble" in scene.kinds()
            assert self.scene(tmp_path).firewall.test_filter(FOO, "exit2") == "accept"
            in_the_way.rmdir()
            async with asyncio.timeout(5):
                await eventually(lambda: self.scene(tmp_path).firewall.test_filter(FOO, "exit2") == "deny")
            with pytest.raises(NotFoundError):
                scene.firewall.revoke(FOO, "ops")
            scene.firewall.close()

        asyncio.run(main())

    def test_it_is_saved_at_the_end_of_the_process_at_the_latest(self, tmp_path: Path) -> None:
        in_the_way = tmp_path / "state.json.new"

        async def main() -> None:
            scene = self.scene(tmp_path)
            scene.firewall.start()
            scene.firewall.grant(FOO, "ops", 900, "a fix")
            in_the_way.mkdir()
            with pytest.raises(UnsafeStateError):
                scene.firewall.revoke(FOO, "ops")
            in_the_way.rmdir()
            scene.firewall.close()

        asyncio.run(main())
        assert self.scene(tmp_path).firewall.test_filter(FOO, "exit2") == "deny"

    def test_on_a_full_disk_it_takes_the_place_of_the_old_state(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scene = self.scene(tmp_path)
        scene.firewall.grant(FOO, "ops", 900, "a fix")

        def full(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("distwall.control.state_file.replace_file", full)
            with pytest.raises(UnsafeStateError):
                scene.firewall.set_filter(FOO, "link", "accept", persist=True)
            scene.firewall.revoke(FOO, "ops")
        assert self.scene(tmp_path).firewall.test_filter(FOO, "exit2") == "deny"


def test_many_threads_and_tasks_may_call_at_once(scene: FirewallScene) -> None:
    """Everybody sets and unsets the same; in the end each is as if alone, and the loop's thread did it all."""
    firewall = scene.firewall
    names = [f"name{i}" for i in range(8)]

    def work(name: str) -> None:
        for _ in range(20):
            assert firewall.add_filter(FOO, "reg_send", name, "accept") == "deny"
            assert firewall.test_filter(FOO, "reg_send", name) == "accept"
            assert firewall.del_filter(FOO, "reg_send", name) == "accept"
        with pytest.raises(BadCallError):
            firewall.set_filter(FOO, "nothing", "deny")

    async def main() -> None:
        firewall.start()
        scene.open()
        await asyncio.gather(*(asyncio.to_thread(work, name) for name in names))
        work("here")
        firewall.close()

    asyncio.run(main())
    assert threading.get_ident() == firewall.thread
    assert firewall.settings() == []
