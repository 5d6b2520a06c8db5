"""Where the attacks are run: a guarded node, a third node behind it, and a hostile node that takes any name.

One hostile node is enough for all policies: each policy is an entry of its own, and the node takes that entry's name
(``net_kernel:stop``, ``net_kernel:start``) instead of starting anew. A node that was killed is replaced.
"""

import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

from tests.support import raw_peer
from tests.support.epmd import epmd_port, epmd_registered
from tests.support.etf import Atom, Pid
from tests.support.node import ErlangError, Node
from tests.support.raw_peer import Connection
from tests.support.scene import GUARD, Scene
from tests.support.wall import CLUSTER_COOKIE, Peer

THIRD = "third@127.0.0.1"
COOKIE = "peer-cookie"
BYSTANDER = ["accept reg_send bystander", "accept monitor bystander"]


@dataclass(frozen=True)
class CorpusEntry:
    """Rules of one peer, more TOML for it, and the attack that it is for if it is for one only."""

    rules: tuple[str, ...]
    settings: str = ""
    attack: str = ""


class CorpusScene:
    """All nodes.

    ``entries`` are the policies, by the name (without host) of the peer that each is for; None: no distwall.
    """

    def __init__(self, entries: Mapping[str, CorpusEntry] | None) -> None:
        self._stack = ExitStack()
        self._seen = 0
        self._events: list[dict[str, Any]] = []
        self._name = ""
        peers = None
        if entries is not None:
            peers = [
                Peer([*entry.rules, *BYSTANDER], node=f"{name}@127.0.0.1", cookie=COOKIE, extra=entry.settings)
                for name, entry in entries.items()
            ]
            peers.append(Peer(["accept *"], node=THIRD, cookie=COOKIE))
        self.scene = self._stack.enter_context(Scene(peers))
        self._cookie = CLUSTER_COOKIE if self.scene.direct else COOKIE
        try:
            self.third = self.scene.peer(THIRD, cookie=self._cookie, flags=["-hidden"])
            self.third.eval("probe:collector(victim)")
            self.foe = self.scene.peer("foe", cookie=self._cookie, flags=["-hidden"])
            self.bar: Node = self._guard()
        except BaseException:
            self.close()
            raise

    def _guard(self) -> Node:
        bar = self.scene.guard(launched=True, flags=["-hidden"])
        bar.eval("probe:start_server(bystander), probe:collector(victim)")
        return bar

    # === the hostile node ===

    def become(self, name: str, *, dialled: bool = False) -> None:
        """The hostile node takes this name and has a connection to the guarded node, opened by either of them."""
        node = f"{name}@127.0.0.1"
        if self._name != name:
            self.foe.eval(f"net_kernel:stop(), {{ok, _}} = net_kernel:start(['{node}', longnames]), ok")
            self._name = name
        if dialled:
            self.foe.eval(f"erlang:disconnect_node('{GUARD}')")
            self.bar.wait_until(f"not lists:member('{node}', nodes(connected))")
            assert self.bar.eval(f"net_kernel:connect_node('{node}')") == "true"
        else:
            # The guarded node may still have the connection of a name that was taken before.
            self.foe.wait_until(f"net_kernel:connect_node('{GUARD}') =:= true")

    def do(self, code: str) -> str:
        """What the hostile node makes of ``code``; a failure is ``{Class,Reason}``, pids and references are ``<>``."""
        try:
            result = self.foe.eval(f"probe:caught(fun() -> {code} end)")
        except ErlangError as error:
            result = str(error)
        return re.sub(r"(#Ref)?<[0-9.]+>", "<>", result)

    # === raw frames ===

    @contextmanager
    def connection(self, name: str, *, dialled: bool = False) -> Iterator[Connection]:
        """A raw peer of this name, whose connection was opened by either side."""
        node = raw_peer.RawPeer(f"{name}@127.0.0.1", self._cookie.encode())
        if not dialled:
            port = epmd_port("bar", ("127.0.0.2", self.scene.epmd_port))
            assert port is not None
            with node.connect(("127.0.0.2", port)) as connection:
                yield connection
            return
        with node.listen() as listener, epmd_registered(name, listener.port, ("127.0.0.1", self.scene.epmd_port)):
            self.bar.wait_until(f"not lists:member('{node.name}', nodes(connected))")
            pending = self.bar.begin(f"net_kernel:connect_node('{node.name}')")
            with listener.accept() as connection:
                assert pending.result() == "true"
                yield connection

    def pid(self, connection: Connection, name: str) -> Pid:
        """The process of that name on the guarded node; init where there is none."""
        printed = self.bar.eval(f'case whereis({name}) of undefined -> "<0.0.0>"; P -> pid_to_list(P) end')
        number, serial = re.findall(r"\d+", printed)[1:3]
        return connection.their_pid(int(number), int(serial))

    def third_pid(self) -> Pid:
        """A process of the third node."""
        number, serial = re.findall(r"\d+", self.third.eval("pid_to_list(whereis(victim))"))[1:3]
        return Pid(Atom(THIRD), int(number), int(serial), self.third.number("erlang:system_info(creation)"))

    # === what came of it ===

    def events(self) -> Sequence[Mapping[str, Any]]:
        """What the log has so far."""
        with (self.scene.folder / "audit.jsonl").open("rb") as log:
            log.seek(self._seen)
            for line in log:
                if not line.endswith(b"\n"):
                    break
                self._seen += len(line)
                self._events.append(json.loads(line))
        return self._events

    def told(self, kind: str, peer: str, reason: str, *, behind: int, timeout: float = 30) -> bool:
        """Whether the log comes to tell of that, behind so many events."""
        end = time.monotonic() + timeout
        while True:
            for event in self.events()[behind:]:
                why = f"{event.get('reason', '')} {event.get('detail', '')}"
                if event["event"] == kind and event.get("peer") == f"{peer}@127.0.0.1" and reason in why:
                    return True
            if time.monotonic() > end:
                return False
            time.sleep(0.01)

    def reasons(self, behind: int) -> list[str]:
        """What the log tells of behind so many events, for a test that fails."""
        keys = ("event", "peer", "command", "reason", "detail")
        return [" ".join(str(event.get(key, "-")) for key in keys) for event in self.events()[behind:]]

    def alive(self) -> bool:
        """Whether the guarded node answers."""
        with suppress(OSError, RuntimeError, TimeoutError):
            return self.bar.eval("ok") == "ok"
        return False

    def revive(self) -> None:
        """Puts another node in the place of one that is dead."""
        if not self.alive():
            self.bar.kill()
            self.bar = self._guard()

    def close(self) -> None:
        """Ends everything."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
