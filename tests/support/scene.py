"""The scene of most node tests: peers on 127.0.0.1, a guarded node ``bar@127.0.0.2``, and distwall between them.

The peers' EPMD is a stock one at 127.0.0.1:P. distwall serves EPMD at 127.0.0.2:P, where the peers look for ``bar``,
and at 127.0.0.1:R, where ``bar`` registers. ``bar`` itself listens on 127.0.0.1 only. Each scene has ports of its own.

A *direct* scene is the control experiment: the same names and addresses, and no distwall (one stock EPMD at port P on
both addresses, one cookie). A test of distwall must find a difference there.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support import ports
from tests.support.node import Node
from tests.support.process import Child
from tests.support.wall import CLUSTER_COOKIE, Peer, Wall, launcher, policy_text

GUARD = "bar@127.0.0.2"


class Scene:
    """Nodes, EPMD and distwall; leaving the ``with`` block ends them all.

    ``peers`` is the policy: entries, the rules of the one entry for ``foo@127.0.0.1``, or the path of a policy file
    that has the ports 4369 and 4370. None: a direct scene. ``extra`` is further TOML of the policy. ``guards`` are the
    patterns of ``[guard] nodes``.
    """

    def __init__(
        self,
        peers: Sequence[Peer] | Sequence[str] | Path | None,
        *,
        extra: str = "",
        guards: Sequence[str] = (GUARD,),
        start: bool = True,
    ) -> None:
        self._stack = ExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="distwall-"))
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.epmd_port = self._stack.enter_context(ports.lease())
        self.register_port = self.epmd_port
        self._cookies: dict[str, str] = {}
        self._wall: Wall | None = None
        try:
            if peers is None:
                self._epmd("127.0.0.1,127.0.0.2")
                return
            self.register_port = self._stack.enter_context(ports.lease())
            self._epmd("127.0.0.1")
            if isinstance(peers, Path):
                text = peers.read_text().replace("4369", str(self.epmd_port)).replace("4370", str(self.register_port))
            else:
                rules = [rule for rule in peers if isinstance(rule, str)]
                entries = [Peer(rules)] if rules else [entry for entry in peers if isinstance(entry, Peer)]
                self._cookies = {entry.node: entry.cookie for entry in entries}
                text = policy_text(self.epmd_port, self.register_port, entries, guards=guards, extra=extra)
            self._wall = Wall(self.folder, text)
            self._stack.callback(self._wall.check_log)
            self._stack.callback(self._wall.kill)
            if start:
                self._wall.start()
        except BaseException:
            self._stack.close()
            raise

    @property
    def direct(self) -> bool:
        """True if there is no distwall."""
        return self._wall is None

    @property
    def wall(self) -> Wall:
        """The distwall of the scene."""
        assert self._wall is not None, "a direct scene has no distwall"
        return self._wall

    def _epmd(self, addresses: str) -> None:
        epmd = Child(
            ["epmd", "-address", addresses, "-port", str(self.epmd_port)],
            self.folder / "epmd.log",
            env={"PATH": os.environ["PATH"]},
            cwd=self.folder,
        )
        self._stack.enter_context(epmd)

    def peer(
        self,
        name: str = "foo@127.0.0.1",
        *,
        cookie: str | None = None,
        flags: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        otp: Path | None = None,
    ) -> Node:
        """Starts a peer, with the cookie that the policy has for exactly its name unless given."""
        cookie = cookie or self._cookies.get(name, CLUSTER_COOKIE)
        otp = otp or release("DISTWALL_PEER_OTP")
        node = Node(name, cookie=cookie, folder=self.folder, epmd_port=self.epmd_port, flags=flags, env=env, otp=otp)
        return self._stack.enter_context(node)

    def guard(
        self,
        name: str = GUARD,
        *,
        flags: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        otp: Path | None = None,
        launched: bool = False,
    ) -> Node:
        """Starts a guarded node. ``launched``: by ``distwall exec``, so that it can dial peers."""
        launched = launched and not self.direct
        interface = [] if self.direct or launched else ["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]
        otp = otp or release("DISTWALL_GUARD_OTP")
        node = Node(
            name,
            cookie=CLUSTER_COOKIE,
            folder=self.folder,
            epmd_port=self.register_port,
            flags=[*interface, *flags],
            env=env,
            otp=otp,
            launcher=launcher(self.wall.config) if launched else (),
        )
        return self._stack.enter_context(node)

    def close(self) -> None:
        """Ends everything."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def release(variable: str) -> Path | None:
    """The chroot of another OTP release, if the environment names one."""
    root = os.environ.get(variable)
    return Path(root) if root else None
