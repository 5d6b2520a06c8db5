"""The nftables text, and nft itself."""

import os
import pwd
import shutil
from pathlib import Path

import pytest

from distwall.policy.model import Redirect
from distwall.redirect.nft import NftError, install, remove
from distwall.redirect.ruleset import UnknownUserError, ruleset, user_id
from tests.support.hosts import HostPair


def redirect(user: str = "nobody", port: int = 4371, ports: tuple[int, int] = (64000, 64999)) -> Redirect:
    return Redirect(user, port, ports)


def tables(pair: HostPair) -> list[str]:
    return pair.a.shell("nft list tables").splitlines()


def test_rules_are_for_one_user_and_not_for_what_registers() -> None:
    text = ruleset(redirect(), 4370)
    uid = pwd.getpwnam("nobody").pw_uid
    rules = [line.strip() for line in text.splitlines() if line.startswith(" " * 8)][1:]
    # A packet that no socket sends has no user: only what says "this user" never speaks of it.
    assert rules == [
        f"meta skuid {uid} ip daddr != 127.0.0.1 tcp dport {{ 4370, 64000-64999 }} counter redirect to :4371",
        f"meta skuid {uid} ip6 daddr != ::1 tcp dport {{ 4370, 64000-64999 }} counter redirect to :4371",
    ]
    assert text.count("table inet distwall_redirect") == 3  # made, so that it can be deleted, so that it is new


def test_a_range_of_one_port_is_written_as_a_range() -> None:
    assert "tcp dport { 4370, 5000-5000 }" in ruleset(redirect(ports=(5000, 5000)), 4370)


@pytest.mark.parametrize("user", ["nobody-here", "", "a\0b", "x\n} table inet y {"])
def test_an_unknown_user_is_an_error(user: str) -> None:
    with pytest.raises(UnknownUserError, match=r"\[guard.redirect\] user: there is no user"):
        ruleset(redirect(user=user), 4370)


def test_a_user_may_be_a_number() -> None:
    assert user_id("1234") == 1234


def test_install_twice_is_one_table_with_the_newer_rules(pair: HostPair) -> None:
    pair.a.run(install, ruleset(redirect(), 4370))
    pair.a.run(install, ruleset(redirect(port=4999), 4370))
    assert tables(pair) == ["table inet distwall_redirect"]
    listed = pair.a.shell("nft list table inet distwall_redirect")
    assert listed.count("redirect to") == 2
    assert "redirect to :4999" in listed


def test_remove_takes_only_what_is_ours(pair: HostPair) -> None:
    pair.a.shell("nft -f -", text="table inet other { chain c { type filter hook output priority 0; }; }\n")
    pair.a.run(install, ruleset(redirect(), 4370))
    assert len(tables(pair)) == 2
    pair.a.run(remove)
    assert tables(pair) == ["table inet other"]
    pair.a.run(remove)
    assert tables(pair) == ["table inet other"]


def test_rules_that_fail_leave_those_before(pair: HostPair) -> None:
    pair.a.run(install, ruleset(redirect(), 4370))
    before = pair.a.shell("nft list ruleset")
    with pytest.raises(NftError, match="can't load the rules"):
        pair.a.run(install, ruleset(redirect(port=70000), 4370))
    assert pair.a.shell("nft list ruleset") == before


def test_without_root_it_says_so(pair: HostPair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nft = tmp_path / "nft"
    nft.write_text(f'#!/bin/sh\nexec setpriv --reuid 65534 --clear-groups {shutil.which("nft")} "$@"\n')
    nft.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(NftError, match="can't load the rules: not permitted; run this as root"):
        pair.a.run(install, ruleset(redirect(), 4370))
    with pytest.raises(NftError, match="can't remove the rules: not permitted; run this as root"):
        pair.a.run(remove)


def test_without_nft_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("distwall.redirect.nft._PLACES", (str(tmp_path),))
    with pytest.raises(NftError, match="nft is not installed; install the package nftables"):
        remove()


@pytest.mark.parametrize(
    ("says", "expected"),
    [
        ("/dev/stdin:7:9: Error: Could not process rule: Operation not supported", "the kernel lacks nftables' nat"),
        ("/dev/stdin:7:9: Error: Could not process rule: No such file or directory", "the kernel lacks nftables' nat"),
        ("netlink: Error: cache initialization failed: Protocol not supported", "the kernel lacks nftables' nat"),
        ("/dev/stdin:2:1: Error: syntax error", "can't remove the rules: /dev/stdin:2:1: Error: syntax error"),
        ("", "can't remove the rules: no reason given"),
    ],
)
def test_what_nft_says_is_put_into_words(
    says: str, expected: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nft = tmp_path / "nft"
    nft.write_text(f"#!/bin/sh\ncat > /dev/null\necho '{says}' >&2\nexit 1\n")
    nft.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(NftError) as raised:
        remove()
    assert expected in str(raised.value)
    assert "\n" not in str(raised.value)


def test_nft_lists_what_show_prints(pair: HostPair) -> None:
    text = ruleset(redirect(), 4370)
    pair.a.run(install, text)
    listed = pair.a.shell("nft list table inet distwall_redirect").replace(" packets 0 bytes 0", "")
    for rule in (line.strip() for line in text.splitlines() if "counter redirect to" in line):
        assert rule in listed
