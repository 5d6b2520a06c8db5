"""The policy is changed ten thousand times while two peers send as fast as they can."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.in_process_wall import InProcessWall, wall_in_process
from tests.support.node import Node
from tests.support.process import Child
from tests.support.scene import GUARD
from tests.support.wall import CLUSTER_COOKIE, Peer

CHANGES = 10_000
OPERATORS = 50
PEERS = ["foo@127.0.0.1", "baz@127.0.0.1"]

# Each of them lets through to `target` and keeps `secret` shut, in its own way; any mixture of two does not.
POLICIES = [
    ["deny *", "accept reg_send target", "accept monitor target"],
    ["accept *", "deny reg_send secret*", "drop reg_send other"],
    ["accept reg_send", "drop reg_send sec*", "deny monitor"],
]


@pytest.fixture
def wall(tmp_path: Path) -> Iterator[InProcessWall]:
    with wall_in_process(tmp_path, [Peer([], node=node) for node in PEERS]) as wall:
        yield wall


@pytest.mark.slow
def test_nothing_is_lost_doubled_or_judged_by_half_a_policy(wall: InProcessWall, tmp_path: Path) -> None:
    epmd, register = wall.peers_epmd[1], wall.register_epmd[1]
    with ExitStack() as stack:
        stock = ["epmd", "-address", "127.0.0.1", "-port", str(epmd)]
        stack.enter_context(Child(stock, tmp_path / "epmd.log", env={"PATH": "/usr/bin:/bin"}, cwd=tmp_path))
        inside = ["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]
        bar = stack.enter_context(Node(GUARD, cookie=CLUSTER_COOKIE, folder=tmp_path, epmd_port=register, flags=inside))
        bar.eval("probe:counter(target), probe:collector(secret)")
        firewall = wall.firewall
        firewall.set_table("shared", POLICIES[0])
        senders = []
        for name in PEERS:
            firewall.attach(name, "shared")
            senders.append(stack.enter_context(Node(name, cookie="peer-cookie", folder=tmp_path, epmd_port=epmd)))
        for sender in senders:
            sender.eval(f"probe:number('{GUARD}', target, secret)")
        verdicts = set()

        def change(first: int) -> None:
            for number in range(first, CHANGES, OPERATORS):
                firewall.set_table("shared", POLICIES[number % len(POLICIES)])
            verdicts.add(firewall.test_filter(PEERS[0], "reg_send", "target"))

        # Each call waits for its turn in the loop that moves the messages.
        operators = [threading.Thread(target=change, args=(first,)) for first in range(OPERATORS)]
        for operator in operators:
            operator.start()
        for operator in operators:
            operator.join()
        sent = {name: sender.number("probe:stop_numbering()") for name, sender in zip(PEERS, senders, strict=True)}
        expected = ",".join(f"{{'{name}',{count}}}" for name, count in sorted(sent.items()))
        bar.wait_until(f"probe:counted(target) =:= {{[{expected}], []}}", 60)
        assert bar.eval("probe:got(secret)") == "[]"
    assert verdicts == {"accept"}
    assert min(sent.values()) > 1000, "they sent all the while"
