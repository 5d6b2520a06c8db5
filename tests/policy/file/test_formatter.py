"""``fmt``: rules in their one form, and all else left alone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distwall.policy import PolicyError
from distwall.policy.file.formatter import formatted, rule_text, tidy
from distwall.policy.file.toml_source import Source
from distwall.policy.language.grammar import parse_rule
from distwall.policy.language.patterns import parse_pattern
from distwall.policy.language.services import built_in
from tests.policy.pattern_texts import patterns
from tests.support.policies import PATH


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("  reject\t*  ", "deny *"),
        ("accept   reg_send  'orders'", "accept reg_send orders"),
        ("accept reg_send 'two words'*", "accept reg_send 'two words'*"),
        ("accept spawn_request 'm' : f/01", None),
        ("accept spawn_request 'm':f/01", "accept spawn_request m:f/1"),
        ("deny  send  to   exposed  when  { a ,_}", "deny send to exposed when {a, _}"),
        ("deny send mode = audit", "deny send mode=audit"),
        ("deny send until=2027-01-01T00:00:00+02:00 mode=audit", "deny send mode=audit until=2026-12-31T22:00:00Z"),
        ("accept  ping", "accept ping"),
    ],
)
def test_a_rule_has_one_form(written: str, expected: str | None) -> None:
    if expected is None:
        with pytest.raises(Exception, match="`:` is missing"):
            parse_rule(written, built_in())
        return
    made = parse_rule(written, built_in())
    assert rule_text(made) == expected
    assert parse_rule(expected, built_in()) == made
    assert rule_text(parse_rule(expected, built_in())) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("{a,b , X}", "{a, b, X}"),
        ("[ a|b ]", "[a | b]"),
        ("#{ k:=_,16#ff :=$ }", "#{k := _, 16#ff := $ }"),
        ('<<1,"a , b",_/binary>>', '<<1, "a , b", _/binary>>'),
        ('"a"   "b"', '"a" "b"'),
        ("fun   m:f/1", "fun m:f/1"),
        ("- 1.5e-3", "-1.5e-3"),
        ("'a  b'", "'a  b'"),
        ("integer( )", "integer()"),
        ("<0.12.3>", "<0.12.3>"),
        ("#Ref<0.1.2.3>", "#Ref<0.1.2.3>"),
        ("$\\x{41}", "$\\x{41}"),
    ],
)
def test_patterns_keep_their_spelling_and_get_their_spaces(written: str, expected: str) -> None:
    assert tidy(written) == expected
    assert parse_pattern(expected) == parse_pattern(written)
    assert tidy(expected) == expected


@settings(deadline=None)
@given(patterns)
def test_a_tidy_pattern_means_the_same(term: object) -> None:
    text = str(term)
    assert parse_pattern(tidy(text)).term == term
    assert tidy(tidy(text)) == tidy(text)


BEFORE = r"""# a policy
[guard]
nodes = [ "bar@h" ]   # ours

[defaults]
rules = [ "reject   *", 'accept  ping' ]  # two

[services.api]
argument = "NAME"
rules = ["reg_send   NAME  when {a,NAME}"]

[tables.t]
rules = [
    'reject *',   # all
    # between
    "drop  reg_send  'x'",
    '''accept reg_send 'a b' ''',
    "accept reg_send \"\\x\" when 'a'" # odd
]
rules_out = ["deny  *"]

[[peers]]
node = "foo@h"
rules = ["accept  api 'x'", "deny send when {\"a\",'ü'}"]
"""
AFTER = r"""# a policy
[guard]
nodes = [ "bar@h" ]   # ours

[defaults]
rules = [ "deny *", 'accept ping' ]  # two

[services.api]
argument = "NAME"
rules = ["reg_send   NAME  when {a,NAME}"]

[tables.t]
rules = [
    'deny   *',   # all
    # between
    "drop   reg_send x",
    "accept reg_send 'a b'",
]
rules_out = ["deny *"]

[[peers]]
node = "foo@h"
rules = ["accept api x", "deny send when {\"a\", 'ü'}"]
"""


def _formatted(text: str) -> str:
    return formatted(Source(text, PATH))


def test_a_file_is_formatted_and_keeps_its_comments() -> None:
    before = BEFORE.replace('    "accept reg_send \\"\\\\x\\" when \'a\'" # odd\n', "")
    assert _formatted(before) == AFTER
    assert _formatted(AFTER) == AFTER


def test_rules_that_cannot_be_read_are_errors() -> None:
    with pytest.raises(PolicyError) as caught:
        _formatted(BEFORE)
    assert [(p.origin.line, p.origin.column) for p in caught.value.problems] == [(18, 22)]


@pytest.mark.parametrize(
    "text", ["peers = 3\n", "[defaults]\nrules = 3\n", "[tables]\nt = 1\n", "[[peers]]\nrules = [3]\n", ""]
)
def test_what_is_no_list_of_rules_is_left_alone(text: str) -> None:
    assert _formatted(text) == text


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["deny  *", "accept  ping", "drop link", "accept   call m:f/_"]), unique=True),
    st.booleans(),
)
def test_formatting_twice_changes_nothing(rules: list[str], lines: bool) -> None:
    gap = ",\n " if lines else ", "
    once = _formatted("[defaults]\nrules = [" + gap.join(f'"{rule}"' for rule in rules) + "]\n")
    assert _formatted(once) == once
