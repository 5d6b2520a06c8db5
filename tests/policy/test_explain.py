"""`explain`: the deciding rule with its place, what else matched, and why it lost."""

import json

import pytest

from distwall.policy import Explanation, Policy, Question, QuestionError, explain
from tests.support.policies import peer, policy, with_rules


def ask(  # noqa: PLR0917
    made: Policy,
    peer: str,
    command: str,
    key: str | None = None,
    to: str | None = None,
    term: str | None = None,
    out: bool = False,
    guard: str | None = None,
) -> Explanation:
    return explain(made, peer, Question(command, key, to, term, out), guard)


def test_the_deciding_rule_has_a_place() -> None:
    made = with_rules(["deny *", "accept reg_send gate"])
    answer = ask(made, "foo@h", "reg_send", "gate")
    assert (answer.verdict, answer.reason, answer.key) == ("accept", "rule", "gate")
    assert answer.rule is not None
    assert (answer.rule.text, answer.rule.where, answer.rule.origin.line, answer.rule.origin.column) == (
        "accept reg_send gate",
        "entry",
        9,
        21,
    )
    assert answer.entry is made.entries[0]


def test_where_no_rule_speaks_the_default_denies() -> None:
    answer = ask(with_rules(["accept send"]), "foo@h", "link")
    assert (answer.verdict, answer.reason, answer.rule, answer.losers) == ("deny", "default", None, ())


def test_without_an_entry_a_peer_is_refused() -> None:
    answer = ask(with_rules(["accept *"]), "qux@h", "link")
    assert (answer.verdict, answer.reason, answer.entry) == ("deny", "no_entry", None)
    assert "not_allowed" in answer.notes[0]


def test_each_rule_that_lost_has_a_reason() -> None:
    made = with_rules(
        ["deny *", "accept reg_send ga*", "drop reg_send gat*", "accept reg_send gate", "deny reg_send"],
        defaults=["deny reg_send gate"],
        tables=[["drop reg_send gate"], ["deny reg_send _"]],
    )
    answer = ask(made, "foo@h", "reg_send", "gate")
    assert [(loser.rule.text, loser.why) for loser in answer.losers] == [
        ("drop reg_send gate", "equally specific, and entry comes before table t0"),
        ("deny reg_send _", "it has more `_`"),
        ("drop reg_send gat*", "a key is more specific than a prefix"),
        ("accept reg_send ga*", "a key is more specific than a prefix"),
        ("deny reg_send", "a key is more specific than a command"),
        ("deny *", "a key is more specific than `*`"),
        ("deny reg_send gate", "defaults decide only if no rule of the peer matches"),
    ]


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        (["drop reg_send gat*", "deny reg_send ga*"], "its prefix is shorter"),
        (["deny spawn_request g*:_/_", "drop spawn_request ga*:_/_"], "its prefix is shorter"),
        (["deny spawn_request ga*:_/_", "drop spawn_request ga*:_/1"], "it has more `_`"),
        (["drop spawn_request _:f/1", "deny spawn_request gate:_/1"], "equally specific, and written later"),
    ],
)
def test_among_alike_rules_the_narrower_wins(rules: list[str], why: str) -> None:
    command = "spawn_request" if "spawn_request" in rules[0] else "reg_send"
    answer = ask(with_rules(rules), "foo@h", command, "gate" if command == "reg_send" else "gate:f/1")
    assert answer.verdict == "drop"
    assert [loser.why for loser in answer.losers] == [why]


def test_rules_for_one_payload_come_first() -> None:
    answer = ask(with_rules(["deny *", "accept ping"]), "foo@h", "reg_send", "net_kernel")
    assert answer.verdict == "deny"
    ping = "the message matches {'$gen_call', from(), {is_auth, node()}}"
    assert [(each.rule.text, each.condition) for each in answer.special] == [("accept ping", ping)]


