"""distwall inside a Python program."""

import asyncio
from pathlib import Path

import pytest

import distwall
from distwall.audit.event import Event
from tests.support import ports

TEXT = """
[guard]
nodes = ["bar@127.0.0.2"]
listen = "127.0.0.2"
epmd = "127.0.0.2:{epmd}"
register = "127.0.0.1:{register}"
cookie = "cluster-cookie"
[[peers]]
node = "foo@h"
cookie = "foo-cookie"
rules = ["deny *"]
"""


def test_it_runs_until_the_block_is_left(tmp_path: Path) -> None:
    file = tmp_path / "distwall.toml"
    seen: list[Event] = []

    async def main() -> None:
        policy = distwall.load(file)
        async with distwall.running(policy, on_event=seen.append) as firewall:
            assert isinstance(firewall, distwall.Firewall)
            assert firewall.add_filter("foo@h", "reg_send", "orders", "accept") == "deny"
            assert await asyncio.to_thread(firewall.test_filter, "foo@h", "reg_send", "orders") == "accept"
            with pytest.raises(distwall.StartError, match="is in use"):
                async with distwall.running(policy):
                    pass

    with ports.lease() as epmd, ports.lease() as register:
        file.write_text(TEXT.format(epmd=epmd, register=register))
        file.chmod(0o600)
        asyncio.run(main())
    assert [event["event"] for event in seen] == ["start", "setting", "stop"]


def test_what_the_package_does_not_have_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        distwall.Nothing  # noqa: B018
