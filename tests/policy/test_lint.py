"""Warnings: what a policy says but can't mean."""

import pytest

from distwall._core import OWN_NAME
from distwall.policy import Policy, warnings
from distwall.policy.lint import MAX_ENTRIES
from tests.support.policies import GUARD, peer, policy, with_rules


def _warnings(made: Policy) -> list[str]:
    return [f"{w.origin.line}:{w.origin.column} {w.what}" for w in warnings(made)]


@pytest.mark.parametrize(
    ("entry", "defaults", "tables"),
    [
        (["accept reg_send a", "accept monitor a"], ["deny *", "accept ping"], []),
        (["deny *", "accept ping", "accept reg_send a", "accept monitor a"], ["deny *", "accept ping"], []),
        (["accept *"], ["deny *", "accept ping"], []),
        (["accept reg_send a", "accept monitor"], [], []),
        (["accept reg_send a", "deny monitor a"], [], []),  # casts only, on purpose
        (["drop reg_send a*", "accept reg_send abc", "accept monitor _"], [], []),
        (["accept reg_send ab*", "accept monitor a*"], [], []),
        (["accept reg_send", "accept monitor"], [], []),
        (["deny *"], ["deny *", "deny link"], []),
        (["deny spawn_request m:f/_"], ["accept spawn_request m:_/_"], []),
        (["deny *"], ["deny *"], [["accept reg_send a", "accept monitor a"]]),
    ],
)
def test_sound_rules_are_no_warning(entry: list[str], defaults: list[str], tables: list[list[str]]) -> None:
    assert _warnings(with_rules(entry, defaults, tables)) == []


def test_an_attached_deny_hides_ping() -> None:
    (warning,) = _warnings(with_rules(["accept unlink", "deny *"], ["deny *", "accept ping"]))
    assert warning == ("9:28 for foo@*, `deny *` hides `accept ping` (line 5): their pings say pang and disconnect")


def test_ping_is_broken_by_half() -> None:
    (warning,) = _warnings(with_rules(["deny monitor net_kernel", "accept ping"]))
    assert "`deny monitor net_kernel` hides `accept ping`" in warning


@pytest.mark.parametrize(
    ("entry", "default"),
    [
        ("deny *", "accept link"),
        ("deny reg_send", "accept reg_send a"),
        ("accept *", "deny spawn_request erlang:halt/_"),
    ],
)
def test_an_attached_rule_turns_a_default_round(entry: str, default: str) -> None:
    warnings = _warnings(with_rules([entry, "accept monitor a"], [default]))
    assert any(f"`{entry}` hides `{default}` of the defaults" in warning for warning in warnings)


@pytest.mark.parametrize("rule", ["accept reg_send a", "accept reg_send a_*", "accept reg_send"])
def test_calls_fail_without_their_monitor(rule: str) -> None:
    (warning,) = _warnings(with_rules([rule, "deny *"]))
    assert (
        f"`{rule}` without `accept monitor{rule.removeprefix('accept reg_send')}`: calls to it fail with noproc"
        in warning
    )


@pytest.mark.parametrize(
    ("rules", "dead", "by"),
    [
        (["deny reg_send _", "accept reg_send a*", "accept monitor a*"], "accept reg_send a*", "deny reg_send _"),
        (
            ["deny spawn_request _:_/_", "accept spawn_request m*:f/1"],
            "accept spawn_request m*:f/1",
            "deny spawn_request _:_/_",
        ),
        (["drop otp_internal _", "accept otp_internal *"], "accept otp_internal *", "drop otp_internal _"),
    ],
)
def test_a_rule_that_never_decides_is_a_warning(rules: list[str], dead: str, by: str) -> None:
    assert any(f"`{dead}` can never decide: `{by}`" in warning for warning in _warnings(with_rules(rules)))


def test_a_rule_of_a_table_that_decides_somewhere_is_alive() -> None:
    tables = '[tables.t]\nrules = ["accept unlink", "accept demonitor"]\n'
    first = peer(rules='["deny unlink"]', more='tables = ["t"]')
    assert any("`accept unlink` can never decide" in w for w in _warnings(policy(tables + first)))
    second = peer("x@*", more='tables = ["t"]')
    assert _warnings(policy(tables + first + second)) == []


