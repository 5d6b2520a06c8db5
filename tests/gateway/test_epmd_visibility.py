"""Which guarded nodes are shown to which source."""

from pathlib import Path

import pytest

from distwall.gateway.epmd_visibility import visible_to
from distwall.policy import load

POLICY = """[guard]
nodes = ["bar@10.0.0.1", "rabbit@*"]
listen = "127.0.0.2"
epmd = "127.0.0.2:4369"
cookie = "cluster-cookie"

[[peers]]
node = "near@*"
cookie = "one"
from = ["10.0.0.0/8"]
guards = ["bar@10.0.0.1"]
rules = ["deny *"]

[[peers]]
node = "far@*"
cookie = "two"
from = ["192.0.2.0/24", "2001:db8::/32"]
guards = ["rabbit@somewhere"]
rules = ["deny *"]

[[peers]]
node = "wide@*"
cookie = "three"
from = ["203.0.113.7"]
rules = ["deny *"]
"""


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("10.1.2.3", ["bar"]),
        ("192.0.2.9", ["rabbit"]),
        ("2001:db8::1", ["rabbit"]),
        ("203.0.113.7", ["bar", "rabbit"]),
        ("203.0.113.8", []),
        ("127.0.0.1", []),
    ],
)
def test_a_source_sees_the_nodes_that_its_entries_are_for(tmp_path: Path, source: str, shown: list[str]) -> None:
    file = tmp_path / "distwall.toml"
    file.write_text(POLICY)
    is_visible = visible_to(load(file), source)
    assert [name for name in ("bar", "rabbit", "other") if is_visible(name)] == shown
