"""The time by which rules end does not come again."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from distwall.control import StateFile
from distwall.control.errors import ControlError
from distwall.control.wall_clock import WallClock
from tests.support.firewall_scene import FirewallScene
from tests.support.policies import peer, policy

T = 1_900_000_000.0
"""In March 2030."""

ENDING = policy(peer(rules='["deny *", "accept reg_send a until=2030-03-01T00:00:00Z"]'))


def test_a_clock_that_is_set_back_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = WallClock()
    monkeypatch.setattr(time, "time", lambda: T)
    assert clock.seconds() == T
    monkeypatch.setattr(time, "time", lambda: T - 1000)
    assert T <= clock.seconds() < T + 5
    monkeypatch.setattr(time, "time", lambda: T + 1000)
    assert clock.seconds() == T + 1000


def scene(tmp_path: Path) -> FirewallScene:
    return FirewallScene(tmp_path, ENDING, StateFile(tmp_path / "state.json"))


def verdict(made: FirewallScene) -> str:
    return made.firewall.test_filter("foo@h", "reg_send", "a")


def start(made: FirewallScene) -> None:
    async def main() -> None:
        made.firewall.start()
        made.firewall.close()
        await made.audit.close()

    asyncio.run(main())


class TestAcrossARestart:
    def test_a_rule_that_has_ended_stays_ended(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(time, "time", lambda: T - 10_000_000)
        made = scene(tmp_path)
        assert verdict(made) == "accept"
        start(made)
        monkeypatch.setattr(time, "time", lambda: T)
        made = scene(tmp_path)
        assert verdict(made) == "deny"
        start(made)
        monkeypatch.setattr(time, "time", lambda: T - 10_000_000)
        assert verdict(scene(tmp_path)) == "deny"

    def test_a_grant_that_has_ended_stays_ended(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        made_policy = policy('[tables.ops]\nrules = ["accept reg_send b"]\n' + peer(rules='["deny *"]'))

        def here() -> FirewallScene:
            return FirewallScene(tmp_path, made_policy, StateFile(tmp_path / "state.json"))

        monkeypatch.setattr(time, "time", lambda: T)
        made = here()
        made.firewall.grant("foo@h", "ops", 100, "fix")
        saved = (tmp_path / "state.json").read_bytes()
        monkeypatch.setattr(time, "time", lambda: T + 200)
        start(here())
        # Somebody puts the grant back, too, but not the time.
        state = json.loads(saved) | {"seen": json.loads((tmp_path / "state.json").read_bytes())["seen"]}
        (tmp_path / "state.json").write_text(json.dumps(state))
        monkeypatch.setattr(time, "time", lambda: T + 10)
        assert here().firewall.grants() == []

    def test_a_token_that_has_expired_stays_expired(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        made_policy = policy('[tables.ops]\nrules = ["accept reg_send b"]\n' + peer(rules='["deny *"]'))

        def here() -> FirewallScene:
            return FirewallScene(tmp_path, made_policy, StateFile(tmp_path / "state.json"))

        monkeypatch.setattr(time, "time", lambda: T)
        token = here().firewall.issue_token("foo@h", "ops", 100, "fix", valid=100)
        state = json.loads((tmp_path / "state.json").read_bytes())
        (tmp_path / "state.json").write_text(json.dumps(state | {"seen": T + 150}))
        monkeypatch.setattr(time, "time", lambda: T + 10)
        made = here()
        with pytest.raises(ControlError, match="expired"):
            made.firewall.redeem("foo@h", token)

    def test_where_nothing_ends_no_time_is_kept(self, tmp_path: Path) -> None:
        made = FirewallScene(tmp_path, policy(peer(rules='["deny *"]')), StateFile(tmp_path / "state.json"))
        start(made)
        assert not (tmp_path / "state.json").exists()
