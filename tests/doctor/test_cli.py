"""The command: what it prints, and how it exits."""

import time

import pytest

from tests.doctor.ground import CLUSTER, ENTRY, FOO, GUARD, Ground, until


def test_problems(ground: Ground) -> None:
    code, out, error = ground.doctor()
    assert (code, error) == (1, "")
    assert out.splitlines() == [
        "problem  no distwall answers: No such file or directory",
        f"  where  {ground.folder}/distwall.sock",
        "  do     start it with distwall run",
        "1 problem, 0 warnings",
    ]


def test_warnings_alone_are_no_failure(ground: Ground) -> None:
    ground.run()
    code, out, _ = ground.doctor()
    assert (code, out.splitlines()[-1]) == (0, "0 problems, 1 warning")


def test_json(ground: Ground) -> None:
    code, result = ground.json()
    assert code == 1
    assert result == {
        "file": str(ground.folder / "distwall.toml"),
        "policy_error": None,
        "problems": 1,
        "warnings": 0,
        "findings": [
            {
                "severity": "problem",
                "check": "not_running",
                "what": "no distwall answers: No such file or directory",
                "where": str(ground.folder / "distwall.sock"),
                "remedy": "start it with distwall run",
            }
        ],
    }


def test_nothing(ground: Ground) -> None:
    ground.own_all(4242)
    ground.run(uid=4242)
    assert ground.doctor() == (0, "nothing found\n", "")


def test_a_policy_that_does_not_check(ground: Ground) -> None:
    ground.epmd(4371, address="127.0.0.1")
    node = ground.node(flags=("-setcookie", CLUSTER), port=4371)
    path = ground.write(ENTRY + "visible = 3\n")
    path.chmod(0o666)
    code, out, error = ground.doctor()
    assert code == 2
    assert "distwall.toml:10:11: `visible` is an integer; write true or false" in error
    assert f"pid {node.pid}" in out
    assert "every user can change" in out
    assert "without a policy that checks" in out
    code, result = ground.json()
    assert code == 2
    assert {finding["check"] for finding in result["findings"]} == {"cookie_argument", "writable"}
    assert "`visible` is an integer" in result["policy_error"]
    assert CLUSTER not in out + error + str(result)


def test_no_policy(ground: Ground) -> None:
    (ground.folder / "distwall.toml").unlink()
    code, result = ground.json()
    assert code == 2
    assert "can't read the policy file" in result["policy_error"]
    assert result["findings"] == []


def test_what_the_readme_shows(ground: Ground) -> None:
    """The 60 seconds of the README: a doctor says of it what is true, and no more."""
    ground.cookie("cluster.cookie", "cluster-secret")
    ground.run()
    ground.node(flags=("-setcookie", "cluster-secret", "-kernel", "inet_dist_use_interface", "{127,0,0,1}"))
    ground.epmd(address="127.0.0.1")
    ground.node("foo@127.0.0.1", flags=("-setcookie", FOO), port=4369)
    checks = [(finding.severity, finding.check) for finding in ground.found()]
    assert checks == [
        ("problem", "outgoing"),
        ("problem", "cookie_argument"),
        ("problem", "weak_cookie"),
        ("warning", "epmd"),
        ("warning", "root"),
    ]


@pytest.mark.parametrize("one_epmd", [False, True])
def test_it_leaves_no_trace(ground: Ground, one_epmd: bool) -> None:
    if one_epmd:
        ground.write(guard=GUARD.replace("4370", "4369") + 'epmd = "0.0.0.0:4369"\n')
    ground.run()
    ground.node(port=4369 if one_epmd else 4370)
    log = ground.folder / "distwall-audit.jsonl"
    until(lambda: '"register"' in log.read_text())
    before = log.read_text()
    ground.doctor()
    time.sleep(0.5)
    assert log.read_text() == before
