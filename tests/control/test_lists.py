"""What of a policy goes with its rules: rules of what goes out, trials, and the end of rules, on open channels."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from distwall._core import KNOWN_FLAGS
from distwall.audit.log import AuditLog
from distwall.clock import rfc3339, utc
from distwall.control import BadCallError, Firewall
from distwall.control.channel import ChannelHandle
from distwall.policy import loads
from tests.support.waiting import eventually

GUARD = '[guard]\nnodes = ["bar@h"]\ncookie = "cluster"\n'
ENTRY = '[[peers]]\nnode = "foo@h"\ncookie = "foo"\n'


@pytest.fixture
def audit(tmp_path: Path) -> AuditLog:
    return AuditLog(tmp_path / "audit.jsonl")


def _opened(text: str, audit: AuditLog) -> tuple[Firewall, ChannelHandle]:
    policy = loads(text, Path("distwall.toml"), {})
    firewall = Firewall(policy, audit)
    handle = firewall.open_channel(
        peer="foo@h",
        peer_creation=3,
        guard="bar@h",
        guard_creation=7,
        flags=KNOWN_FLAGS,
        entry=policy.entries[0],
        source="127.0.0.1",
        close=lambda _: None,
    )
    return firewall, handle


def _judges(handle: ChannelHandle, command: str, *, out: bool = False) -> list[str] | None:
    core = handle._judgement.outbound if out else handle._judgement.core
    return None if core is None else [verdict for verdict, *_ in core.judge(command)]


def test_what_goes_out_passes_where_nothing_speaks_of_it(audit: AuditLog) -> None:
    _, handle = _opened(GUARD + ENTRY, audit)
    assert _judges(handle, "link", out=True) is None


def test_rules_of_what_goes_out_come_with_a_table(audit: AuditLog) -> None:
    text = GUARD + '[tables.t]\nrules_out = ["deny link"]\n' + ENTRY
    firewall, handle = _opened(text, audit)
    assert _judges(handle, "link", out=True) is None
    firewall.attach("foo@h", "t")
    assert _judges(handle, "link", out=True) == ["deny"]
    assert _judges(handle, "send", out=True) == []
    firewall.detach("foo@h", "t")
    assert _judges(handle, "link", out=True) is None


def test_a_peer_on_trial_has_an_auditing_channel(audit: AuditLog) -> None:
    _, handle = _opened(GUARD + ENTRY + 'mode = "audit"\n', audit)
    assert handle._judgement.audit


def test_services_of_the_file_can_be_named_at_run_time(audit: AuditLog) -> None:
    text = GUARD + '[services.api]\nargument = "NAME"\nrules = ["reg_send NAME"]\n[tables.t]\n' + ENTRY
    firewall, _ = _opened(text, audit)
    firewall.set_table("t", ["accept api orders"])
    firewall.attach("foo@h", "t")
    assert firewall.test_filter("foo@h", "reg_send", "orders") == "accept"
    firewall.apply(loads(text.replace('"reg_send NAME"', '"link"'), Path("distwall.toml"), {}))
    assert firewall.test_filter("foo@h", "reg_send", "orders") == "deny"
    assert firewall.test_filter("foo@h", "link") == "accept"
    with pytest.raises(BadCallError, match="without NAME"):
        firewall.set_table("t", ["accept api"])


def test_a_process_can_be_named_at_run_time(audit: AuditLog) -> None:
    firewall, handle = _opened(GUARD + ENTRY, audit)
    assert firewall.add_filter("foo@h", "send", "<0.12.0>", "accept") == "deny"
    assert firewall.test_filter("foo@h", "send", "<0.12.0>") == "accept"
    assert firewall.test_filter("foo@h", "send", "<0.13.0>") == "deny"
    assert [verdict for verdict, *_ in handle._judgement.core.judge("send", ("<0.12.0>",))] == ["accept"]


@pytest.mark.parametrize(
    ("rules", "mode", "before", "after"),
    [
        ('rules = ["deny *", "accept link until=TIME"]\n', "", (["accept"], False), (["deny"], False)),
        ('rules = ["deny link"]\n', 'mode = "audit"\nuntil = "TIME"\n', (["deny"], True), (["deny"], False)),
    ],
)
def test_what_ends_ends_on_open_channels(  # noqa: PLR0917
    audit: AuditLog, monkeypatch: pytest.MonkeyPatch, rules: str, mode: str, before: Any, after: Any
) -> None:
    end = utc().replace(microsecond=0) + timedelta(hours=1)
    text = GUARD + ENTRY + (rules + mode).replace("TIME", rfc3339(end))
    firewall, handle = _opened(text, audit)

    def state() -> tuple[list[str] | None, bool]:
        return _judges(handle, "link"), handle._judgement.audit

    async def play() -> None:
        firewall.start()
        assert state() == before
        monkeypatch.setattr("time.time", end.timestamp)
        await eventually(lambda: state() == after)
        firewall.close()

    asyncio.run(play())
    assert firewall.rulebook.next_expiry(datetime.now(UTC) + timedelta(hours=2)) is None
