"""The grammar of rules: what is read, and where an error points."""

import re
from datetime import UTC, datetime

import pytest

from distwall.policy.language.grammar import RuleSyntaxError, Statement, parse_rule
from distwall.policy.language.names import Part, key_text
from distwall.policy.language.services import built_in

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
        ("accept reg_send Orders.Desk", ("accept", "reg_send", [(EXACT, "Elixir.Orders.Desk")])),
        ("accept reg_send Elixir.Orders", ("accept", "reg_send", [(EXACT, "Elixir.Orders")])),
        ("accept reg_send Orders.De*", ("accept", "reg_send", [(PREFIX, "Elixir.Orders.De")])),
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
def test_rules_are_read(text: str, expected: tuple[str, str, list[tuple[str, str]] | None]) -> None:
    verdict, command, key = expected
    parts = None if key is None else tuple(Part(kind, part) for kind, part in key)  # type: ignore[arg-type]
    assert parse_rule(text, built_in()) == Statement(verdict, command, parts)  # type: ignore[arg-type]


UNTIL = datetime(2026, 12, 31, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "command", "key", "scope", "pattern", "audit", "until"),
    [
        ("deny send to exposed", "send", None, "exposed", None, False, None),
        ("deny monitor to  any ", "monitor", None, "any", None, False, None),
        ("deny monitor to", "monitor", "to", None, None, False, None),
        ("deny monitor to mode=audit", "monitor", "to", None, None, True, None),
        ("deny monitor mode", "monitor", "mode", None, None, False, None),
        ("deny send when {a, _}", "send", None, None, "{a, _}", False, None),
        ("deny send to linked when [X|X]", "send", None, "linked", "[X | X]", False, None),
        ("deny reg_send a when 'when'", "reg_send", "a", None, "'when'", False, None),
        ("deny reg_send when a", "reg_send", None, None, "a", False, None),
        ("deny reg_send when#{a:=1}mode=audit", None, None, None, None, False, None),
        ("deny reg_send a* when #{} mode=audit", "reg_send", "a*", None, "#{}", True, None),
        ("deny otp_internal a when _", "otp_internal", "a", None, "_", False, None),
        ("deny call m:f/_ when [_]", "call", "m:f/_", None, "[_]", False, None),
        ("deny call", "call", None, None, None, False, None),
        ("deny * until=2026-12-31T22:00:00Z", "*", None, None, None, False, UNTIL),
        ("deny * until=2027-01-01T00:00:00+02:00 mode=audit", "*", None, None, None, True, UNTIL),
        ("deny ping mode=audit", "ping", None, None, None, True, None),
    ],
)
def test_clauses_and_options_are_read(  # noqa: PLR0917
    text: str,
    command: str | None,
    key: str | None,
    scope: str | None,
    pattern: str | None,
    audit: bool,
    until: datetime | None,
) -> None:
    if command is None:
        with pytest.raises(RuleSyntaxError):
            parse_rule(text, built_in())
        return
    made = parse_rule(text, built_in())
    shown = None if made.key is None else key_text(made.key)
    assert (made.command, shown, made.scope, made.audit, made.until) == (command, key, scope, audit, until)
    assert (None if made.pattern is None else str(made.pattern)) == pattern


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("accept send <0.12.3>", Part("pid", "<0.12.3>")),
        ("accept alias_send #Ref<0.3.2.1>", Part("ref", "#Ref<0.3.2.1>")),
        ("accept monitor <0.12.3>", Part("pid", "<0.12.3>")),
    ],
)
def test_processes_can_be_named_at_run_time(text: str, part: Part) -> None:
    assert parse_rule(text, built_in(), run_time=True).key == (part,)
    with pytest.raises(RuleSyntaxError, match="a file can't name processes"):
        parse_rule(text, built_in())


