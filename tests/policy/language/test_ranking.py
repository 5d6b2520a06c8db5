"""Who decides: the examples of the design, and a property test against a second ranking."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distwall._core import COMMANDS
from distwall.policy import Policy
from distwall.policy.language.patterns import parse_pattern
from tests.policy.second_ranking import PING, Question, Written, deciding
from tests.support.policies import with_rules

NAMES = ["a", "ab", "abc", "b", "net_kernel"]


def _decider(
    policy: Policy,
    command: str,
    key: tuple[str, ...] | None = None,
    scope: str | None = None,
    pattern: str | None = None,
) -> str | None:
    """The text of the rule that decides for the first entry, by all three ways to find out, which must agree."""
    entry = policy.entries[0]
    code = None if pattern is None else parse_pattern(pattern).code
    scopes = () if scope is None else (scope,)
    found = policy.ranked(entry).decides(command, key, scopes=scopes, fits=lambda asked: asked.code == code)
    for verdict, rule_id, to, when in policy.compile(entry).judge(command, key):
        if when in (None, code) and to in (None, "any", scope):
            assert found is not None
            assert (policy.rule(rule_id), verdict) == (found.rule, found.rule.verdict)
            break
    else:
        assert found is None
    return found.rule.text if found else None


@pytest.mark.parametrize(
    ("rules", "command", "key", "decider"),
    [
        ([], "link", None, None),
        (["accept *"], "link", None, "accept *"),
        (["accept *", "deny link"], "link", None, "deny link"),
        (["deny link"], "send", None, None),
        (["accept reg_send a", "deny reg_send"], "reg_send", ("a",), "accept reg_send a"),
        (["accept reg_send a", "deny reg_send"], "reg_send", ("b",), "deny reg_send"),
        (["deny reg_send a*", "accept reg_send abc"], "reg_send", ("abc",), "accept reg_send abc"),
        (["deny reg_send a*", "accept reg_send ab*"], "reg_send", ("abc",), "accept reg_send ab*"),
        (["deny reg_send a*", "accept reg_send _"], "reg_send", ("abc",), "accept reg_send _"),
        (["accept reg_send", "deny reg_send *"], "reg_send", ("a",), "deny reg_send *"),
        (
            ["accept spawn_request m:_/_", "deny spawn_request m:f/_"],
            "spawn_request",
            ("m", "f", "1"),
            "deny spawn_request m:f/_",
        ),
        (
            ["deny spawn_request _:f/_", "accept spawn_request m:_/_"],
            "spawn_request",
            ("m", "f", "1"),
            "deny spawn_request _:f/_",
        ),
        (
            ["accept spawn_request m*:f/1", "deny spawn_request _:_/_"],
            "spawn_request",
            ("m", "f", "1"),
            "deny spawn_request _:_/_",
        ),
        (
            ["accept spawn_request m*:_/1", "deny spawn_request m*:f/1"],
            "spawn_request",
            ("m", "f", "1"),
            "deny spawn_request m*:f/1",
        ),
        (["accept otp_internal a", "deny otp_internal"], "otp_internal", ("a",), "accept otp_internal a"),
        (["accept *"], "otp_internal", ("a",), None),
    ],
)
def test_the_most_specific_decides(
    rules: list[str], command: str, key: tuple[str, ...] | None, decider: str | None
) -> None:
    assert _decider(with_rules(rules), command, key) == decider


def test_defaults_speak_only_where_nothing_attached_does() -> None:
    policy = with_rules(["deny *"], defaults=["accept reg_send a"])
    assert _decider(policy, "reg_send", ("a",)) == "deny *"
    policy = with_rules(["deny link"], defaults=["accept reg_send a"])
    assert _decider(policy, "reg_send", ("a",)) == "accept reg_send a"


def test_the_entry_comes_before_its_tables_and_these_in_order() -> None:
    policy = with_rules(
        ["drop link"], tables=[["deny link", "drop send"], ["accept send", "accept link", "deny exit2"]]
    )
    assert _decider(policy, "link") == "drop link"
    assert _decider(policy, "send") == "drop send"
    assert _decider(policy, "exit2") == "deny exit2"


def test_a_specific_rule_of_a_table_beats_a_broad_one_of_the_entry() -> None:
    policy = with_rules(["deny *"], tables=[["accept reg_send a"]])
    assert _decider(policy, "reg_send", ("a",)) == "accept reg_send a"


def test_ping_opens_its_message_and_its_monitor_and_no_more() -> None:
    policy = with_rules(["deny *", "accept ping"])
    assert _decider(policy, "monitor", ("net_kernel",)) == "accept ping"
    assert _decider(policy, "reg_send", ("net_kernel",), pattern=PING) == "accept ping"
    assert _decider(policy, "reg_send", ("net_kernel",)) == "deny *"
    assert _decider(policy, "monitor", ("rex",)) == "deny *"


def test_a_pattern_beats_a_key() -> None:
    policy = with_rules(["deny reg_send net_kernel", "accept ping"])
    assert _decider(policy, "reg_send", ("net_kernel",), pattern=PING) == "accept ping"
    assert _decider(policy, "reg_send", ("net_kernel",)) == "deny reg_send net_kernel"


@dataclass
class RuleLists:
    """A peer's lists of rules, and the same as the second ranking takes them."""

    lists: list[list[Written]]
    defaults: list[Written]

    def policy(self) -> Policy:
        texts = [[rule.text for rule in rules] for rules in self.lists]
        return with_rules(texts[0], [rule.text for rule in self.defaults], texts[1:])


