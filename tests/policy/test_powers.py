"""The powers of an entry: one sentence says what its peers can do."""

import json
import tomllib
from importlib.resources import files

import pytest

from distwall.policy.language.services import built_in
from distwall.policy.model import Policy
from distwall.policy.powers import powers
from tests.support.policies import GUARD, peer, policy, with_rules


def _sentence(rules: list[str], defaults: list[str] | None = None) -> str:
    made = with_rules(rules, defaults or [])
    return powers(made, made.entries[0]).sentence("foo")


@pytest.mark.parametrize(
    ("rules", "sentence"),
    [
        (["deny *"], "foo can: connect, and nothing else"),
        (["accept *"], "foo can: run any code, by `accept *`"),
        (["accept call rpc:call/4", "accept ping"], "foo can: run any code, by `accept call rpc:call/4`"),
        (["accept call erlang:send/2"], "foo can: run any code, by `accept call erlang:send/2`"),
        (["accept call erlang:send/2 when [orders, _]"], "foo can: call 1 function (erlang:send/2 with some contents)"),
        (["accept *", "deny call os:cmd/1"], "foo can: run any code, by `accept *`"),
        (["accept call _:_/_", "accept ping"], "foo can: run any code, by `accept call _:_/_`"),
        (["accept spawn_request"], "foo can: run any code, by `accept spawn_request`"),
        (["accept erpc", "accept rpc"], "foo can: run any code, by `accept rpc`, `accept erpc`"),
        (["accept otp_internal a"], "foo can: run any code, by `accept otp_internal a`"),
        (["accept call a:b/1", "accept call c:d/_"], "foo can: call 2 functions (a:b/1, c:d/_)"),
        (["accept call a:b/1 when [ok]"], "foo can: call 1 function (a:b/1 with some contents)"),
        (
            ["accept call a:_/_", "deny call a:b/1"],
            "foo can: call 1 function (a:_/_), but not a:b/1",
        ),
        (
            [f"accept reg_send {name}" for name in "abcde"],
            "foo can: message 5 registered names (a, b, c and 2 more)",
        ),
        (["accept reg_send"], "foo can: message 1 registered name (every one)"),
        (
            ["accept ping", "accept gen_server orders", "accept send to exposed"],
            "foo can: use 2 services (ping, gen_server orders); message processes that it was shown",
        ),
        (["accept send", "accept exit2 to spawned"], "foo can: message any process; end processes that it has spawned"),
        (["accept link to linked", "deny link to any"], "foo can: link to processes that it is linked with"),
        (["accept unlink"], "foo can: send unlink"),
    ],
)
def test_a_sentence_says_what_the_rules_amount_to(rules: list[str], sentence: str) -> None:
    assert _sentence(rules) == sentence


def test_defaults_count_where_nothing_attached_speaks() -> None:
    assert _sentence(["accept reg_send a"], ["deny *", "accept ping"]) == (
        "foo can: use 1 service (ping); message 1 registered name (a)"
    )


def test_audit_mode_is_everything() -> None:
    made = policy(peer(rules='["deny *"]', more='mode = "audit"'))
    assert powers(made, made.entries[0]).sentence("foo").startswith("foo can: do everything")


def test_a_restricted_shell_is_not_any_code() -> None:
    control = '[control]\nnode = "distwall@127.0.0.1"\n'
    made = policy(control + peer(rules='["accept remsh"]'), guard=GUARD + "restricted_shell = true\n")
    assert powers(made, made.entries[0]).any_code == ()
    assert powers(made := policy(peer(rules='["accept remsh"]')), made.entries[0]).any_code == ("accept remsh",)


def _own_service(rules: list[str]) -> Policy:
    """A policy whose service `api` has these rules."""
    return policy(f"[services.api]\nrules = {json.dumps(rules)}\n" + peer(rules='["deny *", "accept api"]'))


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (["call _:_/_"], "run any code, by `accept api`"),
        (["spawn_request"], "run any code, by `accept api`"),
        (["otp_internal a"], "run any code, by `accept api`"),
        (["call os:cmd/1", "reg_send a"], "run any code, by `accept api`"),
        (["call ets:lookup/2", "reg_send a"], "call 1 function (ets:lookup/2); message 1 registered name (a)"),
        (["exit2"], "end any process"),
    ],
)
def test_a_service_of_the_policy_is_what_its_rules_are(rules: list[str], words: str) -> None:
    made = _own_service(rules)
    assert powers(made, made.entries[0]).sentence("foo") == f"foo can: {words}"


def test_global_is_any_code_where_functions_come_along() -> None:
    made = policy(peer(rules='["accept global"]', more="funs = true"))
    assert powers(made, made.entries[0]).any_code == ("accept global",)
    made = policy(peer(rules='["accept global"]'))
    assert powers(made, made.entries[0]).any_code == ()


def test_what_opens_everything_says_so_on_its_page() -> None:
    texts = files("distwall.policy.language").joinpath("services.toml").read_text(encoding="utf-8")
    for name, table in tomllib.loads(texts).items():
        assert built_in()[name].any_code == table["danger"].lstrip().startswith("Everything"), name


def test_functions_that_may_be_sent_are_told() -> None:
    made = policy(peer(rules='["accept reg_send a"]', more="funs = true"))
    assert "send functions" in powers(made, made.entries[0]).sentence("foo")