def test_a_table_that_no_entry_attaches_is_a_warning() -> None:
    assert _warnings(policy("[tables.t]\n" + peer())) == [
        "4:9 no entry attaches the table `t`: its rules hold only while it is granted or attached"
    ]


def test_an_entry_that_never_applies_is_a_warning() -> None:
    (warning,) = _warnings(policy(peer() + peer(more="visible = true")))
    assert "this entry never applies: the entry in line 5 is for foo@*, too" in warning
    assert _warnings(policy(peer(more='guards = ["bar@*"]') + peer())) == []


def test_a_guard_that_is_none_is_a_warning() -> None:
    assert _warnings(policy(peer(more='guards = ["bar@127.0.0.2", "baz@h"]'))) == ["8:28 `baz@h` is not guarded"]


def test_a_policy_that_lets_nobody_in_is_a_warning() -> None:
    (warning,) = _warnings(policy("", guard=GUARD))
    assert "no peer can connect" in warning


def test_each_is_given_once() -> None:
    tables = '[tables.t]\nrules = ["accept reg_send a"]\n'
    assert len(_warnings(policy(tables + peer(more='tables = ["t"]') + peer("x@*", more='tables = ["t"]')))) == 1


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (["deny *", "accept otp_internal a"], "`accept otp_internal a` opens nothing"),
        (["accept *", "deny otp_internal"], "`deny otp_internal` is not asked: `accept *` accepts everything"),
    ],
)
def test_otp_internal_rules_that_are_not_asked_are_a_warning(rules: list[str], words: str) -> None:
    (warning,) = _warnings(with_rules(rules))
    assert words in warning


def test_otp_internal_rules_that_are_asked_are_no_warning() -> None:
    rules = ["accept reg_send a", "accept monitor a", "accept otp_internal a", "deny otp_internal"]
    assert _warnings(with_rules(rules)) == []


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (
            ["deny link until=2020-01-01T00:00:00Z"],
            "`deny link until=2020-01-01T00:00:00Z` has ended at 2020-01-01T00:00:00Z",
        ),
        (["deny link mode=audit until=2020-01-01T00:00:00Z"], "the audit mode of `deny link mode=audit"),
        (["accept call m:f/1 when {a}"], "never matches: arguments are a list"),
        (["accept spawn_request m:f/1 when integer()"], "never matches: arguments are a list"),
        (["accept call m:f/2 when [_]"], "never matches: 1 arguments for a function of 2"),
        (["accept call erlang:apply/2"], "does not decide about calls through this function"),
        (["accept spawn_request erpc:execute_call/_"], "does not decide about calls through this function"),
        (["accept reg_send rex", "accept monitor rex"], "does not decide about calls"),
        (["accept reg_send logger", "accept monitor logger"], "`accept reg_send logger` opens nothing"),
        (["accept reg_send logger_std_h_x", "accept monitor _"], "opens nothing: this process is one of OTP's own"),
        (["accept reg_send init", "accept monitor init", "accept otp_internal init"], None),
        (["accept reg_send logger when {log, _, _, _}", "deny monitor logger"], None),
        (["accept reg_send log*", "accept monitor log*"], None),
        (["accept call _:_/_"], "accepts timer:apply_after/2, which runs any function"),
        (["accept call rpc:call/4"], "accepts rpc:call/4, which runs any function"),
        (["accept call gen_server:call/2"], "accepts gen_server:call/2, which sends any message"),
        (["accept call gen_server:call/2 when [orders, _]"], None),
        (
            ["accept call", "deny call timer:_/_"],
            "`accept call` accepts rpc:call/3, which runs any function",
        ),
        (["accept call erlang:apply/3"], "accepts erlang:apply/3, which runs any function"),
        (["accept *", "deny call os:cmd/1"], "`deny call os:cmd/1` can't hold: `accept *` lets any code run"),
        (["accept mnesia", "deny call os:_/_"], "`deny call os:_/_` can't hold: `accept mnesia` lets any code run"),
        (["accept erpc", "deny call os:_/_"], "`deny call os:_/_` can't hold: `accept erpc` lets any code run"),
        (
            ["accept call erlang:_/_", "deny call erlang:halt/0"],
            "can't hold: `accept call erlang:_/_` lets any code run",
        ),
        (
            ["accept spawn_request", "deny spawn_request os:cmd/1"],
            "can't hold: `accept spawn_request` lets any code run",
        ),
        (["accept call lists:_/_", "deny call lists:seq/2"], None),
        (["accept gen_server code_server"], "`accept gen_server code_server` opens nothing"),
        (["accept gen_statem auth"], "`accept gen_statem auth` opens nothing"),
        (["accept gen_event erl_signal_server"], "opens all events of a process of OTP's own"),
        (["accept gen_server orders", "accept gen_event alarms", "accept pg"], None),
        (["accept reg_send a when {'$gen_call', _, x}"], "calls to it fail with noproc"),
        (["accept reg_send a when _"], "calls to it fail with noproc"),
        (["deny send when _", "accept send when {a}"], "`accept send when {a}` can never decide"),
        (["deny send to exposed when {X, X}", "accept send to spawned when {A, A}"], None),
        (["deny send to any", "accept send"], "`accept send` can never decide: `deny send to any`"),
        (["deny monitor to any", "accept monitor a"], None),
        (["accept reg_send a when {'$gen_cast', _}"], None),
        (["accept call m:f/1 when [_]", "accept call m:g/_ when [_ | _]", "accept call m:h/1 when list()"], None),
        (
            ["accept call _:_/_"]
            + [f"deny call {m}:_/_" for m in ("timer", "rpc", "erpc", "proc_lib", "erlang", "erl_eval", "os")],
            "accepts gen_server:start/3, which runs any function",
        ),
        (["deny link until=2099-01-01T00:00:00Z", "deny send mode=audit"], None),
    ],
)
def test_rules_that_surprise_are_a_warning(rules: list[str], words: str | None) -> None:
    found = _warnings(with_rules(rules))
    assert found == [] if words is None else any(words in warning for warning in found), found


