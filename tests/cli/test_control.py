"""The commands that change a running firewall, over its socket and over TCP."""

import getpass
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import ENV, Commands, running_distwall, write_policy
from tests.support.ports import free_port
from tests.support.waiting import wait_until

ME = f"unix:{getpass.getuser()}"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DISTWALL_URL", raising=False)
    monkeypatch.delenv("DISTWALL_TOKEN", raising=False)


def test_every_command_works_over_the_socket(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    distwall = Commands(write_policy(tmp_path), capsys)
    with running_distwall(distwall.config):
        for args, said in (
            (["set-filter", "foo@h", "link", "accept"], "foo@h: accept link, before: deny"),
            (
                ["add-filter", "foo@h", "spawn_request", "m:f/0", "accept"],
                "foo@h: accept spawn_request m:f/0, before: deny",
            ),
            (["test-filter", "foo@h", "spawn_request", "m:f/0"], "accept"),
            (["del-filter", "foo@h", "link"], "foo@h: no filter for link, before: accept"),
            (["set-default-filter", "_", "_", "drop"], "defaults: drop _ _, before: deny"),
            (["test-filter", "foo@h", "link"], "drop"),
            (["set-handler", "foo@h", "send", "my_handler"], "foo@h: send is handled by my_handler, before: undefined"),
            (["set-handler", "foo@h", "send", "undefined"], "foo@h: send is handled by undefined, before: my_handler"),
            (["filter", "foo@h", "my_filter", "--persist"], "foo@h: filtered by my_filter, before: undefined"),
            (["set-table", "new", "accept link", "deny *"], "table new: 2 rules"),
            (["attach", "foo@h", "new"], "foo@h: table new is attached"),
            (["test-filter", "foo@h", "link"], "accept"),
            (["detach", "foo@h", "new"], "foo@h: table new is detached"),
            (["grants"], "nothing is granted"),
        ):
            told = distwall(*args)
            assert (told.code, told.out.strip(), told.error) == (0, said, ""), args
        told = distwall("grant", "foo@h", "admin", "60", "--reason", "to look")
        assert told.out.startswith("foo@h: table admin is granted until 2")
        told = distwall("grants")
        assert told.out.splitlines()[1].split()[:3] == ["foo@h", "admin", "all"]
        assert told.out.splitlines()[1].endswith(f'{ME}  "to look"')
        assert json.loads(distwall("grants", "-o", "json").out)[0]["reason"] == "to look"
        for span, seconds in (("15m", 900), ("2h", 7200), ("90", 90)):
            told = distwall("grant", "foo@h", "admin", span, "--reason", "to look", "-o", "json")
            assert json.loads(told.out)["seconds"] == seconds
        assert distwall("revoke", "foo@h", "admin").out == "foo@h: table admin is revoked for all guarded nodes\n"
        told = distwall("test-filter", "foo@h", "link", "-o", "json")
        assert json.loads(told.out) == {"verdict": "drop"}

        for args, code, said in (
            (["set-filter", "foo@h", "link", "maybe"], 2, "unknown verdict `maybe`; write accept, deny or drop"),
            (["set-filter", "foo@h", "nonsense", "deny"], 2, "nonsense"),
            (["attach", "foo@h", "none"], 1, "no table `none`; the tables are admin, new"),
            (["revoke", "foo@h", "admin"], 1, "no grant of `admin` to foo@h; see distwall grants"),
            (["disconnect", "foo@h"], 1, "foo@h is not connected; see distwall peers"),
            (["set-table", "new", "accept"], 2, "`accept`"),
            (["set-table", "new", "deny *", "--from-file"], 2, "either rules or --from-file"),
            (["observe", "--not", "colour=red"], 2, "`colour=red` is not FIELD=VALUE"),
            (["observe", "--event", "refusd"], 2, "no event has the event `refusd`; did you mean `refused`?"),
            (["audit", "tail", "--verdict", "maybe"], 2, "write one of accept, deny, drop, reject"),
            (["grant", "foo@h", "admin", "soon", "--reason", "x"], 2, "`soon` is not a span of time; write it as 90s"),
        ):
            told = distwall(*args)
            assert (told.code, told.out) == (code, ""), args
            assert said in told.error, args
            assert len(told.error.splitlines()) == 1

        told = distwall("observe", "--event", "api_call", "--last", "1000", "-o", "json")
        events = [json.loads(line) for line in told.out.splitlines()]
        assert {event["actor"] for event in events} == {ME}
        assert [event["function"] for event in events][:2] == ["set_filter", "add_filter"]
        assert [event["seq"] for event in events] == sorted(event["seq"] for event in events)
        told = distwall("observe", "--event", "grant", "--event", "grant_revoked", "--not", "event=grant")
        assert "grant revoked" in told.out
        assert len(told.out.splitlines()) == 1


def test_commands_work_over_tcp_with_a_token_until_it_is_revoked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    distwall = Commands(write_policy(tmp_path, top=f'[control]\nhttp = "{url[7:]}"\n'), capsys)
    with running_distwall(distwall.config) as process:
        told = distwall("token", "create", "--role", "operate", "--for", "1h", "--name", "ci")
        assert told.error.startswith("ci: operate until 2")
        token = told.out.strip()
        monkeypatch.setenv("DISTWALL_TOKEN", token)
        told = distwall("set-filter", "foo@h", "link", "accept", "--url", url, config=False)
        assert (told.code, told.out) == (0, "foo@h: accept link, before: deny\n")
        monkeypatch.setenv("DISTWALL_URL", url)
        told = distwall("set-table", "new", "accept *", config=False)
        assert (told.code, told.error) == (
            1,
            "distwall: this needs the role admin, and token:ci has operate\n",
        )
        assert distwall("peers", "-o", "json", config=False).out == "[]\n"
        monkeypatch.setenv("DISTWALL_TOKEN", "distwall_nonsense")
        told = distwall("stats", config=False)
        assert (told.code, told.error) == (
            1,
            "distwall: no valid token; send Authorization: Bearer TOKEN\n",
        )
        assert json.loads(distwall("token", "list", "-o", "json").out)[0]["name"] == "ci"
        assert distwall("token", "revoke", "ci").out == "ci: revoked\n"
        assert distwall("token", "list").out == "there are no tokens\n"
        monkeypatch.setenv("DISTWALL_TOKEN", token)
        assert distwall("stats", config=False).code == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    log = (tmp_path / "distwall-audit.jsonl").read_text()
    assert '"actor":"token:ci"' in log
    assert token not in log
    assert '"event":"tokens_changed","added":[],"removed":["ci"]' in log


def test_policy_shows_what_is_in_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    distwall = Commands(write_policy(tmp_path, more='rules = ["deny *"]'), capsys)
    other = tmp_path / "other.toml"
    other.write_text(distwall.config.read_text().replace('"deny *"', '"deny *", "accept link"'))
    with running_distwall(distwall.config):
        before = dict(line.split(maxsplit=1) for line in distwall("policy").out.splitlines())
        assert before["file"] == str(distwall.config)
        distwall("set-filter", "foo@h", "link", "accept", "--persist")
        distwall("apply", str(other), "--confirm-within", "10m")
        distwall("shadow", "set", str(distwall.config))
        told = distwall("policy").out
        assert re.search(
            rf"^on trial +[56]\d\d s left, then revision {before['revision']} comes back; ", told, re.MULTILINE
        )
        assert re.search(rf"^shadow +{before['revision']}, 0 different decisions$", told, re.MULTILINE)
        kept = rf"^run time +foo@h: accept link  \({ME}, 2.*Z, survives a restart\)$"
        assert re.search(kept, told, re.MULTILINE)
        found = json.loads(distwall("policy", "-o", "json").out)
        assert (found["trial"]["before"], found["settings"][0]["actor"]) == (before["revision"], ME)


def test_a_shadow_policy_is_shown_set_and_cleared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    distwall = Commands(write_policy(tmp_path, more='rules = ["deny *"]'), capsys)
    other = tmp_path / "other.toml"
    other.write_text(distwall.config.read_text().replace('"deny *"', '"accept *"'))
    with running_distwall(distwall.config, "--shadow", str(other)):
        revision = distwall("shadow", "show").out.split()[1].rstrip(":")
        assert distwall("shadow", "set", str(other)).out.startswith(f"revision {revision} is the shadow policy; ")
        assert distwall("test-filter", "foo@h", "link").out == "deny\n"
        assert distwall("shadow", "clear").out == "the shadow policy is removed\n"
        assert distwall("shadow", "show").out == "there is no shadow policy\n"
        other.write_text("nonsense")
        told = distwall("shadow", "set", str(other))
        assert (told.code, len(told.error.splitlines())) == (2, 1)
        told = distwall("observe", "--event", "shadow_changed", "-o", "json")
        changes = [(event["actor"], event["revision"]) for event in map(json.loads, told.out.splitlines())]
        assert changes == [("distwall run", revision), (ME, revision), (ME, None)]


def test_tokens_for_peers_are_made_and_revoked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    distwall = Commands(write_policy(tmp_path), capsys)
    ask = ["token", "access", "foo@h", "admin", "--for", "15m", "--reason", "ticket 7"]
    with running_distwall(distwall.config):
        told = distwall(*ask)
        token = told.out.strip()
        assert token.startswith("distwall_")
        assert told.error == "foo@h can use it once, within 1h, to have table admin for 15m\n"
        for more, said in (
            (["--valid", "8d"], "691200 seconds to use it; give more than 0 and at most 604800"),
            (["--valid", "long"], "`long` is not a span of time; write it as 90s, 15m, 12h or 30d"),
            (["--for", "400d"], "grant more than 0 and at most"),
        ):
            told = distwall(*ask, *more)
            assert (told.code, told.out) == (2, "")
            assert said in told.error
        assert "foo@h" in distwall("observe", "--event", "token_issued").out
        assert token not in distwall("observe", "--last", "1000", "-o", "json").out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--role", "god"], "`god` is not a role; write read, operate or admin"),
        (["--role", "read", "--for", "long"], "`long` is not a span of time; write it as 90s, 15m, 12h or 30d"),
    ],
)
def test_tokens_that_make_no_sense_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], args: list[str], said: str
) -> None:
    told = Commands(write_policy(tmp_path), capsys)("token", "create", *args)
    assert (told.code, told.error) == (2, f"distwall: {said}\n")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense", "http://[", "ftp://127.0.0.1"])