@pytest.mark.parametrize(
    ("rules", "command", "key", "words"),
    [
        (["accept reg_send gate"], "reg_send", "gate", "`accept otp_internal gate` would let them pass"),
        (["accept send"], "send", None, "`accept otp_internal` would let them pass"),
        (["deny *"], "exit", None, "pass without a rule"),
        (["deny *"], "send", None, "replies to calls of the guarded node pass"),
        (["accept reg_send gate"], "reg_send", None, "rules with a key are left out"),
    ],
)
def test_notes_tell_what_a_rule_does_not_say(rules: list[str], command: str, key: str | None, words: str) -> None:
    assert any(words in note for note in ask(with_rules(rules), "foo@h", command, key).notes)


@pytest.mark.parametrize(
    ("rules", "command", "key"),
    [
        (["accept *"], "reg_send", "gate"),
        (["accept reg_send gate", "accept otp_internal gate"], "reg_send", "gate"),
        (["deny exit"], "exit", None),
        (["deny send"], "send", None),
    ],
)
def test_there_are_no_needless_notes(rules: list[str], command: str, key: str | None) -> None:
    assert ask(with_rules(rules), "foo@h", command, key).notes == ()


@pytest.mark.parametrize(
    ("command", "key", "shown"),
    [
        ("reg_send", "'a b'", "'a b'"),
        ("reg_send", "a b", "'a b'"),
        ("reg_send", "Elixir.Foo", "'Elixir.Foo'"),
        ("spawn_request", "Elixir.Foo:bar/01", "'Elixir.Foo':bar/1"),
        ("spawn_request", "erlang:'/'/2", "erlang:'/'/2"),
        ("otp_internal", "gate", "gate"),
    ],
)
def test_keys_may_have_lost_their_quotes_to_the_shell(command: str, key: str, shown: str) -> None:
    assert ask(with_rules([]), "foo@h", command, key).key == shown


@pytest.mark.parametrize(
    ("command", "key", "words"),
    [
        ("lnk", None, "unknown command `lnk`"),
        ("*", None, "unknown command"),
        ("link", "x", "takes no key"),
        ("spawn_request", "halt", "is not M:F/A"),
        ("spawn_request", "erlang:_/1", "matches several targets"),
        ("reg_send", "a*", "matches several targets"),
    ],
)
def test_questions_that_cannot_be_asked_are_errors(command: str, key: str | None, words: str) -> None:
    with pytest.raises(QuestionError, match=words.replace("*", r"\*")):
        ask(with_rules([]), "foo@h", command, key)


@pytest.mark.parametrize(
    ("rules", "key", "verdict", "decider"),
    [
        (["accept *"], "gate", "accept", "accept *"),
        (["accept *", "deny otp_internal"], None, "accept", "accept *"),
        (["deny *", "accept otp_internal gate"], "gate", "deny", "deny *"),
        (["accept reg_send gate"], "gate", "deny", None),
        (["accept reg_send gate", "accept otp_internal gate"], "gate", "accept", "accept otp_internal gate"),
        (
            ["accept reg_send gate", "accept otp_internal", "drop otp_internal g*"],
            "gate",
            "drop",
            "drop otp_internal g*",
        ),
    ],
)
def test_messages_that_make_otp_run_code_are_judged_by_otp_internal(
    rules: list[str], key: str | None, verdict: str, decider: str | None
) -> None:
    answer = ask(with_rules(rules), "foo@h", "otp_internal", key)
    assert (answer.command, answer.verdict, answer.rule.text if answer.rule else None) == (
        "otp_internal",
        verdict,
        decider,
    )


def test_the_entry_is_that_for_the_guarded_node() -> None:
    made = policy(peer(rules='["accept *"]', more='guards = ["bar@*"]') + peer("*@*", rules='["drop *"]'))
    assert ask(made, "foo@h", "link", guard="bar@127.0.0.2").verdict == "accept"
    assert ask(made, "foo@h", "link", guard="baz@127.0.0.2").verdict == "drop"


def test_json_has_all_steps() -> None:
    made = with_rules(["deny *", "accept ping"], defaults=["accept reg_send"])
    shown = json.loads(json.dumps(ask(made, "foo@h", "reg_send", "net_kernel").to_json()))
    assert shown["verdict"] == "deny"
    assert shown["rule"] == {"text": "deny *", "where": "entry", "file": "distwall.toml", "line": 9, "column": 11}
    assert shown["special"][0]["when"] == "{'$gen_call', from(), {is_auth, node()}}"
    assert shown["special"][0]["to"] is None
    assert shown["lost"][0]["text"] == "accept reg_send"
    assert shown["entry"] == {"node": "foo@*", "file": "distwall.toml", "line": 7}