def test_a_trial_that_has_ended_is_a_warning() -> None:
    text = peer(more='mode = "audit"\nuntil = 2020-01-01T00:00:00Z')
    assert _warnings(policy(text)) == ["9:9 the audit mode ended at 2020-01-01T00:00:00Z: the rules are enforced"]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("call os:cmd/1", "`accept api` accepts os:cmd/1, which runs any function"),
        ("exit2 to any", "`accept api` reaches every process"),
        ("reg_send when {a, _}", "`accept api` holds for every target"),
        ("spawn_request", "`deny call lists:seq/2` can't hold: `accept api` lets any code run"),
    ],
)
def test_a_service_of_the_policy_is_looked_into(rule: str, words: str) -> None:
    rules = peer(rules='["deny *", "accept api", "deny call lists:seq/2"]')
    text = f'[services.api]\nrules = ["{rule}"]\n{rules}'
    assert any(words in warning for warning in _warnings(policy(text)))


def test_a_part_of_a_service_that_is_refused_is_a_warning() -> None:
    text = '[services.api]\nrules = ["link", "reg_send api"]\n' + peer(rules='["accept api", "deny reg_send api"]')
    # Written later and equally specific, it doesn't decide.
    assert not any("hides `accept api`" in w for w in _warnings(policy(text)))
    text = '[services.api]\nrules = ["link", "reg_send _"]\n' + peer(rules='["accept api", "deny link"]')
    assert not any("hides" in w for w in _warnings(policy(text)))
    text = '[services.api]\nrules = ["link", "send"]\n' + peer(rules='["deny send", "accept api"]')
    assert any("`deny send` hides `accept api` (line 9): a part of it is refused" in w for w in _warnings(policy(text)))


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (["accept send"], "`accept send` reaches every process"),
        (["accept exit2 to any"], "`accept exit2 to any` reaches every process"),
        (["accept link"], "`accept link` reaches every process"),
        (["accept reg_send when {ok, _}", "deny reg_send a"], "beats `deny reg_send a` (line 9): a pattern is more"),
        (["accept call m:_/_ when [_]", "deny call m:f/1"], "beats `deny call m:f/1` (line 9): a pattern is more"),
        (["accept reg_send when {ok, _}"], "holds for every target: only the content is asked about"),
        (["accept send to exposed", "accept monitor"], None),
        (["accept reg_send a when {ok, _}", "deny reg_send b"], None),
        (["accept call m:f/1 when [_]", "deny call m:f/1"], None),
    ],
)
def test_rules_that_open_more_than_they_seem_to_are_a_warning(rules: list[str], words: str | None) -> None:
    found = [w for w in _warnings(with_rules(rules)) if "noproc" not in w and "never decide" not in w]
    assert found == [] if words is None else any(words in warning for warning in found), found


