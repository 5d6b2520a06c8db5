"""Grants: two clocks, renewals, and what a restart makes of them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from distwall.audit.log import AuditLog
from distwall.control import Firewall, StateFile
from distwall.control.grants import Grant, Grants
from distwall.policy import loads

ENTRY = ("foo@*", 0)


def give(
    grants: Grants, seconds: float = 60, *, wall: float = 1000, monotonic: float = 50, table: str = "ops"
) -> Grant:
    return grants.give(
        "foo@h",
        table,
        guard=None,
        seconds=seconds,
        reason="fix",
        actor="root",
        wall=wall,
        monotonic=monotonic,
        entries=(ENTRY,),
        party="",
    )


@pytest.mark.parametrize(
    ("wall", "monotonic", "over"),
    [
        (1059, 109, False),
        (1060, 109, True),
        (1059, 110, True),
        # The wall clock was set back, or the machine slept.
        (10, 110, True),
        (1060, 51, True),
        (10, 109, False),
    ],
)
def test_the_earlier_of_two_clocks_ends_it(wall: float, monotonic: float, over: bool) -> None:
    grants = Grants()
    give(grants)
    assert [grant.table for grant in grants.expire(wall, monotonic)] == (["ops"] if over else [])
    assert grants.tables_for("foo@h", "bar@h", ENTRY) == ([] if over else ["ops"])


def test_a_renewal_takes_its_place() -> None:
    grants = Grants()
    give(grants)
    give(grants, wall=1050, monotonic=100)
    assert not grants.expire(1109, 159)
    assert grants.next_end(1109, 159) == 1
    assert len(grants.expire(1110, 160)) == 1


@pytest.mark.parametrize(
    ("wall", "left"),
    [(1030, 30), (1000, 60), (1059.5, 0.5), (1060, None), (5000, None), (999, None), (0, None)],
    ids=["in the middle", "at once", "nearly over", "over", "long over", "clock set back", "clock lost"],
)
def test_a_restart_leaves_what_is_left(wall: float, left: float | None) -> None:
    saved = give(Grants())
    grants = Grants()
    assert grants.restore(saved, wall, 7) == (left is not None)
    assert grants.next_end(wall, 7) == left


def test_it_is_about_one_node_at_one_guarded_node() -> None:
    grants = Grants()
    grants.give(
        "foo@h",
        "ops",
        guard="bar@h",
        seconds=60,
        reason="",
        actor="root",
        wall=0,
        monotonic=0,
        entries=(ENTRY,),
        party="",
    )
    assert grants.tables_for("foo@h", "bar@h", ENTRY) == ["ops"]
    assert grants.tables_for("foo@h", "baz@h", ENTRY) == grants.tables_for("other@h", "bar@h", ENTRY) == []
    assert grants.tables_for("foo@h", "bar@h", ("foo@h", 0)) == []
    assert grants.take_back("foo@h", "ops", None) is None
    assert grants.take_back("foo@h", "ops", "bar@h") is not None


POLICY = """[guard]
nodes = ["bar@h"]
cookie = "cluster"
[audit]
file = "audit.jsonl"
[tables.ops]
rules = ["accept reg_send secret"]
[[peers]]
node = "NODE"
cookie = "COOKIE"
rules = ["deny *"]
"""


@contextmanager
def started(folder: Path, *, cookie: str = "anns", node: str = "foo@h", extra: str = "") -> Iterator[Firewall]:
    """A process that runs with this policy for a while, on the state of the one before."""
    text = POLICY.replace("NODE", node).replace("COOKIE", cookie) + extra
    audit = AuditLog(folder / "audit.jsonl")
    firewall = Firewall(loads(text, folder / "distwall.toml", {}), audit, StateFile(folder / "state.json"))
    yield firewall
    firewall.close()
    audit._file.close()


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({}, "accept"),
        ({"node": "foo@*"}, "accept"),
        ({"extra": "visible = true"}, "accept"),
        ({"cookie": "bobs"}, "deny"),
        ({"node": "other@h"}, "deny"),
    ],
)
def test_a_grant_does_not_go_to_another_party_with_a_restart(
    tmp_path: Path, change: dict[str, str], verdict: str
) -> None:
    """Its entry may have another cookie by then, and so belong to somebody else."""
    with started(tmp_path) as firewall:
        firewall.grant("foo@h", "ops", 60, "fix")
        assert firewall.test_filter("foo@h", "reg_send", "secret") == "accept"
    assert "anns" not in (tmp_path / "state.json").read_text()
    assert b"anns".hex() not in (tmp_path / "state.json").read_text()
    with started(tmp_path, **change) as firewall:
        assert firewall.test_filter("foo@h", "reg_send", "secret") == verdict
    with started(tmp_path) as firewall:
        assert firewall.test_filter("foo@h", "reg_send", "secret") == verdict, "it does not come back, either"


def test_a_grant_of_which_nobody_knows_the_party_ends(tmp_path: Path) -> None:
    with started(tmp_path) as firewall:
        firewall.grant("foo@h", "ops", 60, "fix")
    path = tmp_path / "state.json"
    state = json.loads(path.read_text())
    del state["grants"][0]["party"]
    path.write_text(json.dumps(state))
    with started(tmp_path) as firewall:
        assert firewall.grants() == []