CALL = "{'$gen_call', {<9.5.0>, #Ref<9.1.2.3>}, {add, 1}}"
ADD = "accept reg_send a when {'$gen_call', from(), {add, integer()}}"
STATE = "accept otp_internal a when {system, _, get_state}"


@pytest.mark.parametrize(
    ("rules", "question", "verdict", "decider"),
    [
        ([ADD], ("reg_send", "a", None, CALL), "accept", 0),
        (["accept reg_send a when {'$gen_call', from(), {sub, _}}"], ("reg_send", "a", None, CALL), "deny", None),
        (["accept send to exposed", "drop send"], ("send", None, "exposed", None), "accept", 0),
        (["accept send to exposed", "drop send"], ("send", None, "linked", None), "drop", 1),
        (["accept send to exposed", "drop send"], ("send", None, "spawned", None), "accept", 0),
        (["accept send to exposed", "drop send"], ("send", None, None, None), "drop", 1),
        (["accept send to exposed when {a}", "drop send"], ("send", None, "exposed", "{a}"), "accept", 0),
        (["accept send to exposed when {a}", "drop send"], ("send", None, "exposed", "{b}"), "drop", 1),
        (["accept call m:f/1", "deny spawn_request"], ("spawn_request", "m:f/1", None, None), "accept", 0),
        (["accept call m:f/1", "deny spawn_request"], ("spawn_request", "m:g/1", None, None), "deny", 1),
        (["accept call m:f/1 when [1]", "drop call m:_/_"], ("call", "m:f/1", None, "[1]"), "accept", 0),
        (["accept call m:f/1 when [1]", "drop call m:_/_"], ("call", "m:f/1", None, '"a"'), "drop", 1),
        (["accept spawn_request m:f/1"], ("call", "m:f/1", None, None), "accept", 0),
        ([STATE, "accept reg_send a"], ("otp_internal", "a", None, "{system, x, get_state}"), "accept", 0),
        ([STATE, "accept reg_send a"], ("otp_internal", "a", None, "{system, x, suspend}"), "deny", None),
    ],
)  # fmt: skip
def test_what_is_known_of_a_command_decides(
    rules: list[str], question: tuple[str, str | None, str | None, str | None], verdict: str, decider: int | None
) -> None:
    answer = ask(with_rules(rules), "foo@h", *question)
    text = None if decider is None else rules[decider]
    assert (answer.verdict, answer.rule.text if answer.rule else None) == (verdict, text)


def test_a_call_rule_decides_before_what_carries_the_call() -> None:
    answer = ask(with_rules(["accept call m:f/1", "deny spawn_request m:f/1"]), "foo@h", "spawn_request", "m:f/1")
    assert [(loser.rule.text, loser.why) for loser in answer.losers] == [
        (
            "deny spawn_request m:f/1",
            "a `call` rule decides before rules about the message or spawn request with the call",
        )
    ]
    weaker = with_rules(["deny spawn_request m:f/1"], defaults=["accept call m:f/1"])
    assert ask(weaker, "foo@h", "call", "m:f/1").verdict == "deny"


def test_what_is_not_known_comes_first() -> None:
    answer = ask(with_rules(["accept send to exposed when {a, _}", "deny send when {b}"]), "foo@h", "send")
    assert [each.condition for each in answer.special] == [
        "the target is exposed and the message matches {a, _}",
        "the message matches {b}",
    ]
    assert ask(with_rules(["accept send to exposed when {a, _}"]), "foo@h", "send", to="linked").special == ()


def test_a_scope_that_lost_has_a_reason() -> None:
    answer = ask(with_rules(["accept send to exposed", "deny send to any", "drop send"]), "foo@h", "send", to="exposed")
    assert [loser.why for loser in answer.losers] == ["`to any` is wider", "`to` is more specific than a command"]


