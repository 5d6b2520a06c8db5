"""``distwall fmt`` and ``distwall test``."""

import json
import stat
from pathlib import Path

import pytest

from distwall.cli.app import main
from tests.support.policies import ENV, GUARD, peer

Captured = pytest.CaptureFixture[str]
POLICY = GUARD + peer(rules='["reject *", "accept  reg_send a", "accept monitor a", "deny send when {a,_}"]')
TESTS = """
[[test]]
name = "a may be called"
peer = "foo@h"
command = "reg_send"
key = "a"
expect = "accept"
rule = "accept  reg_send a"

[[test]]
name = "b may not"
peer = "foo@h"
command = "reg_send"
key = "b"
expect = "deny"

[[test]]
name = "a pattern"
peer = "foo@h"
command = "send"
term = "{a, 1}"
expect = "deny"
rule = "deny send when {a,_}"
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISTWALL_CONFIG", raising=False)
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    Path("distwall.toml").write_text(POLICY)
    Path("tests").mkdir()


def _run(*args: str) -> int:
    with pytest.raises(SystemExit) as caught:
        main(list(args))
    assert isinstance(caught.value.code, int)
    return caught.value.code


class TestFmt:
    def test_it_writes_the_file_once(self, capsys: Captured) -> None:
        path = Path("distwall.toml")
        path.chmod(0o640)
        assert _run("fmt") == 0
        assert capsys.readouterr().out == "distwall.toml: formatted, line 7\n"
        assert '["deny *", "accept reg_send a", "accept monitor a", "deny send when {a, _}"]' in path.read_text()
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert _run("fmt") == 0
        assert capsys.readouterr().out == "distwall.toml: fine\n"
        assert [file.name for file in Path().iterdir() if file.is_file()] == ["distwall.toml"]

    def test_check_changes_nothing(self, capsys: Captured) -> None:
        assert _run("fmt", "--check") == 1
        assert capsys.readouterr().err == ("distwall: distwall.toml: unformatted rules in line 7; run distwall fmt\n")
        assert Path("distwall.toml").read_text() == POLICY

    def test_it_goes_through_a_link_and_keeps_line_ends(self) -> None:
        Path("real.toml").write_bytes(POLICY.replace("\n", "\r\n").encode())
        Path("link.toml").symlink_to("real.toml")
        assert _run("fmt", "link.toml") == 0
        assert Path("link.toml").is_symlink()
        data = Path("real.toml").read_bytes()
        assert data.count(b"\r\n") == data.count(b"\n") == POLICY.count("\n")

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            (b"[guard", "not TOML"),
            (b"\xff", "not UTF-8"),
            (b'[defaults]\nrules = ["accept lnk"]\n', "2:18: unknown command"),
        ],
    )
    def test_what_cannot_be_read_stays_as_it_is(self, capsys: Captured, text: bytes, words: str) -> None:
        Path("distwall.toml").write_bytes(text)
        assert _run("fmt") == 2
        assert words in capsys.readouterr().err
        assert Path("distwall.toml").read_bytes() == text


class TestTest:
    def test_each_test_that_passes_is_a_line(self, capsys: Captured) -> None:
        Path("tests/a.toml").write_text(TESTS)
        Path("tests/other.toml").write_text("[x]\n")
        assert _run("test", "tests") == 0
        assert capsys.readouterr().out.splitlines() == [
            "ok    a may be called  distwall.toml:7:23  accept  reg_send a",
            "ok    b may not  distwall.toml:7:11  reject *",
            "ok    a pattern  distwall.toml:7:65  deny send when {a,_}",
            "3 passed, 0 failed",
        ]

    @pytest.mark.parametrize(
        ("before", "after", "words"),
        [
            ('expect = "accept"', 'expect = "drop"', "accept, not drop: `accept  reg_send a` in line 7 decides"),
            ('key = "a"', 'key = "c"', "deny, not accept: `reject *` in line 7 decides"),
            (
                'rule = "accept  reg_send a"',
                'rule = "reject *"',
                "`accept  reg_send a` in line 7 decides, not `reject *`",
            ),
            ('command = "reg_send"', 'command = "rg_send"', "unknown command `rg_send`"),
            ('term = "{a, 1}"', 'term = "{a, X}"', "character 5 of the term: `X` in a term"),
        ],
    )
    def test_a_failure_says_what_was_decided_instead(
        self, capsys: Captured, before: str, after: str, words: str
    ) -> None:
        Path("tests/a.toml").write_text(TESTS.replace(before, after, 1))
        assert _run("test", "tests/a.toml") == 1
        out = capsys.readouterr().out
        assert f": {words}" in out
        assert out.startswith("FAIL  tests/a.toml:") or "\nFAIL  tests/a.toml:" in out
        assert out.endswith("2 passed, 1 failed\n")

    def test_coverage_names_untested_rules_and_may_have_a_threshold(self, capsys: Captured) -> None:
        Path("tests/a.toml").write_text(TESTS)
        assert _run("test", "tests", "--coverage") == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[-3:] == [
            "untested  distwall.toml:7:45  accept monitor a",
            "coverage 75 % of the rules",
            "3 passed, 0 failed",
        ]
        assert _run("test", "tests", "--threshold", "75") == 0
        assert _run("test", "tests", "--threshold", "76") == 1
        assert "the tests cover 75 % of the rules, not 76 %" in capsys.readouterr().err

    def test_json_has_each_test_and_the_coverage(self, capsys: Captured) -> None:
        Path("tests/a.toml").write_text(TESTS.replace('expect = "accept"', 'expect = "drop"'))
        assert _run("test", "tests", "-o", "json") == 1
        shown = json.loads(capsys.readouterr().out)
        assert (shown["ok"], shown["passed"], shown["failed"], shown["coverage"]["percent"]) == (False, 2, 1, 75)
        assert [test["ok"] for test in shown["tests"]] == [False, True, True]
        assert shown["tests"][0]["answer"]["rule"]["text"] == "accept  reg_send a"
        assert [rule["text"] for rule in shown["coverage"]["untested"]] == ["accept monitor a"]

    def test_a_file_names_its_policy(self, capsys: Captured) -> None:
        Path("distwall.toml").rename("other.toml")
        Path("tests/a.test.toml").write_text('policy = "../other.toml"\n' + TESTS)
        assert _run("test", "tests") == 0
        assert "3 passed" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("[[test]\n", "not TOML"),
            ("x = 1\n", "a.test.toml:1:1: unknown key `x`"),
            ("", "no tests; write each one as [[test]]"),
            (TESTS.replace('name = "b may not"\n', ""), "`name` is missing in this test"),
            (
                TESTS.replace('expect = "deny"', 'expect = "refuse"', 1),
                "`expect` is `refuse`; write one of accept, deny",
            ),
            (TESTS + 'direction = "up"\n', "`direction` is `up`"),
            (TESTS + "verdict = 1\n", "unknown key `verdict`"),
        ],
    )
    def test_files_that_cannot_be_read_are_errors(self, capsys: Captured, text: str, words: str) -> None:
        Path("tests/a.test.toml").write_text(text)
        assert _run("test", "tests") == 2
        assert words in capsys.readouterr().err

    def test_no_tests_at_all_is_an_error(self, capsys: Captured) -> None:
        assert _run("test", "tests") == 2
        assert "tests: no tests; write [[test]] tables" in capsys.readouterr().err
        assert _run("test", "nowhere") == 2
        assert "nowhere: can't read the tests: No such file" in capsys.readouterr().err

    def test_what_goes_out_can_be_tested_too(self, capsys: Captured) -> None:
        Path("distwall.toml").write_text(POLICY + 'rules_out = ["drop link"]\n')
        Path("tests/a.toml").write_text(
            '[[test]]\nname = "out"\npeer = "foo@h"\ncommand = "link"\ndirection = "out"\nexpect = "drop"\n'
        )
        assert _run("test", "tests") == 0
        assert "ok    out" in capsys.readouterr().out
