"""Services: what they stand for, those that come with distwall and those of a policy file."""

import pytest

from distwall.policy.language.names import key_text
from distwall.policy.language.services import Service, built_in, service
from tests.support.policies import peer, policy

API = """
[services.api]
argument = "NAME"
default = "orders"
rules = [
    "monitor NAME",
    "reg_send NAME when {'$gen_call', from(), {'NAME', NAMED, \\"NAME\\", NAME}}",
    "call NAME:_/1",
    "send to exposed",
]
"""


def _shown(name: str, argument: str | None) -> list[str]:
    made = policy(API + peer()).services[name].parts(argument)
    return [
        " ".join(
            filter(
                None,
                (
                    part.command,
                    key_text(part.key) if part.key else "",
                    f"to {part.scope}" if part.scope else "",
                    f"when {part.pattern}" if part.pattern else "",
                ),
            )
        )
        for part in made
    ]


def test_the_argument_stands_wherever_its_word_does_and_not_in_quotes() -> None:
    assert _shown("api", "it's") == [
        "monitor 'it\\'s'",
        "reg_send 'it\\'s' when {'$gen_call', from(), {'NAME', NAMED, \"NAME\", 'it\\'s'}}",
        "call 'it\\'s':_/1",
        "send to exposed",
    ]


def test_the_argument_may_have_a_default() -> None:
    made = policy(API + peer(rules='["accept api", "deny api stock"]'))
    keys = [key_text(f.key) for f in made.ranked(made.entries[0]) if f.command == "monitor" and f.key]
    assert keys == ["orders", "stock"]


def test_the_same_service_about_another_name_is_another_rule() -> None:
    made = policy(API + peer(rules='["accept api a", "accept api b"]'))
    assert len(made.rules) == 2


def test_the_filters_of_a_service_rank_by_their_own_specificity() -> None:
    made = policy(API + peer(rules='["deny reg_send orders", "accept api orders", "deny *"]'))
    assert [f.command for f in made.ranked(made.entries[0])] == [
        "reg_send",
        "reg_send",
        "monitor",
        "call",
        "send",
        "*",
    ]


def test_tables_and_defaults_name_services_too() -> None:
    text = API + '[defaults]\nrules = ["accept api"]\n[tables.t]\nrules = ["accept api a"]\n'
    made = policy(text + peer(more='tables = ["t"]'))
    assert {f.rule.where for f in made.ranked(made.entries[0])} == {"table t", "defaults"}


@pytest.mark.parametrize("name", sorted(built_in()))
def test_those_that_come_with_distwall_can_be_read(name: str) -> None:
    made = built_in()[name]
    parts = made.parts("some_name" if made.argument else None)
    assert len(parts) == len(made.filters) > 0
    assert all(part.argument is None for part in parts)


def test_ping_is_a_monitor_and_a_message() -> None:
    assert [(part.command, str(part.pattern)) for part in service("ping")] == [
        ("monitor", "None"),
        ("reg_send", "{'$gen_call', from(), {is_auth, node()}}"),
    ]


def test_services_are_read_once() -> None:
    made = Service("x", ("reg_send A",), "A")
    assert made.parts("a") is made.parts("a")