def test_what_is_on_trial_is_said() -> None:
    answer = ask(with_rules(["deny link mode=audit"]), "foo@h", "link")
    assert (answer.verdict, answer.audited, answer.to_json()["audited"]) == ("deny", True, True)
    made = policy(peer(rules='["accept send"]', more='mode = "audit"'))
    assert ask(made, "foo@h", "link").audited
    assert not ask(made, "foo@h", "send").audited


def test_what_has_ended_is_said() -> None:
    answer = ask(with_rules(["accept link until=2020-01-01T00:00:00Z"]), "foo@h", "link")
    assert answer.verdict == "deny"
    note = "`accept link until=2020-01-01T00:00:00Z` in line 9 has ended at 2020-01-01T00:00:00Z"
    assert note in answer.notes


def test_what_goes_out_is_explained_too() -> None:
    made = policy(peer(rules='["deny *"]', more='rules_out = ["accept *", "deny link"]') + peer("qux@*"))
    assert ask(made, "foo@h", "link", out=True).verdict == "deny"
    assert ask(made, "foo@h", "send", out=True).verdict == "accept"
    assert (ask(made, "qux@h", "link", out=True).verdict, ask(made, "qux@h", "link", out=True).reason) == (
        "accept",
        "no_rules",
    )


@pytest.mark.parametrize(
    ("question", "words"),
    [
        (("link", None, None, "{a}"), "`link` has no message"),
        (("send", None, "nowhere", None), "unknown target `nowhere`"),
        (("reg_send", "a", "exposed", None), "`reg_send` has no process as its target"),
        (("send", None, None, "{a"), "character 1 of the term: `{` without `}`"),
        (("call", "m:f/1", None, "{a}"), "is not a list"),
        (("call", "m:f/1", None, "[1, 2]"), "2 arguments for m:f/1; give 1"),
    ],
)
def test_questions_with_more_detail_that_cannot_be_asked_are_errors(
    question: tuple[str, str | None, str | None, str | None], words: str
) -> None:
    with pytest.raises(QuestionError) as caught:
        ask(with_rules([]), "foo@h", *question)
    assert words in str(caught.value)


ANY_CALL = "accept reg_send a when {'$gen_call', from(), _}"
START_CHILD = "{'$gen_call', {<9.5.0>, #Ref<9.1.2.3>}, {start_child, x}}"


def test_a_pattern_for_any_call_opens_no_request_of_supervisors() -> None:
    answer = ask(with_rules(["deny *", ANY_CALL]), "foo@h", "reg_send", "a", term=START_CHILD)
    assert (answer.verdict, answer.rule, answer.reason) == ("deny", None, "otp_internal")
    assert [stage.stage for stage in answer.stages if stage.verdict] == ["otp_internal"]
    decided = {stage.stage: stage.decider.text for stage in answer.stages if stage.decider}
    assert decided == {"rule": ANY_CALL}
    opened = with_rules(["deny *", ANY_CALL, "accept otp_internal a"])
    assert ask(opened, "foo@h", "reg_send", "a", term=START_CHILD).verdict == "accept"


@pytest.mark.parametrize("command", ["exit", "monitor_exit", "spawn_reply", "unlink_ack"])
def test_endings_that_belong_to_nothing_are_refused_under_accept_all(command: str) -> None:
    answer = ask(with_rules(["accept *"]), "foo@h", command)
    assert (answer.verdict, answer.reason, answer.rule) == ("deny", "default", None)
    assert "`accept *` does not cover an answer or an ending that belongs to nothing" in answer.notes
    assert ask(with_rules(["accept *", f"accept {command}"]), "foo@h", command).verdict == "accept"


CARRIED = ("spawn_request", "erpc:execute_cast/3")


@pytest.mark.parametrize(
    ("rules", "term", "verdict", "called"),
    [
        (["accept call os:cmd/1"], '[os, cmd, ["ls"]]', "accept", "os:cmd/1"),
        (["accept spawn_request erpc:execute_cast/3"], '[os, cmd, ["ls"]]', "deny", "os:cmd/1"),
        (["accept call erlang:apply/3"], "[erlang, apply, [os, cmd, []]]", "accept", "erlang:apply/3"),
        (["accept call _:_/_"], "[os, cmd, nothing]", "deny", "a function that can't be told"),
        (["accept call _:_/_"], None, "deny", "a function that can't be told"),
        (["accept *"], None, "accept", "a function that can't be told"),
    ],
)
def test_a_carrier_is_opened(rules: list[str], term: str | None, verdict: str, called: str) -> None:
    answer = ask(with_rules(rules), "foo@h", *CARRIED, term=term)
    assert answer.verdict == verdict
    assert [stage.called for stage in answer.stages if stage.called] == [called]
    note = "erpc:execute_cast/3 carries a call in its arguments; give them with --term"
    assert (note in answer.notes) == (term is None)


