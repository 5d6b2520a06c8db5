"""From the part of a name before @, and an address, to the full name."""

import asyncio
from pathlib import Path

import pytest

from distwall.handshake import Denied
from distwall.policy import Policy, loads
from distwall.redirect.asked_node import may_name, name_at

B4, B6 = "10.231.7.2", "fd77::2"


class Names:
    """A name service: names and addresses, and what it calls addresses."""

    def __init__(self, addresses: dict[str, set[str]] | None = None, names: dict[str, set[str]] | None = None) -> None:
        self._addresses, self._names = addresses or {}, names or {}
        self.asked: list[str] = []

    async def addresses(self, host: str) -> frozenset[str]:
        self.asked.append(host)
        return frozenset(self._addresses.get(host, ()))

    async def names(self, address: str) -> frozenset[str]:
        self.asked.append(address)
        return frozenset(self._names.get(address, ()))


def policy(*entries: str, guards: str = "bar@10.231.7.1") -> Policy:
    peers = "".join(f'[[peers]]\nnode = "{e.split()[0]}"\ncookie = "c"\n{e.partition(" ")[2]}\n' for e in entries)
    text = f"""[guard]
nodes = [{", ".join(f'"{guard}"' for guard in guards.split())}]
listen = "10.231.7.1"
epmd = "10.231.7.1:4369"
register = "127.0.0.1:4370"
cookie = "cluster"
{peers}"""
    return loads(text, Path("distwall.toml"))


def ask(policy: Policy, alive: str, address: str, names: Names | None = None) -> str | tuple[str, str]:
    found = asyncio.run(name_at(policy, names or Names(), alive, address))  # type: ignore[arg-type]
    return (found.reason, found.detail) if isinstance(found, Denied) else found


def reason(policy: Policy, alive: str, address: str, names: Names | None = None) -> str:
    found = ask(policy, alive, address, names)
    assert isinstance(found, tuple), found
    return found[0]


def test_an_entry_with_the_address_is_found_without_a_look_up() -> None:
    names = Names()
    assert ask(policy("foo@10.231.7.2"), "foo", B4, names) == "foo@10.231.7.2"
    assert reason(policy("foo@10.231.7.2"), "foo", "10.231.7.3") == "unknown_node"
    assert reason(policy("foo@10.231.7.2"), "fo", B4) == "unknown_node"
    assert names.asked == []  # nothing to look up


def test_an_ipv6_address_is_known_however_it_is_written() -> None:
    assert ask(policy("foo@fd77::2"), "foo", B6) == "foo@fd77::2"
    assert ask(policy("foo@fd77:0:0::2"), "foo", B6) == "foo@fd77:0:0::2"
    assert ask(policy("foo@fe80::2"), "foo", "fe80::2%3") == "foo@fe80::2"


def test_an_entry_with_a_host_name_is_found_by_its_addresses() -> None:
    names = Names({"b.test": {B4, B6}})
    assert ask(policy("foo@b.test"), "foo", B4, names) == "foo@b.test"
    assert ask(policy("foo@b.test"), "foo", B6, names) == "foo@b.test"
    assert ask(policy("*@b.test"), "foo", B4, names) == "foo@b.test"
    assert reason(policy("foo@b.test"), "foo", "10.231.7.9", names) == "unknown_node"
    assert reason(policy("foo@other.test"), "foo", B4, names) == "unknown_node"


def test_a_glob_is_for_what_the_name_service_calls_the_address_only_if_that_stands_for_it() -> None:
    names = Names({"b.test": {B4}}, {B4: {"b.test", "b"}})
    assert ask(policy("foo@*.test"), "foo", B4, names) == "foo@b.test"
    lying = Names({"b.test": {"10.0.0.9"}}, {B4: {"b.test", "b"}})
    assert reason(policy("foo@*.test"), "foo", B4, lying) == "unknown_node"
    assert ask(policy("foo@*"), "foo", B4, lying) == "foo@10.231.7.2"


def test_short_names_are_for_guarded_nodes_with_short_names() -> None:
    names = Names({"b.test": {B4}, "b": {B4}}, {B4: {"b.test", "b"}})
    assert ask(policy("foo@*", guards="bar@a"), "foo", B4, names) == "foo@b"
    assert reason(policy("foo@b"), "foo", B4, names) == "unknown_node"
    assert ask(policy("foo@b", guards="bar@*"), "foo", B4, names) == "foo@b"


def test_several_names_are_ambiguous_unless_one_entry_is_exact() -> None:
    names = Names({"b.test": {B4}, "b2.test": {B4}}, {B4: {"b.test", "b"}})
    found = ask(policy("foo@*"), "foo", B4, names)
    assert found == (
        "ambiguous",
        "could be foo@10.231.7.2 or foo@b.test; name the right one in a [[peers]] entry",
    )
    assert reason(policy("foo@b.test", "foo@b2.test"), "foo", B4, names) == "ambiguous"
    # The most exact entry knows best.
    assert ask(policy("foo@*", "foo@b2.test"), "foo", B4, names) == "foo@b2.test"
    assert ask(policy("*", "foo@10.*"), "foo", B4, names) == "foo@10.231.7.2"


def test_the_entry_has_to_admit_the_address() -> None:
    only_other = 'foo@* from = ["10.9.0.0/16"]'
    assert reason(policy(only_other), "foo", B4) == "source"
    assert ask(policy('foo@* from = ["10.231.0.0/16"]'), "foo", B4) == "foo@10.231.7.2"
    # A name that its entry keeps from there does not make another one ambiguous.
    names = Names({"b.test": {B4}}, {B4: {"b.test"}})
    assert ask(policy('foo@b.test from = ["10.9.0.0/16"]', "foo@10.*"), "foo", B4, names) == "foo@10.231.7.2"


def test_entries_may_differ_by_guarded_node() -> None:
    entries = (
        'foo@10.231.7.2 guards = ["bar@10.231.7.1"]\nfrom = ["10.9.0.0/16"]',
        'foo@10.231.7.2 guards = ["baz@10.231.7.1"]\nfrom = ["10.231.0.0/16"]',
    )
    assert ask(policy(*entries, guards="bar@10.231.7.1 baz@10.231.7.1"), "foo", B4) == "foo@10.231.7.2"
    assert reason(policy(*entries, guards="bar@10.231.7.1"), "foo", B4) == "source"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("foo@10.231.7.2", True),
        ("foo@10.231.7.3", False),
        ("foo@b.test", True),
        ("foo@*.test", True),
        ("foo@*.org", False),
        ("foo@10.*", True),
        ("*", True),
        ('* from = ["10.9.0.0/16"]', False),
    ],
)
def test_names_are_listed_of_hosts_with_an_entry(entry: str, expected: bool) -> None:
    names = Names({"b.test": {B4}}, {B4: {"b.test"}})
    assert asyncio.run(may_name(policy(entry), names, B4)) is expected  # type: ignore[arg-type]
