"""The page on the policy file has every key that the file may have, table by table, and no other."""

import re
from pathlib import Path
from typing import Any

import pytest

from distwall.policy import loads
from distwall.policy.file.table import Table
from tests.support.certificates import make_ca
from tools.pages import TOP

POLICY = """
[guard]
nodes = ["bar@127.0.0.2"]
cookie = "cluster"
[guard.redirect]
user = "nobody"
[guard.tls]
cert = "wall.pem"
key = "wall.key"
ca = "ca.pem"
[guard.tls.inside]
cert = "wall.pem"
key = "wall.key"
ca = "ca.pem"
[defaults]
rules = ["deny *"]
[tables.some_name]
rules = ["accept ping"]
[services.some_name]
rules = ["reg_send x"]
[[peers]]
node = "foo@h"
cookie = "foo"
"""


def keys_of_the_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """Return the keys of each table, as the loader asks for them while it reads a policy with all tables."""
    known: dict[str, set[str]] = {}
    begin = Table.__init__

    def noting(self: Table, source: Any, path: Any, *rest: Any, **named: Any) -> None:
        known[".".join(str(step) for step in path)] = set(named["known"])
        begin(self, source, path, *rest, **named)

    monkeypatch.setattr(Table, "__init__", noting)
    make_ca(tmp_path, "ca").issue(tmp_path, "wall", cn="wall")
    loads(POLICY, tmp_path / "distwall.toml", {})
    known.pop("peers.0.limits")  # has a page of its own
    names = {"": "The whole file", "peers.0": "peers"}
    return {names.get(path, path).replace("some_name", "NAME"): keys for path, keys in known.items()}


def keys_of_the_page() -> dict[str, set[str]]:
    page = (TOP / "docs" / "settings.md").read_text()
    _, *sections = re.split(r"^## ", page, flags=re.MULTILINE)
    found = {}
    for section in sections:
        heading, _, text = section.partition("\n")
        cells = re.findall(r"^\| (`[^|]*) \|", text, re.MULTILINE)
        found[heading.strip("[]")] = {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}
    return found


def test_the_page_has_all_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keys_of_the_page() == keys_of_the_code(tmp_path, monkeypatch)
