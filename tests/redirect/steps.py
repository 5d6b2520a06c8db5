"""What nodes on the two hosts do to each other."""

from tests.support.node import ErlangError, Node

COOKIE = "foo-cookie"
LOOPBACK = ["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]
ATTACK = "erpc:call('{}', erlang, node, [], 5000)"


def ping(node: Node, other: str) -> str:
    return node.eval(f"net_adm:ping('{other}')", timeout=30)


def attack(node: Node, guard: str) -> str:
    """What ``node`` gets when it tries to run code on the guarded node."""
    try:
        return node.eval(ATTACK.format(guard))
    except ErlangError as error:
        return str(error)


def part(node: Node, other: str) -> None:
    node.eval(f"erlang:disconnect_node('{other}')")
    node.wait_until(f"not lists:member('{other}', nodes(connected))")