@pytest.mark.parametrize("where", ["entry", "file"])
def test_an_entry_in_audit_mode_is_a_warning(where: str) -> None:
    mode = 'mode = "audit"\n'
    made = policy(peer(more=mode) if where == "entry" else peer(), guard=GUARD if where == "entry" else mode + GUARD)
    (warning,) = _warnings(made)
    assert "for foo@*, audit mode refuses nothing" in warning


TWINS = peer("foo@*", more='guards = ["bar@*"]') + peer("foo@h", more='guards = ["baz@*"]').replace("FOO", "OPERATORS")


def test_two_parties_of_one_name_are_told() -> None:
    (warning,) = [each for each in _warnings(policy(TWINS)) if "another party" in each]
    assert warning.startswith("10:")
    for apart in ('guards = ["baz@*"]\n', ""):
        one_cookie = TWINS.replace("OPERATORS", "FOO").replace('guards = ["baz@*"]\n', apart)
        assert not [each for each in _warnings(policy(one_cookie)) if "another party" in each]


def test_a_stronger_entry_for_all_guarded_nodes_leaves_no_second_party() -> None:
    made = policy(TWINS.replace('guards = ["baz@*"]\n', ""))
    assert not [each for each in _warnings(made) if "another party" in each]


@pytest.mark.parametrize(
    ("more", "guard", "warned"),
    [
        ("", "", True),
        ("funs = false", "", True),
        ("funs = true", "", False),
        ("", 'restricted_shell = true\n[control]\nnode = "wall@127.0.0.2"\n', False),
    ],
)
def test_a_shell_without_what_it_needs_is_a_warning(more: str, guard: str, warned: bool) -> None:
    made = policy(peer(rules='["accept ping", "accept remsh"]', more=more), guard=GUARD + guard)
    assert any("`accept remsh` is not enough for a shell" in each for each in _warnings(made)) is warned


@pytest.mark.parametrize(
    ("rules", "opens"),
    [(["accept gen_server distwall"], False), (["accept reg_send distwall", "accept monitor distwall"], True)],
)
def test_a_service_on_distwalls_own_name_is_a_warning(rules: list[str], opens: bool) -> None:
    made = with_rules(rules)
    found = made.rule_set(made.entries[0]).decider("reg_send", (OWN_NAME,), peer="foo@h", guard="bar@127.0.0.2")
    assert (found is not None and found.rule.verdict == "accept") is opens
    assert any("opens no questions to distwall" in each for each in _warnings(made)) is not opens


def test_the_warnings_of_very_many_entries_are_about_the_first_of_them() -> None:
    """Each entry is compared with all before it. No rule is called idle because of entries that nobody looked at."""
    tables = '[tables.t]\nrules = ["accept unlink"]\n'
    idle = [
        peer(f"foo{index}@h", rules='["deny unlink", "accept reg_send a"]', more='tables = ["t"]')
        for index in range(MAX_ENTRIES)
    ]
    assert any("can never decide" in each for each in _warnings(policy(tables + "".join(idle))))
    found = _warnings(policy(tables + "".join(idle) + peer("foo0@h", more='tables = ["t"]') * 2))
    assert sum("without `accept monitor a`" in each for each in found) == MAX_ENTRIES
    (other,) = [each for each in found if "accept monitor a" not in each]
    assert other.endswith(f"the warnings are about the first {MAX_ENTRIES} of {MAX_ENTRIES + 2} entries")
