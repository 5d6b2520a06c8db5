"""A guarded node behind distwall and raw peers with valid cookies, for attacks; and the same node without distwall."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.nodes.harness import GUARD, Node, Peer, Scene
from tests.nodes.harness.wall import CLUSTER_COOKIE
from tests.wire import hostile
from tests.wire.dist import OTP_25, Flag
from tests.wire.hostile import Connection, epmd_port, epmd_registered

HIDDEN = int(OTP_25 & ~Flag.PUBLISHED)
COOKIE = "peer-cookie"

OPEN, WITNESS = "open@127.0.0.1", "witness@127.0.0.1"
"""May do anything; the second one to see that the first one's end is nobody else's."""

SERVER = ["deny *", "accept reg_send target", "accept monitor target"]
"""One gen_server is open to calls: the narrowest useful policy."""


class Ground:
    """One scene with its guarded node.

    ``entries`` are rules by peer; None: no distwall. ``extra`` is TOML for each entry, ``audit`` what stands in
    ``[audit]`` instead of the file's name; ``otp``
    as for a node. ``opened_by`` says who opens the connections of the peers: ``peer`` or ``guard``.
    """

    def __init__(
        self,
        entries: Mapping[str, Sequence[str]] | None,
        *,
        extra: str = "",
        audit: str = "",
        otp: Path | None = None,
        opened_by: str = "peer",
    ) -> None:
        self._lures = opened_by == "guard"
        peers = None if entries is None else [Peer(rules, node=name, extra=extra) for name, rules in entries.items()]
        self.scene = Scene(peers, start=not audit)
        if audit:
            config = self.scene.wall.config
            config.write_text(config.read_text().replace('file = "audit.jsonl"', audit))
            self.scene.wall.start()
        try:
            self.bar: Node = self.scene.guard(otp=otp, launched=self._lures)
        except BaseException:
            self.scene.close()
            raise

    @property
    def address(self) -> tuple[str, int]:
        """Where peers reach the guarded node."""
        port = epmd_port("bar", ("127.0.0.2", self.scene.epmd_port))
        assert port is not None
        return "127.0.0.2", port

    def connect(self, name: str = OPEN, *, flags: int = HIDDEN, release: int = 25) -> Connection:
        """A raw peer that has proved its cookie."""
        cookie = CLUSTER_COOKIE if self.scene.direct else COOKIE
        node = hostile.Node(name, cookie.encode(), flags, release=release)
        return self._dialled(node) if self._lures else node.connect(self.address)

    def _dialled(self, node: hostile.Node) -> Connection:
        """Has the guarded node dial ``node``."""
        self.bar.wait_until(f"not lists:member('{node.name}', nodes(connected))")
        alive = node.name.partition("@")[0]
        with node.listen() as listener, epmd_registered(alive, listener.port, ("127.0.0.1", self.scene.epmd_port)):
            pending = self.bar.begin(f"net_kernel:connect_node('{node.name}')")
            connection = listener.accept()
            assert pending.result() == "true"
        return connection

    def alive(self) -> bool:
        """Whether the guarded node still runs and answers."""
        with suppress(OSError, RuntimeError, TimeoutError):
            return self.bar.eval(f"node() =:= '{GUARD}'") == "true"
        return False

    def reasons(self) -> list[str]:
        """Why distwall closed channels, and refused commands and handshakes, so far."""
        kinds = ("disconnect", "refused", "handshake_refused")
        events = [event for kind in kinds for event in self.scene.wall.events(kind)]
        return [f"{event['reason']} {event.get('detail', '')}" for event in events]

    def told(self, reason: str, timeout: float = 3) -> bool:
        """Whether the log comes to tell of something closed or refused for that reason."""
        end = time.monotonic() + timeout
        while not any(reason in told for told in self.reasons()):
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return True

    def close(self) -> None:
        """Ends everything."""
        self.scene.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
