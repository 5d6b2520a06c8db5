"""The command: what it prints, and how it exits."""

import time

import pytest

from tests.doctor.scene import CLUSTER, ENTRY, FOO, GUARD, DoctorScene
from tests.support.waiting import wait_until


def test_problems_are_shown_with_where_and_what_to_do(scene: DoctorScene) -> None:
    code, out, error = scene.doctor()
    assert (code, error) == (1, "")
    assert out.splitlines() == [
        "problem  no distwall answers: No such file or directory",
        f"  where  {scene.folder}/distwall.sock",
        "  do     start it with distwall run",
        "1 problem, 0 warnings",
    ]


def test_warnings_alone_are_no_failure(scene: DoctorScene) -> None:
    scene.run()
    code, out, _ = scene.doctor()
    assert (code, out.splitlines()[-1]) == (0, "0 problems, 1 warning")


def test_json_has_the_same_findings(scene: DoctorScene) -> None:
    code, result = scene.json()
    assert code == 1
    assert result == {
        "file": str(scene.folder / "distwall.toml"),
        "policy_error": None,
        "problems": 1,
        "warnings": 0,
        "findings": [
            {
                "severity": "problem",
                "check": "not_running",
                "what": "no distwall answers: No such file or directory",
                "where": str(scene.folder / "distwall.sock"),
                "remedy": "start it with distwall run",
            }
        ],
    }


def test_a_sound_setup_is_said_to_be_one(scene: DoctorScene) -> None:
    scene.own_all(4242)
    scene.run(uid=4242)
    assert scene.doctor() == (0, "nothing found\n", "")


def test_a_policy_that_does_not_check_is_told_and_the_rest_is_examined(scene: DoctorScene) -> None:
    scene.epmd(4371, address="127.0.0.1")
    node = scene.node(flags=("-setcookie", CLUSTER), port=4371)
    path = scene.write(ENTRY + "visible = 3\n")
    path.chmod(0o666)
    code, out, error = scene.doctor()
    assert code == 2
    assert "distwall.toml:10:11: `visible` is an integer; write true or false" in error
    assert f"pid {node.pid}" in out
    assert "every user can change" in out
    assert "the policy has errors" in out
    code, result = scene.json()
    assert code == 2
    assert {finding["check"] for finding in result["findings"]} == {"cookie_argument", "writable"}
    assert "`visible` is an integer" in result["policy_error"]
    assert CLUSTER not in out + error + str(result)


def test_without_a_policy_there_is_nothing_to_find(scene: DoctorScene) -> None:
    (scene.folder / "distwall.toml").unlink()
    code, result = scene.json()
    assert code == 2
    assert "can't read the policy file" in result["policy_error"]
    assert result["findings"] == []


def test_the_setup_of_the_readme_has_the_findings_that_it_should(scene: DoctorScene) -> None:
    """The 60 seconds of the README: a doctor says of it what is true, and no more."""
    scene.cookie("cluster.cookie", "cluster-secret")
    scene.run()
    scene.node(flags=("-setcookie", "cluster-secret", "-kernel", "inet_dist_use_interface", "{127,0,0,1}"))
    scene.epmd(address="127.0.0.1")
    scene.node("foo@127.0.0.1", flags=("-setcookie", FOO), port=4369)
    checks = [(finding.severity, finding.check) for finding in scene.found()]
    assert checks == [
        ("problem", "outgoing"),
        ("problem", "cookie_argument"),
        ("problem", "weak_cookie"),
        ("warning", "epmd"),
        ("warning", "root"),
    ]


@pytest.mark.parametrize("one_epmd", [False, True])
def test_it_leaves_no_trace(scene: DoctorScene, one_epmd: bool) -> None:
    if one_epmd:
        scene.write(guard=GUARD.replace("4370", "4369") + 'epmd = "0.0.0.0:4369"\n')
    scene.run()
    scene.node(port=4369 if one_epmd else 4370)
    log = scene.folder / "distwall-audit.jsonl"
    wait_until(lambda: '"register"' in log.read_text())
    before = log.read_text()
    scene.doctor()
    time.sleep(0.5)
    assert log.read_text() == before
