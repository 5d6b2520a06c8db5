"""The grammar of rules: what is read, and where an error points."""

import pytest

from distwall.policy.grammar import RuleSyntaxError, Statement, parse_rule
from distwall.policy.names import Part

EXACT, PREFIX, ANY = "exact", "prefix", "any"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("deny *", ("deny", "*", None)),
        ("  accept \t link  ", ("accept", "link", None)),
        ("reject exit2", ("deny", "exit2", None)),
        ("drop unlink_ack", ("drop", "unlink_ack", None)),
        ("accept ping", ("accept", "ping", None)),
        ("accept otp_internal", ("accept", "otp_internal", None)),
        ("accept otp_internal counter", ("accept", "otp_internal", [(EXACT, "counter")])),
        ("accept reg_send node_b_gateway", ("accept", "reg_send", [(EXACT, "node_b_gateway")])),
        ("accept monitor a@B_9", ("accept", "monitor", [(EXACT, "a@B_9")])),
        ("accept reg_send über", ("accept", "reg_send", [(EXACT, "über")])),
        ("accept reg_send to", ("accept", "reg_send", [(EXACT, "to")])),
        ("accept monitor to", ("accept", "monitor", [(EXACT, "to")])),
        ("accept reg_send _", ("accept", "reg_send", [(ANY, "")])),
        ("accept reg_send my_*", ("accept", "reg_send", [(PREFIX, "my_")])),
        ("accept reg_send *", ("accept", "reg_send", [(PREFIX, "")])),
        ("accept reg_send 'Elixir.My App'", ("accept", "reg_send", [(EXACT, "Elixir.My App")])),
        ("accept reg_send 'Elixir.'*", ("accept", "reg_send", [(PREFIX, "Elixir.")])),
        ("accept reg_send 'star*'", ("accept", "reg_send", [(EXACT, "star*")])),
        ("accept reg_send ''", ("accept", "reg_send", [(EXACT, "")])),
        ("accept reg_send 'when'", ("accept", "reg_send", [(EXACT, "when")])),
        (r"accept reg_send '\'\\\n\x41\x{1F600}\101\^A\q\s'", ("accept", "reg_send", [(EXACT, "'\\\nA😀A\x01q ")])),
        ("accept spawn_request m:f/0", ("accept", "spawn_request", [(EXACT, "m"), (EXACT, "f"), (EXACT, "0")])),
        ("accept spawn_request _:_/_", ("accept", "spawn_request", [(ANY, ""), (ANY, ""), (ANY, "")])),
        (
            "accept spawn_request m*:'F f'*/007",
            ("accept", "spawn_request", [(PREFIX, "m"), (PREFIX, "F f"), (EXACT, "7")]),
        ),
    ],
)
def test_rules_that_are_read(text: str, expected: tuple[str, str, list[tuple[str, str]] | None]) -> None:
    verdict, command, key = expected
    parts = None if key is None else tuple(Part(kind, part) for kind, part in key)  # type: ignore[arg-type]
    assert parse_rule(text) == Statement(verdict, command, parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "index", "words"),
    [
        ("", 0, "an empty rule"),
        ("   ", 3, "an empty rule"),
        ("accpt *", 0, "did you mean `accept`?"),
        ("Accept *", 0, "unknown verdict `Accept`"),
        ("deny", 4, "no command"),
        ("deny reg_snd x", 5, "did you mean `reg_send`?"),
        ("deny everything", 5, "unknown command `everything`"),
        ("deny * x", 7, "`*` stands for every target"),
        ("accept link foo", 12, "`link` takes no key"),
        ("accept ping foo", 12, "`ping` takes no key"),
        ("accept reg_send Foo", 16, "a variable in Erlang"),
        ("accept reg_send _foo", 16, "a variable in Erlang"),
        ("accept reg_send __", 16, "a variable in Erlang"),
        ("accept reg_send end", 16, "reserved word"),
        ('accept reg_send "x"', 16, 'not "'),
        ("accept reg_send <0.1.2>", 16, "processes and references"),
        ("accept reg_send 9x", 16, "is not an atom"),
        ("accept reg_send a-b", 17, "`-` can't stand here"),
        ("accept reg_send a*b", 18, "`b` can't stand here"),
        ("accept reg_send a b", 18, "`b` after the end"),
        ("accept reg_send 'a", 16, "closing quote"),
        (r"accept reg_send 'a\x{110000}'", 18, "escape"),
        (r"accept reg_send 'a\xZ'", 18, "escape"),
        (r"accept reg_send '\x{D800}'", 17, "escape"),
        ("accept reg_send 'a\nb'", 18, "line end"),
        ("accept reg_send " + "a" * 256, 16, "256 characters"),
        ("accept spawn_request m", 22, "no `:`"),
        ("accept spawn_request m:f", 24, "no `/`"),
        ("accept spawn_request m:f/", 25, "no arity"),
        ("accept spawn_request m:f/x", 25, "no arity"),
        ("accept spawn_request m:f/256", 25, "at most 255"),
        ("accept spawn_request m:f/99999999999999999999999", 25, "at most 255"),
        ("accept spawn_request :f/1", 21, "is not an atom"),
        ("deny * # all", 7, "a comment inside a rule"),
        ("deny reg_send % x", 14, "a comment inside a rule"),
        ("# deny *", 0, "a comment inside a rule"),
        ("accept call a:b/1", 7, "does not have `call` rules yet"),
        ("accept erpc", 7, "does not have the service `erpc` yet"),
        ("accept gen_server x", 7, "does not have the service `gen_server` yet"),
        ("accept send to exposed", 12, "does not have `to` targets yet"),
        ("accept monitor to exposed", 15, "does not have `to` targets yet"),
        ("accept reg_send when {a}", 16, "does not have `when` patterns yet"),
        ("accept reg_send x when {a}", 18, "does not have `when` patterns yet"),
        ("accept send when {a}", 12, "does not have `when` patterns yet"),
        ("accept link mode=audit", 12, "does not have the option `mode=` yet"),
        ("accept reg_send x until=2026-12-31T00:00:00Z", 18, "does not have the option `until=` yet"),
    ],
)
def test_rules_that_are_not(text: str, index: int, words: str) -> None:
    with pytest.raises(RuleSyntaxError) as caught:
        parse_rule(text)
    assert words in str(caught.value)
    assert caught.value.index == index