@pytest.mark.parametrize(
    ("text", "index", "words"),
    [
        ("accept send <<1>>", 12, "neither a process nor an alias"),
        ("accept send <1.2.3>", 12, "does not belong to the guarded node"),
        ("accept send <0.1.2> to exposed", 20, "`to` after the end"),
    ],
)
def test_what_is_no_process_at_run_time_is_pointed_at(text: str, index: int, words: str) -> None:
    with pytest.raises(RuleSyntaxError, match=words) as caught:
        parse_rule(text, built_in(), run_time=True)
    assert caught.value.index == index


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
        ("deny * x", 7, "`*` covers every target"),
        ("accept link foo", 12, "`link` takes no key"),
        ("accept ping foo", 12, "`ping` takes no argument"),
        ("accept reg_send Foo", 16, "a variable in Erlang"),
        ("accept reg_send _foo", 16, "a variable in Erlang"),
        ("accept reg_send __", 16, "a variable in Erlang"),
        ("accept reg_send end", 16, "reserved word"),
        ('accept reg_send "x"', 16, 'not "'),
        ("accept reg_send <0.1.2>", 16, "processes and references"),
        ("accept reg_send 9x", 16, "is not an atom"),
        ("accept reg_send a-b", 17, "`-` is not possible here"),
        ("accept reg_send a*b", 18, "`b` is not possible here"),
        ("accept reg_send a b", 18, "`b` after the end"),
        ("accept reg_send 'a", 16, "closing quote"),
        (r"accept reg_send 'a\x{110000}'", 18, "escape"),
        (r"accept reg_send 'a\xZ'", 18, "escape"),
        (r"accept reg_send '\x{D800}'", 17, "escape"),
        ("accept reg_send 'a\nb'", 18, "line end"),
        ("accept reg_send " + "a" * 256, 16, "256 characters"),
        ("accept spawn_request m", 22, "`:` is missing"),
        ("accept spawn_request m:f", 24, "`/` is missing"),
        ("accept spawn_request m:f/", 25, "no arity"),
        ("accept spawn_request m:f/x", 25, "no arity"),
        ("accept spawn_request m:f/256", 25, "at most 255"),
        ("accept spawn_request m:f/99999999999999999999999", 25, "at most 255"),
        ("accept spawn_request :f/1", 21, "is not an atom"),
        ("deny * # all", 7, "a comment inside a rule"),
        ("deny reg_send % x", 14, "a comment inside a rule"),
        ("# deny *", 0, "a comment inside a rule"),
        ("accept call inventory", 21, "`:` is missing"),
        ("accept call m:f/1 to exposed", 18, "`to` after the end"),
        ("accept send to", 12, "`send` takes no key; end the rule after `send`, or write `to exposed`"),
        ("accept send to exposd", 15, "unknown target `exposd`; did you mean `exposed`?"),
        ("accept send to exposed,", 15, "unknown target"),
        ("accept send to nowhere", 15, "write to exposed, spawned, linked, any"),
        ("accept demonitor to exposed", 17, "`demonitor` has no process as its target"),
        ("accept * to exposed", 9, "`*` has no process as its target"),
        ("accept send <0.1.2>", 12, "a file can't name processes and references"),
        ("accept send when", 16, "the term ends here"),
        ("accept send when {a", 17, "`{` without `}`"),
        ("accept send when {a} b", 21, "`b` after the end of the rule"),
        ("accept send when {a}b", 20, "`b` is not possible here"),
        ("accept send when {a} when {b}", 21, "`when` after the end of the rule"),
        ("accept link when {a}", 12, "`link` has no message; there are patterns for alias_send, call"),
        ("accept * when {a}", 9, "`*` includes commands without a message"),
        ("accept monitor a when {a}", 17, "`monitor` has no message"),
        ("deny link mode=trial", 15, "unknown mode `trial`; write mode=audit"),
        ("deny link mode=audit mode=audit", 21, "the option `mode=` twice"),
        ("deny link mod=audit", 10, "unknown option `mod=`"),
        ("accept link mode=audit", 12, "mode=audit on a rule that accepts"),
        ("deny link until=2026-12-31", 16, "`2026-12-31` is not a time; write it with its zone"),
        ("deny link until=2026-12-31T00:00:00", 16, "is not a time"),
        ("deny link until=2026-13-31T00:00:00Z", 16, "is not a time"),
        ("deny link mode=audit x", 21, "`x` after the end of the rule"),
        ("accept ping when {a}", 12, "`ping` takes no argument"),
    ],
)
def test_what_is_no_rule_is_pointed_at(text: str, index: int, words: str) -> None:
    with pytest.raises(RuleSyntaxError) as caught:
        parse_rule(text, built_in())
    assert words in str(caught.value)
    assert caught.value.index == index


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Orders.price/1", "'Elixir.Orders':price/1"),
        ("Orders.Desk.price/_", "'Elixir.Orders.Desk':price/_"),
        ("Orders.Desk:price/1", "'Elixir.Orders.Desk':price/1"),
        ("Elixir.Orders.valid?/1", "'Elixir.Orders':'valid?'/1"),
        ("Orders.fetch!/2", "'Elixir.Orders':'fetch!'/2"),
        ("Orders._/_", "'Elixir.Orders':_/_"),
        ("Orders.price*/1", "'Elixir.Orders':price*/1"),
    ],
)
def test_functions_may_be_written_as_in_elixir(text: str, key: str) -> None:
    assert key_text(parse_rule(f"accept call {text}").key or ()) == key


@pytest.mark.parametrize(
    ("rule", "remedy"),
    [
        ("accept reg_send Orders", "quote it if the atom is meant: 'Orders'; write Elixir.Orders for the module"),
        ("accept call Orders:price/1", "is a variable in Erlang"),
        ("accept call Orders/1", "is a variable in Erlang"),
        ("accept reg_send :counter", "write counter for :counter"),
        ("accept call :lists.map/2", "lists:map/2 for :lists.map/2"),
        ("accept reg_send Orders.desk", "`.` is not possible here"),
        (f"accept reg_send Orders.{'D' * 255}", "atoms have at most 255"),
    ],
)
def test_what_could_be_erlang_is_no_module_of_elixirs(rule: str, remedy: str) -> None:
    with pytest.raises(RuleSyntaxError, match=re.escape(remedy)):
        parse_rule(rule)