def test_a_function_that_runs_others_is_explained_by_its_name() -> None:
    answer = ask(with_rules(["accept call timer:tc/3"]), "foo@h", "call", "timer:tc/3")
    assert (answer.verdict, answer.notes) == ("accept", ())


def test_a_call_in_a_message_is_judged_as_a_call() -> None:
    term = "{'$gen_call', {<9.5.0>, #Ref<9.1.2.3>}, {call, os, cmd, [\"ls\"], <9.5.0>}}"
    answer = ask(with_rules(["accept reg_send rex", "accept call m:_/_"]), "foo@h", "reg_send", "rex", term=term)
    assert (answer.verdict, answer.reason) == ("deny", "default")
    answer = ask(with_rules(["deny *", "accept call os:cmd/1"]), "foo@h", "reg_send", "rex", term=term)
    assert (answer.verdict, answer.rule and answer.rule.text) == ("accept", "accept call os:cmd/1")


def test_what_a_message_carries_is_judged() -> None:
    made = with_rules(["accept reg_send a"])
    assert ask(made, "foo@h", "reg_send", "a", term="{x, fun m:f/1}").reason == "funs"
    assert ask(made, "foo@h", "reg_send", "a", term="{x, <9.5.0>, <0.5.0>}").verdict == "accept"
    third = "{x, <'baz@10.0.0.9'.5.0>}"
    assert ask(with_rules(["accept *"]), "foo@h", "reg_send", "a", term=third).reason == "third_node"
    trusted = policy(peer(rules='["accept *"]', more='third_nodes = ["baz@*"]'))
    assert ask(trusted, "foo@h", "reg_send", "a", term=third).verdict == "accept"
    assert ask(with_rules(["accept *"]), "foo@h", "reg_send", "a", term="{x, fun m:f/1}").verdict == "accept"


def test_names_of_otp_stay_closed() -> None:
    answer = ask(with_rules(["accept reg_send code_server"]), "foo@h", "reg_send", "code_server")
    assert (answer.verdict, answer.reason) == ("deny", "otp_internal")


def test_the_first_process_is_known_by_its_name() -> None:
    answer = ask(with_rules(["accept send", "drop reg_send init"]), "foo@h", "send", "<0.0.0>")
    assert (answer.verdict, answer.rule and answer.rule.text) == ("drop", "drop reg_send init")
    assert [stage.stage for stage in answer.stages if stage.verdict] == ["name"]


def test_in_audit_mode_all_objections_are_told() -> None:
    made = policy(peer(rules='["deny reg_send a"]', more='mode = "audit"'))
    answer = ask(made, "foo@h", "reg_send", "a", term=START_CHILD)
    assert (answer.verdict, answer.audited, answer.reason) == ("deny", True, "rule")
    assert [(stage.stage, stage.waived) for stage in answer.stages if stage.verdict] == [
        ("rule", True),
        ("otp_internal", True),
    ]


def test_the_stages_stand_in_the_json() -> None:
    shown = ask(with_rules(["deny *", ANY_CALL]), "foo@h", "reg_send", "a", term=START_CHILD).to_json()["stages"]
    assert [stage["stage"] for stage in shown] == [
        *("sender", "target", "answer", "call", "rule", "options", "name", "otp_internal"),
    ]
    rule, refusal = shown[4], shown[7]
    assert [(each["text"], each["outcome"]) for each in rule["rules"]] == [(ANY_CALL, "decides"), ("deny *", "weaker")]
    assert (refusal["verdict"], refusal["reason"], refusal["rule"], refusal["waived"]) == (
        *("deny", "otp_internal", None, False),
    )
