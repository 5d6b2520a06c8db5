"""Requests of Erlang programs as calls of the runtime API: arguments, who may what, and whatever else they contain."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from distwall.api_node import Caller, ErlangFunctions
from distwall.control import ControlError
from distwall.control.statistics import Statistics
from distwall.etf import Atom, DecodeError, Improper, Map, Pid, Ref, Term, encode
from tests.support.firewall_scene import FirewallScene
from tests.support.policies import peer, policy
from tests.support.terms import terms

FOO = Atom("foo@h")
BAR = Caller("bar@127.0.0.2", "bar@127.0.0.2")
OPS = Caller("ops@h", None)
OK, DENY, ACCEPT, UNDEFINED, ALL = Atom("ok"), Atom("deny"), Atom("accept"), Atom("undefined"), Atom("_")
LINK, REG_SEND = Atom("link"), Atom("reg_send")
TABLES = '[tables.ops]\nrules = ["accept exit2", "accept reg_send ops"]\n'


class Asked:
    """A firewall that is asked through `ErlangFunctions`."""

    def __init__(self, folder: Path, text: str = "") -> None:
        self.scene = FirewallScene(folder, policy(text + TABLES + peer(rules=str(["accept *"]))))
        self.calls = ErlangFunctions(self.scene.firewall)

    def __call__(self, name: str, *arguments: Term, options: Term = (), caller: Caller = BAR) -> Term:
        options = [] if options == () else options
        answer = self.calls.answer(caller, (Atom(name), list(arguments), options))
        encode(answer)
        return answer


@pytest.fixture
def ask(tmp_path: Path) -> Asked:
    return Asked(tmp_path)


def test_verdicts_come_back_as_atoms(ask: Asked) -> None:
    assert ask("set_filter", FOO, LINK, Atom("reject")) == (OK, ACCEPT)
    match ask("test_filter", FOO, LINK, ALL):
        case (Atom("ok"), Atom("deny")):
            pass
        case answer:
            pytest.fail(str(answer))
    assert ask("del_filter", FOO, LINK, ALL) == (OK, DENY)
    assert ask("test_filter", FOO, LINK, ALL) == (OK, ACCEPT)
    assert ask("set_default_filter", ALL, ALL, Atom("drop")) == (OK, DENY)


@pytest.mark.parametrize(
    ("command", "key", "rule"),
    [
        ("reg_send", Atom("gate"), "reg_send gate"),
        ("reg_send", Atom("My Gate"), "reg_send 'My Gate'"),
        ("reg_send", Atom("it's"), "reg_send 'it\\'s'"),
        ("reg_send", Atom("gate*"), "reg_send 'gate*'"),
        ("reg_send", Atom("_"), "reg_send"),
        ("reg_send", b"gate*", "reg_send gate*"),
        ("reg_send", [103, 97, 116, 101, 42], "reg_send gate*"),
        ("spawn_request", (Atom("m"), Atom("f"), 0), "spawn_request m:f/0"),
        ("spawn_request", (Atom("m"), ALL, ALL), "spawn_request m:_/_"),
        ("spawn_request", (Atom("Elixir.Shop"), Atom("f!"), 2), "spawn_request 'Elixir.Shop':'f!'/2"),
    ],
)
def test_keys_become_rules(ask: Asked, command: str, key: Term, rule: str) -> None:
    assert ask("add_filter", FOO, Atom(command), key, DENY) == (OK, ACCEPT)
    (setting,) = ask.scene.firewall.settings()
    assert (setting.rule, setting.guard, setting.actor, setting.persist) == (rule, BAR.guard, BAR.name, False)


@pytest.mark.parametrize(
    ("name", "arguments", "argument"),
    [
        ("set_filter", [b"foo@h", LINK, DENY], 1),
        ("set_filter", [FOO, 1, DENY], 2),
        ("set_filter", [FOO, LINK, []], 3),
        ("add_filter", [FOO, REG_SEND, 7, DENY], 3),
        ("add_filter", [FOO, REG_SEND, Map(()), DENY], 3),
        ("add_filter", [FOO, REG_SEND, (Atom("m"), Atom("f")), DENY], 3),
        ("add_filter", [FOO, REG_SEND, b"\xff", DENY], 3),
        ("add_filter", [FOO, Atom("send"), Pid(Atom("baz@h"), 1, 0, 5), DENY], 3),
        ("add_filter", [FOO, Atom("alias_send"), Ref(Atom("baz@h"), 5, (1, 2, 3)), DENY], 3),
        ("set_handler", [FOO, REG_SEND, b"m"], 3),
        ("filter", [FOO, 1], 2),
        ("attach", [FOO, 1], 2),
        ("set_table", [1, []], 1),
        ("set_table", [b"t", Improper((1,), 2)], 2),
        ("set_table", [b"t", [97, 98]], 2),
        ("set_table", [b"t", [b"\xff"]], 2),
        ("grant", [FOO, b"ops", Atom("x"), b"why"], 3),
        ("grant", [FOO, b"ops", 1, Map(())], 4),
        ("statistics", [1], 1),
        # no argument in particular
        ("set_filter", [Atom("foo"), LINK, DENY], 0),
        ("set_filter", [FOO, Atom("lonk"), DENY], 0),
        ("set_filter", [FOO, LINK, Atom("no")], 0),
        ("set_filter", [FOO, LINK], 0),
        ("attach", [FOO, b"none"], 0),
        ("disconnect", [FOO], 0),
        ("grant", [FOO, b"ops", 10**500, b"why"], 0),
        ("grant", [FOO, b"ops", -(10**500), b"why"], 0),
        ("grant", [FOO, b"ops", 0.0, b"why"], 0),
        ("grant", [FOO, b"ops", 1, b" "], 0),
        ("add_filter", [FOO, REG_SEND, (Atom("m"), Atom("f"), 10**100), DENY], 0),
        ("explain", [FOO, ALL, ALL], 0),
    ],
)
def test_arguments_that_make_no_sense_are_pointed_at(
    ask: Asked, name: str, arguments: list[Term], argument: int
) -> None:
    answer = ask(name, *arguments)
    assert isinstance(answer, tuple)
    assert answer[:3] == (Atom("error"), Atom("badarg"), argument), answer
    assert answer[3]
    assert "\n" not in answer[3]
    assert (ask.scene.firewall.settings(), ask.scene.firewall.grants()) == ([], [])


def test_persist_is_an_option_of_settings_only(ask: Asked) -> None:
    assert ask("set_filter", FOO, LINK, DENY, options=[Atom("persist")]) == (OK, ACCEPT)
    assert [setting.persist for setting in ask.scene.firewall.settings()] == [True]
    for name, arguments, options in (
        ("set_filter", [FOO, LINK, DENY], [Atom("forever")]),
        ("test_filter", [FOO, LINK, ALL], [Atom("persist")]),
    ):
        answer = ask(name, *arguments, options=options)
        assert isinstance(answer, tuple)
        assert answer[:3] == (Atom("error"), Atom("badarg"), len(arguments) + 1)


def test_setting_a_module_returns_the_one_before(ask: Asked) -> None:
    assert ask("set_handler", FOO, REG_SEND, Atom("m")) == (OK, UNDEFINED)
    assert ask("set_handler", FOO, REG_SEND, UNDEFINED) == (OK, Atom("m"))
    assert ask("filter", FOO, Atom("m")) == (OK, UNDEFINED)
    assert ask("filter", FOO, Atom("n")) == (OK, Atom("m"))


def test_a_guarded_node_is_kept_to_its_own(ask: Asked) -> None:
    for name, arguments in (
        ("set_filter", [FOO, LINK, DENY]),
        ("add_filter", [FOO, REG_SEND, Atom("a"), DENY]),
        ("set_default_filter", [LINK, ALL, DENY]),
        ("set_handler", [FOO, REG_SEND, Atom("m")]),
        ("filter", [FOO, Atom("m")]),
        ("attach", [FOO, b"ops"]),
        ("detach", [FOO, "ops"]),
    ):
        ask(name, *arguments)
    assert {setting.guard for setting in ask.scene.firewall.settings()} == {BAR.guard}
    assert ask("grant", FOO, Atom("ops"), 60, Atom("why")) == (OK, OK)
    assert [grant.guard for grant in ask.scene.firewall.grants()] == [BAR.guard]
    other = Caller("baz@h", "baz@h")
    assert ask("test_filter", FOO, LINK, ALL, caller=other) == (OK, ACCEPT)
    assert ask("grants", caller=other) == (OK, [])
    answer = ask("revoke", FOO, Atom("ops"), caller=other)
    assert answer == (Atom("error"), Atom("badarg"), 0, "no grant of `ops` to foo@h; see distwall grants")
    assert ask("grant", FOO, Atom("ops"), 60, Atom("why"), caller=OPS) == (OK, OK)
    answer = ask("revoke", FOO, Atom("ops"), caller=other)
    text = "no grant of `ops` to foo@h; it is granted for all guarded nodes; see distwall grants"
    assert answer == (Atom("error"), Atom("badarg"), 0, text)
    assert ask("set_filter", FOO, LINK, ACCEPT, caller=OPS) == (OK, ACCEPT)


def test_a_guarded_node_gets_the_counts_of_its_own_channels(ask: Asked) -> None:
    asked: list[tuple[str | None, str | None]] = []
    statistics = ask.scene.firewall.statistics

    def noted(node: str | None = None, *, guard: str | None = None) -> Statistics:
        asked.append((node, guard))
        return statistics(node, guard=guard)

    ask.scene.firewall.statistics = noted  # type: ignore[method-assign]
    for caller in (BAR, OPS):
        ask("statistics", caller=caller)
        ask("statistics", FOO, caller=caller)
    assert asked == [(None, BAR.guard), ("foo@h", BAR.guard), (None, None), ("foo@h", None)]


@pytest.mark.parametrize(("name", "before"), [("set_handler", [FOO, REG_SEND]), ("filter", [FOO])])
def test_a_guarded_node_has_no_code_run_in_distwall(ask: Asked, name: str, before: list[Term]) -> None:
    """What distwall itself runs sees all channels, and Python has functions that remove files."""
    match ask(name, *before, Atom("shutil:rmtree")):
        case (Atom("error"), Atom("badarg"), index, _):
            assert index == len(before) + 1
        case answer:
            pytest.fail(str(answer))
    assert ask.scene.firewall.settings() == []
    assert ask(name, *before, Atom("shutil:rmtree"), caller=OPS) == (OK, UNDEFINED)


def test_tables_that_several_guarded_nodes_share_are_for_operators(tmp_path: Path) -> None:
    text = '[guard]\nnodes = ["bar@127.0.0.2", "baz@h"]\ncookie_env = "CLUSTER"\n'
    ask = Asked(tmp_path)
    ask.scene.firewall.rulebook.policy = policy(TABLES + peer(), guard=text)
    answer = ask("set_table", b"ops", [])
    assert isinstance(answer, tuple)
    assert answer[:2] == (Atom("error"), Atom("refused"))
    assert ask("set_table", b"ops", [], caller=OPS) == (OK, OK)


def test_a_failure_of_distwall_itself_is_an_answer(ask: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(ask.scene.firewall, "peers", fails)
    answer = ask("peers")
    assert answer == (Atom("error"), Atom("internal"), 0, "distwall met an error here; its log says more")
    assert "call_failed" in ask.scene.kinds()

    def refuses(*_: object, **__: object) -> None:
        raise ControlError("can't be saved")

    monkeypatch.setattr(ask.scene.firewall, "peers", refuses)
    assert ask("peers") == (Atom("error"), Atom("refused"), 0, "can't be saved")


def test_a_request_that_can_not_be_read_is_an_error(ask: Asked) -> None:
    answer = ask.calls.answer(BAR, DecodeError("an integer that is too big"))
    text = "distwall does not read this: an integer that is too big"
    assert answer == (Atom("error"), Atom("badarg"), 0, text)


def test_peers_are_told_with_names_as_atoms(ask: Asked) -> None:
    ask.scene.open(FOO)
    match ask("peers"):
        case ("ok", [{"peer": Atom() as name}]):
            assert name == FOO
        case answer:
            pytest.fail(str(answer))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(terms)
def test_any_request_is_answered(ask: Asked, request_: Term) -> None:
    for request in (request_, (request_, [], []), (Atom("test_filter"), [FOO, LINK, request_], [])):
        answer = ask.calls.answer(BAR, request)
        assert isinstance(answer, tuple)
        assert answer[0] in ("ok", "error")
        assert answer[1] != "internal"
        encode(answer)


def test_only_a_guarded_node_asks_about_evaluated_calls_and_each_peer_has_a_share(ask: Asked) -> None:
    call = (Atom("lists"), Atom("max"), 1)
    assert ask("judge_call", FOO, call, Atom("whole")) == (OK, ACCEPT)
    assert ask("judge_call", FOO, call, Atom("closed")) == (OK, Atom("refused"))
    for caller, arguments in ((OPS, (FOO, call, Atom("whole"))), (BAR, (FOO, call, Atom("other"))), (BAR, (FOO, 1))):
        match ask("judge_call", *arguments, caller=caller):
            case (Atom("error"), Atom("badarg"), 0, _):
                pass
            case answer:
                pytest.fail(str(answer))
    answers = [ask("judge_call", FOO, call, Atom("whole")) for _ in range(1500)]
    assert answers[0] == (OK, ACCEPT)
    assert answers[-1] == (OK, Atom("busy"))
    # Programs' own questions are not counted there.
    assert ask("test_filter", FOO, LINK, ALL) == (OK, ACCEPT)
