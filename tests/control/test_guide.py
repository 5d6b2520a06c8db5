"""The proposal's guide, line by line as docs/erlang.md has it, from Python, over HTTP and from the command line.

That from an Erlang shell is in tests/nodes/test_control_node.py; all read the same page.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from distwall._core import COMMANDS
from distwall.control import Firewall
from distwall.http_api.client import CallError, Client
from tests.support.command_line import ENV, Commands, running_distwall, write_policy
from tests.support.firewall_scene import FirewallScene
from tests.support.policies import peer
from tests.support.policies import policy as made

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "erlang.md").read_text()
BLOCKS = re.findall(r"^```erl\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
SESSION = re.compile(r"^\d+> distwall:(\w+)\((.*)\)\.\n(.*)$", re.MULTILINE)
TERM = re.compile(r"\{(.*?)\}|'(.*?)'|(\w+)")
NODE = "foo@127.0.0.1"

Term = str | tuple[str | int, ...] | None
Call = Callable[[str, list[Term]], str | None]
"""Calls a function of the runtime API; returns what it gives, `None` for ``undefined``."""


def term(match: re.Match[str]) -> Term:
    """An argument as the page has it: an atom or ``{Module, Function, Arity}``."""
    if match[1] is not None:
        return tuple(int(part) if part.isdigit() else part for part in match[1].split(", "))
    text = match[2] or match[3]
    return None if text == "undefined" else text


GUIDE = [
    (name, [term(match) for match in TERM.finditer(arguments)], None if answer == "undefined" else answer)
    for block in BLOCKS
    for name, arguments, answer in SESSION.findall(block)
]

ARGUMENTS = {
    "set_filter": ("node", "command", "verdict"),
    "add_filter": ("node", "command", "key", "verdict"),
    "del_filter": ("node", "command", "key"),
    "test_filter": ("node", "command", "key"),
    "set_default_filter": ("command", "key", "verdict"),
    "set_handler": ("node", "command", "module"),
    "filter": ("node", "module"),
}


def follow(call: Call) -> None:
    """Each line gives what the page says."""
    assert {name for name, *_ in GUIDE} == set(ARGUMENTS)
    assert len(GUIDE) > 30
    answers = [(name, arguments, call(name, arguments)) for name, arguments, _ in GUIDE]
    assert answers == GUIDE


def test_the_guide_holds_from_python(tmp_path: Path) -> None:
    firewall: Firewall = FirewallScene(tmp_path, made(peer(NODE, rules='["accept *"]'))).firewall
    follow(lambda name, arguments: getattr(firewall, name)(*arguments))
    statistics = firewall.statistics()
    assert list(statistics["inbound"]) == list(COMMANDS)
    assert statistics["inbound"]["link"] == {"accept": 0, "deny": 0, "drop": 0}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The policy of a distwall that runs."""
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DISTWALL_URL", raising=False)
    path = write_policy(tmp_path, more='rules = ["accept *"]')
    with running_distwall(path):
        yield path


def test_the_guide_holds_over_http(config: Path) -> None:
    client = Client(config.with_name("distwall.sock"))

    def call(name: str, arguments: list[Term]) -> str | None:
        given: dict[str, Any] = dict(zip(ARGUMENTS[name], arguments, strict=True))
        result = client.call(name, **given)
        (value,) = result.values()
        return value  # type: ignore[no-any-return]

    follow(call)
    assert list(client.statistics(NODE)["inbound"]) == list(COMMANDS)
    with pytest.raises(CallError, match="did you mean `link`"):
        client.call("set_filter", node=NODE, command="lnik", verdict="deny")


def test_the_guide_holds_from_the_command_line(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    distwall = Commands(config, capsys)

    def call(name: str, arguments: list[Term]) -> str | None:
        words = [f"{each[0]}:{each[1]}/{each[2]}" if isinstance(each, tuple) else each for each in arguments]
        told = distwall(name.replace("_", "-"), *(word or "undefined" for word in words))
        assert (told.code, told.error) == (0, "")
        answer = told.out.strip().rpartition("before: ")[2]
        return None if answer == "undefined" else answer

    follow(call)
    told = distwall("stats", NODE)
    assert [line.split()[0] for line in told.out.splitlines()[-14:]] == list(COMMANDS)