def test_nobody_at_the_url_is_one_line_of_error(tmp_path: Path, capsys: pytest.CaptureFixture[str], url: str) -> None:
    told = Commands(write_policy(tmp_path), capsys)("peers", "--url", url)
    assert told.code == 1
    assert "no valid answer" in told.error
    assert len(told.error.splitlines()) == 1


def test_another_policy_on_trial_is_confirmed_or_taken_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    distwall = Commands(write_policy(tmp_path, more='rules = ["deny *"]'), capsys)
    before = distwall.config.read_text()
    other = tmp_path / "other.toml"
    other.write_text(before.replace('"deny *"', '"deny *", "accept link"'))
    with running_distwall(distwall.config):
        told = distwall("apply", str(other), "--confirm-within", "10m")
        assert (told.code, told.out) == (0, "+peer foo@*: accept link\n")
        assert told.error.endswith("is in force for 10m: 1 change; distwall confirm keeps it\n")
        assert distwall("test-filter", "foo@h", "link").out == "accept\n"
        assert distwall("roll-back").out.endswith("is in force again\n")
        assert distwall("test-filter", "foo@h", "link").out == "deny\n"
        told = distwall("confirm")
        assert (told.code, told.error) == (
            1,
            "distwall: no policy is on trial; it was confirmed already, or rolled back\n",
        )
        assert distwall.config.read_text() == before
        told = distwall("apply", str(other))
        assert told.error.endswith("is in force: 1 change\n")
        assert distwall.config.read_text() == other.read_text()
        other.write_text("nonsense")
        told = distwall("apply", str(other))
        assert told.code == 2
        assert len(told.error.splitlines()) == 1
        assert distwall("apply", str(tmp_path / "none")).code == 2
        assert distwall("apply", str(other), "--confirm-within", "soon").code == 2
        assert distwall("test-filter", "foo@h", "link").out == "accept\n"


