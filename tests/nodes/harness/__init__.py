"""Real Erlang nodes for tests, the demo and the benchmark.

>>> with Scene(["accept reg_send gate", "deny *"]) as scene:  # doctest: +SKIP
...     bar, foo = scene.guard(), scene.peer()
...     foo.eval("net_adm:ping('bar@127.0.0.2')")
'pong'
"""

from tests.nodes.harness.node import ErlangError, Node, Pending
from tests.nodes.harness.process import Child
from tests.nodes.harness.scene import GUARD, Scene
from tests.nodes.harness.wall import Peer, Wall

__all__ = ["GUARD", "Child", "ErlangError", "Node", "Peer", "Pending", "Scene", "Wall"]
