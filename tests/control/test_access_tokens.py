"""Tokens of peers: for one peer, for one use, for a time, over restarts."""

import json
from pathlib import Path

import pytest

from distwall.control import ControlError, Firewall, StateFile
from distwall.control.access_tokens import MAX_TOKENS, Access, AccessTokens, InvalidTokenError
from tests.support.firewall_scene import FirewallScene
from tests.support.policies import peer, policy

TABLES = '[tables.ops]\nrules = ["accept link"]\n'


def issue(tokens: AccessTokens, valid: float = 60, now: float = 1000) -> tuple[Access, str]:
    return tokens.issue("foo@h", "ops", 30, "fix", actor="root", valid=valid, now=now)


def test_a_token_gives_what_it_was_made_for() -> None:
    tokens = AccessTokens()
    access, text = issue(tokens)
    assert tokens.read("foo@h", text, 1059) == access
    assert (access.table, access.seconds, access.reason, access.issued_by) == ("ops", 30, "fix", "root")
    assert text not in repr(access)


@pytest.mark.parametrize(
    ("node", "now", "used", "why"),
    [
        ("bar@h", 1000, False, "it is for foo@h"),
        ("foo@h", 1060, False, "it has expired"),
        ("foo@h", 1000, True, "it was used before"),
    ],
)
def test_a_token_that_does_not_hold_is_refused_with_the_reason(node: str, now: float, used: bool, why: str) -> None:
    tokens = AccessTokens()
    access, text = issue(tokens)
    if used:
        tokens.use(access)
    with pytest.raises(InvalidTokenError, match=why):
        tokens.read(node, text, now)


@pytest.mark.parametrize("text", ["", "distwall_", "distwall__", "a.b.c", "distwall_é_\ud800"])
def test_any_text_can_be_shown(text: str) -> None:
    tokens = AccessTokens()
    issue(tokens)
    with pytest.raises(InvalidTokenError, match="unknown"):
        tokens.read("foo@h", text, 1000)


def test_tokens_are_bounded_and_the_expired_make_room() -> None:
    tokens = AccessTokens()
    for _ in range(MAX_TOKENS):
        issue(tokens)
    with pytest.raises(ControlError, match="1000 tokens"):
        issue(tokens)
    issue(tokens, now=1060)
    assert len(tokens.saved(1060)) == 1


def test_a_token_outlives_a_restart_and_its_use_does_too(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    before = FirewallScene(tmp_path, policy(TABLES + peer()))

    def restarted() -> Firewall:
        return Firewall(before.policy, before.audit, StateFile(state))

    text = restarted().issue_token("foo@h", "ops", 30, "fix")
    assert text not in state.read_text()
    assert json.loads(state.read_text())["tokens"][0]["node"] == "foo@h"
    assert restarted().redeem("foo@h", text).table == "ops"
    with pytest.raises(InvalidTokenError, match="it was used before"):
        restarted().redeem("foo@h", text)


def test_a_token_that_cannot_be_saved_is_not_given(tmp_path: Path) -> None:
    scene = FirewallScene(tmp_path, policy(TABLES + peer()))
    firewall = Firewall(scene.policy, scene.audit, StateFile(tmp_path / "state.json"))
    (tmp_path / "state.json.new").mkdir()
    with pytest.raises(ControlError, match="can't save"):
        firewall.issue_token("foo@h", "ops", 30, "fix")
    assert not [event for event in scene.events if event["event"] == "token_issued"]
