"""``distwall redirect``, and what ``distwall run`` says of [guard.redirect]."""

import subprocess
from pathlib import Path

import pytest

from tests.support.hosts import HostPair
from tests.support.wall import COMMAND

POLICY = """[guard]
nodes = ["bar@10.231.7.1"]
listen = "127.0.0.1"
epmd = "127.0.0.1:4369"
register = "127.0.0.1:4370"
cookie = "cluster"
"""


def distwall(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        stdin=subprocess.DEVNULL,
    )


def policy(folder: Path, redirect: str) -> None:
    (folder / "distwall.toml").write_text(POLICY + redirect)


def test_show_prints_what_install_loads(pair: HostPair, tmp_path: Path) -> None:
    policy(tmp_path, '[guard.redirect]\nuser = "nobody"\nport = 4999\nports = "50000-50009"\n')
    shown = distwall(tmp_path, "redirect", "show")
    assert shown.returncode == 0
    assert "tcp dport { 4370, 50000-50009 } counter redirect to :4999" in shown.stdout
    pair.a.shell("nft -f -", text=shown.stdout)
    by_hand = pair.a.shell("nft list ruleset")
    pair.a.shell("nft flush ruleset")
    installed = pair.a.run(distwall, tmp_path, "redirect", "install")
    assert (installed.returncode, installed.stdout) == (0, "")
    assert installed.stderr.startswith("installed: nft list table inet distwall_redirect")
    assert pair.a.shell("nft list ruleset") == by_hand
    for _ in range(2):
        removed = pair.a.run(distwall, tmp_path, "redirect", "remove")
        assert removed.returncode == 0
        assert pair.a.shell("nft list ruleset") == ""


def test_remove_needs_no_policy(pair: HostPair, tmp_path: Path) -> None:
    assert pair.a.run(distwall, tmp_path, "redirect", "remove").returncode == 0


@pytest.mark.parametrize("command", ["show", "install"])
def test_what_can_not_be_shown_is_not_installed(command: str, tmp_path: Path) -> None:
    policy(tmp_path, "")
    done = distwall(tmp_path, "redirect", command)
    assert done.returncode == 2
    assert "distwall.toml: no [guard.redirect] here; add it" in done.stderr
    policy(tmp_path, '[guard.redirect]\nuser = "nobody-here"\n')
    done = distwall(tmp_path, "redirect", command)
    assert done.returncode in {1, 2}
    assert "there is no user 'nobody-here' here" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("user", "text"), [("root", "distwall runs as root too"), ("nobody-here", "there is no user 'nobody-here' here")]
)
def test_run_says_whose_connections_it_can_not_take(pair: HostPair, user: str, text: str, tmp_path: Path) -> None:
    policy(tmp_path, f'[guard.redirect]\nuser = "{user}"\n')
    done = pair.a.run(distwall, tmp_path, "run")
    assert done.returncode in {1, 2}
    assert text in done.stderr


def test_run_says_which_port_is_taken(pair: HostPair, tmp_path: Path) -> None:
    policy(tmp_path, '[guard.redirect]\nuser = "nobody"\n')
    with pair.a.listen("127.0.0.1", 4371):
        done = pair.a.run(distwall, tmp_path, "run")
    assert done.returncode == 1
    assert "cannot listen on 127.0.0.1:4371" in done.stderr
