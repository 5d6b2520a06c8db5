"""The commands that need no running firewall: what they print, and how they exit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.cells import cell_len

from distwall import __version__
from distwall.cli import main
from distwall.policy.attacks import offline_attacks
from tests.support.policies import GUARD, peer

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory and home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLUSTER", "cluster-secret")
    monkeypatch.setenv("FOO", "foo-secret")
    monkeypatch.delenv("DISTWALL_CONFIG", raising=False)
    return tmp_path


def _write(text: str, path: str = "distwall.toml") -> Path:
    Path(path).write_text(GUARD + text)
    return Path(path)


def _run(*args: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(args))
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_it_tells_its_version(capsys: Captured) -> None:
    assert _run("--version") == 0
    assert capsys.readouterr().out == f"distwall {__version__}\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["fly"], "distwall: no such command 'fly'; see distwall --help\n"),
        (["--fly"], "distwall: no such option: --fly; see distwall --help\n"),
        (["explain", "foo@h"], "distwall: missing argument 'command'; see distwall explain --help\n"),
        (["check", "a", "b"], "distwall: got unexpected extra argument"),
        (["check", "-o", "xml"], "distwall: invalid value for '-o' / '--output': 'xml' is not one of"),
    ],
)
def test_wrong_usage_is_one_line(args: list[str], message: str, capsys: Captured) -> None:
    assert _run(*args) == 2
    error = capsys.readouterr().err
    assert error.startswith(message)
    assert error.count("\n") == 1


def test_no_command_shows_the_help(capsys: Captured) -> None:
    assert _run() == 2
    assert "Commands:" in capsys.readouterr().err


COMMANDS = ["init", "check", "explain", "run", "exec", "redirect", "peers", "stats", "doctor", "erlang-path"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: Captured) -> None:
    assert _run(command, "--help") == 0
    assert "Usage: distwall " + command in capsys.readouterr().out


class TestConfig:
    def test_without_one_init_is_advised(self, capsys: Captured) -> None:
        assert _run("check") == 2
        error = capsys.readouterr().err
        assert "no policy file at distwall.toml or /etc/distwall/distwall.toml; write one with distwall init" in error

    def test_the_environment_names_it(self, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
        _write("oops", "distwall.toml")
        _write(peer(), "other.toml")
        monkeypatch.setenv("DISTWALL_CONFIG", "other.toml")
        assert _run("check") == 0
        assert "other.toml: fine" in capsys.readouterr().out

    def test_the_command_line_comes_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        _write(peer(), "other.toml")
        monkeypatch.setenv("DISTWALL_CONFIG", "missing.toml")
        assert _run("check", "other.toml") == 0
        assert _run("explain", "--config", "other.toml", "foo@h", "link") == 0

    def test_one_that_is_not_there_is_an_error(self, capsys: Captured) -> None:
        assert _run("check", "none.toml") == 2
        assert capsys.readouterr().err == (
            "distwall: none.toml: can't read the policy file: No such file or directory;"
            " correct the path or its permissions\n"
        )


class TestCheck:
    def test_a_sound_policy_is_summed_up_in_one_line_for_each_entry_and_one_for_all(self, capsys: Captured) -> None:
        _write(peer(rules='["deny *"]'))
        assert _run("check") == 0
        shown = capsys.readouterr()
        assert shown.out.splitlines() == [
            "foo@* can: connect, and nothing else",
            "distwall.toml: fine, guards bar@127.0.0.2, 1 entry, 1 rule, 0 warnings",
        ]
        assert shown.err == ""

    def test_attacks_that_would_take_effect_are_listed(self, capsys: Captured) -> None:
        _write(peer(rules='["deny *", "accept call os:cmd/1"]'))
        assert _run("check", "--attack") == 0
        shown = capsys.readouterr().out
        assert "runs any program of the host: a program of the host, " in shown
        assert "by `accept call os:cmd/1`" in shown

    def test_a_tight_policy_withstands_the_attacks(self, capsys: Captured) -> None:
        _write(peer(rules='["deny *", "accept gen_server orders"]'))
        assert _run("check", "--attack") == 0
        assert f"none of {len(offline_attacks())} known attacks takes effect" in " ".join(
            capsys.readouterr().out.split()
        )

    def test_json_has_what_each_entry_amounts_to(self, capsys: Captured) -> None:
        _write(peer(rules='["accept *"]'))
        assert _run("check", "--attack", "-o", "json") == 0
        (entry,) = json.loads(capsys.readouterr().out)["entries"]
        assert (entry["node"], entry["any_code"]) == ("foo@*", ["accept *"])
        assert {"name", "kind", "effect", "command", "key", "term", "rule"} == set(entry["attacks"][0])

    def test_warnings_have_a_place_and_are_no_failure(self, capsys: Captured) -> None:
        _write(peer(rules='["accept reg_send a"]'))
        assert _run("check") == 0
        shown = capsys.readouterr()
        assert shown.err.startswith("warning: distwall.toml:7:11: `accept reg_send a` without `accept monitor a`")
        assert "1 warning\n" in shown.out

    def test_errors_in_rules_are_pointed_at(self, capsys: Captured) -> None:
        _write(peer(rules='["deny", "deny monitor [red]"]'))
        assert _run("check") == 2
        assert capsys.readouterr().err.splitlines() == [
            (
                "distwall: distwall.toml:7:15: no command after the verdict;"
                " name one of the 14 commands, `*`, `call`, or a service"
            ),
            "    deny",
            "        ^",
            "distwall: distwall.toml:7:32: `[red]` is not an atom; quote it if the atom is meant: '[red]'",
            "    deny monitor [red]",
            "                 ^",
        ]

    def test_long_rules_are_cut_around_the_place(self, capsys: Captured) -> None:
        _write(peer(rules=f"""["deny send when {{{"'日本', " * 40}}}"]"""))
        assert _run("check") == 2
        shown = capsys.readouterr().err.splitlines()
        assert "`}` does not begin a term" in shown[0]
        assert shown[1].endswith("'日本', }")
        assert cell_len(shown[1]) == cell_len(shown[2])

    def test_other_errors_are_one_line_each(self, capsys: Captured) -> None:
        _write(peer(more='cookie = "hush"'))
        assert _run("check") == 2
        shown = capsys.readouterr().err
        assert shown == "distwall: distwall.toml:6:1: both `cookie_env` and `cookie` are set; keep one of them\n"

    def test_json_has_the_places_of_warnings(self, capsys: Captured) -> None:
        _write(peer(rules='["accept reg_send a"]'))
        assert _run("check", "-o", "json") == 0
        shown = json.loads(capsys.readouterr().out)
        assert (shown["ok"], shown["errors"]) == (True, [])
        assert (shown["warnings"][0]["line"], shown["warnings"][0]["column"]) == (7, 11)

    def test_errors_are_json_if_asked_for(self, capsys: Captured) -> None:
        _write(peer(rules='["deny"]'))
        assert _run("check", "-o", "json") == 2
        shown = json.loads(capsys.readouterr().out)
        assert shown["ok"] is False
        assert shown["errors"][0]["what"] == "no command after the verdict"
        assert _run("check", "none.toml", "-o", "json") == 2
        assert json.loads(capsys.readouterr().out)["ok"] is False


class TestExplain:
    def test_every_step_is_a_line_of_text(self, capsys: Captured) -> None:
        _write('[defaults]\nrules = ["deny *"]\n' + peer(rules='["accept ping", "accept reg_send a"]'))
        assert _run("explain", "foo@h", "reg_send", "net_kernel") == 0
        assert capsys.readouterr().out.splitlines() == [
            "DENY  foo@h reg_send net_kernel",
            (
                "  first    distwall.toml:9:11  accept ping  (entry): decides where the message matches"
                " {'$gen_call', from(), {is_auth, node()}}"
            ),
            "  decides  distwall.toml:5:11  deny *  (defaults)",
            "  entry    distwall.toml:7:8  foo@*",
            "  note     replies to calls of the guarded node pass without a rule",
        ]

    def test_rules_that_lost_are_told_with_why(self, capsys: Captured) -> None:
        _write(peer(rules='["deny *", "accept reg_send a"]'))
        assert _run("explain", "foo@h", "reg_send", "a") == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "ACCEPT  foo@h reg_send a"
        assert "  loses    distwall.toml:7:11  deny *  (entry): a key is more specific than `*`" in lines

    def test_a_stage_that_refuses_is_shown_with_its_question(self, capsys: Captured) -> None:
        _write(peer(rules='["accept reg_send a"]'))
        assert _run("explain", "foo@h", "reg_send", "a", "--term", "{system, x, suspend}") == 0
        assert capsys.readouterr().out.splitlines() == [
            "DENY  foo@h reg_send a",
            "  decides  the stage otp_internal, by no rule",
            "  stage    rule: Which rule decides? `accept reg_send a` accepts it",
            "  stage    otp_internal: Would one of OTP's own processes run code for it? DENY (otp_internal)",
            "  entry    distwall.toml:5:8  foo@*",
        ]

    def test_it_says_that_no_rule_or_no_entry_speaks(self, capsys: Captured) -> None:
        _write(peer())
        assert _run("explain", "foo@h", "link") == 0
        assert "no rule matches it" in capsys.readouterr().out
        assert _run("explain", "qux@h", "link") == 0
        assert "not_allowed" in capsys.readouterr().out

    def test_json_has_the_verdict_and_the_rules_place(self, capsys: Captured) -> None:
        _write(peer(rules='["accept spawn_request m:_/_"]'))
        assert _run("explain", "foo@h", "spawn_request", "m:f/1", "-o", "json") == 0
        shown = json.loads(capsys.readouterr().out)
        assert (shown["verdict"], shown["rule"]["line"], shown["rule"]["column"]) == ("accept", 7, 11)

    @pytest.mark.parametrize("args", [["foo@h", "lnk"], ["foo@h", "link", "x"], ["foo@h", "spawn_request", "x"]])
    def test_what_cannot_be_asked_is_one_line_of_error(self, args: list[str], capsys: Captured) -> None:
        _write(peer())
        assert _run("explain", *args) == 2
        assert capsys.readouterr().err.count("\n") == 1


class TestInit:
    def test_what_it_writes_checks(self, capsys: Captured) -> None:
        assert _run("init") == 0
        shown = capsys.readouterr().out
        assert "wrote distwall.toml and foo.cookie" in shown
        assert "put the cookie of your cluster in cluster.cookie" in shown
        assert _run("check") == 0
        checked = capsys.readouterr()
        assert "0 warnings" in checked.out
        assert checked.err == ""
        for name in ("foo.cookie", "cluster.cookie"):
            assert Path(name).stat().st_mode & 0o777 == 0o600
            assert len(Path(name).read_text()) == 20
        assert Path("foo.cookie").read_text() != Path("cluster.cookie").read_text()

    def test_it_takes_erlangs_cookie_where_there_is_one(self) -> None:
        Path(".erlang.cookie").write_text("HOMECOOKIE")
        Path(".erlang.cookie").chmod(0o400)
        assert _run("init") == 0
        assert '"~/.erlang.cookie"' in Path("distwall.toml").read_text()
        assert not Path("cluster.cookie").exists()
        assert _run("check") == 0

    def test_it_overwrites_nothing(self, capsys: Captured) -> None:
        Path("distwall.toml").write_text("mine")
        assert _run("init") == 1
        assert capsys.readouterr().err == "distwall: distwall.toml exists already; edit it, or name another file\n"
        assert Path("distwall.toml").read_text() == "mine"
        assert not Path("foo.cookie").exists()
        Path("distwall.toml").unlink()
        Path("foo.cookie").write_text("KEPT")
        assert _run("init") == 0
        assert Path("foo.cookie").read_text() == "KEPT"

    def test_it_writes_where_it_is_told_to(self, capsys: Captured) -> None:
        Path("sub").mkdir()
        assert _run("init", "sub/my.toml") == 0
        assert "distwall run --config sub/my.toml" in capsys.readouterr().out
        assert _run("check", "sub/my.toml") == 0
        assert _run("init", "none/my.toml") == 1
        assert "can't write: No such file or directory" in capsys.readouterr().err


class TestAskingNobody:
    @pytest.mark.parametrize("command", [["peers"], ["stats"], ["stats", "foo@h"]])
    def test_it_is_one_line_of_advice(self, command: list[str], capsys: Captured) -> None:
        _write(peer())
        assert _run(*command) == 1
        assert capsys.readouterr().err == (
            "distwall: distwall.sock: no distwall answers: No such file or directory; start it with distwall run\n"
        )


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    done = subprocess.run(
        f"{sys.executable} -m distwall --help | true",
        shell=True,
        capture_output=True,
        text=True,
        env=os.environ,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("", "")