names = st.sampled_from([*NAMES, "_", "a*", "ab*", "abc*", "net*"])
functions = st.builds(
    "{}:{}/{}".format,
    st.sampled_from(["a", "ab", "_", "a*", "ab*"]),
    st.sampled_from(["a", "ab", "_", "a*"]),
    st.sampled_from(["0", "1", "_"]),
)
scopes = st.sampled_from([None, "exposed", "spawned", "linked", "any"])
patterns = st.sampled_from([None, PING, "{a, _}", "[1, X, X]"])
heads = st.one_of(
    st.tuples(st.sampled_from([*COMMANDS, "*", "*", "ping", "otp_internal", "call"]), st.none(), st.none(), st.none()),
    st.tuples(st.sampled_from(["reg_send", "otp_internal"]), names | st.none(), st.none(), patterns),
    st.tuples(st.just("monitor"), names, st.none(), st.none()),
    st.tuples(st.sampled_from(["send", "alias_send", "exit2"]), st.none(), scopes, patterns),
    st.tuples(st.sampled_from(["link", "group_leader", "monitor"]), st.none(), scopes, st.none()),
    st.tuples(st.sampled_from(["spawn_request", "call"]), functions, st.none(), patterns),
)


@st.composite
def cases(draw: st.DrawFn) -> RuleLists:
    def rules(number: int | None) -> list[Written]:
        drawn = draw(st.lists(heads, max_size=7, unique=True))
        verdicts = st.sampled_from(["accept", "deny", "drop"])
        return [
            Written(draw(verdicts), command, key, number, at, scope, pattern)
            for at, (command, key, scope, pattern) in enumerate(drawn)
        ]

    return RuleLists([rules(number) for number in range(draw(st.integers(1, 3)))], rules(None))


functions_asked = st.builds(
    "{}:{}/{}".format, st.sampled_from(["a", "ab", "b"]), st.sampled_from(["a", "ab"]), st.sampled_from("01")
)
known = st.sampled_from([None, "exposed", "spawned", "linked"])
questions: st.SearchStrategy[Question] = st.one_of(
    st.tuples(st.sampled_from(COMMANDS), st.none(), known, patterns),
    st.tuples(st.sampled_from(["monitor", "otp_internal"]), st.sampled_from(NAMES), st.none(), patterns),
    st.tuples(st.just("reg_send"), st.sampled_from(NAMES), st.none(), patterns),
    st.tuples(st.sampled_from(["spawn_request", "call"]), functions_asked, st.none(), patterns),
)


@settings(deadline=None)
@given(cases(), st.lists(questions, min_size=1, max_size=12))
def test_the_rankings_agree(case: RuleLists, asked: list[Question]) -> None:
    policy = case.policy()
    for command, target, scope, pattern in asked:
        key = None if target is None else tuple(target.replace("/", ":").split(":"))
        everything = [rule for rules in (*case.lists, case.defaults) for rule in rules]
        _, rule = deciding(everything, (command, target, scope, pattern))
        assert _decider(policy, command, key, scope, pattern) == (rule.text if rule else None)