@pytest.mark.parametrize("dashes", [[], ["--"]], ids=["without dashes", "with dashes"])
def test_words_behind_the_program_of_exec_are_its_own(tmp_path: Path, dashes: list[str]) -> None:
    """Even those that are options of exec, or dashes."""
    config = write_policy(tmp_path, top=f'register = "127.0.0.1:{free_port()}"')
    script = "import pathlib, sys; pathlib.Path('words').write_text(' '.join(sys.argv[1:]))"
    own = ["-name", "bar@127.0.0.1", "--config", "other", "--", "--help"]
    program = [*dashes, sys.executable, "-c", script, *own]
    with running_distwall(config):
        command = [sys.executable, "-m", "distwall", "exec", "--config", str(config), *program]
        subprocess.run(command, cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "words").read_text().split() == own


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ("visible = 1", "`visible` is an integer; write true or false"),
        ("visible = ", "not TOML"),
        ('rules = ["accept links"]', "unknown command `links`"),
        ('[control]\nsocket = "wall.sock"\nhttp = "127.0.0.1:9"\n[[peers', "not TOML"),
    ],
)
def test_a_file_that_does_not_check_is_told_of_and_bars_nobody_from_the_running_firewall(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], broken: str, problem: str
) -> None:
    own = '[control]\nsocket = "wall.sock"\n'
    config = write_policy(tmp_path, more=own)
    distwall = Commands(config, capsys)
    good = config.read_text()
    with running_distwall(config) as process:
        assert (distwall("policy").code, distwall("peers").code) == (0, 0)
        bad = good.replace(own, broken if own.splitlines()[1] in broken else f"{broken}\n{own}")
        config.write_text(bad)
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "policy refused" in line
        assert problem in line
        for command in ("policy", "peers"):
            told = distwall(command)
            assert told.code == 1
            assert told.out
            assert "the policy file is refused since" in told.error
            assert re.search(rf"distwall: {re.escape(str(config))}:[0-9]+:[0-9]+: .*{re.escape(problem)}", told.error)
        told = distwall("policy", "-o", "json")
        assert problem in json.loads(told.out)["refused"]["problems"][0]
        assert distwall("add-filter", "foo@h", "reg_send", "counter", "accept").code == 0
        assert "policy refused" in distwall("audit", "tail").out
        config.write_text(good)
        wait_until(lambda: distwall("policy").code == 0)
