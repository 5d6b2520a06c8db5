"""Transparent mode with TLS, towards peers and towards guarded nodes."""

import os
import tempfile
from pathlib import Path

from tests.redirect.steps import COOKIE, LOOPBACK, attack, ping
from tests.support.hosts import A4, B4, HostPair
from tests.support.redirect_scene import GID, UID, RedirectScene
from tests.support.tls import Pki
from tests.support.wall import Peer

BAR, BAZ, FOO, PLAIN = f"bar@{A4}", f"baz@{A4}", f"foo@{B4}", f"plain@{B4}"


def test_tls_outside_and_inside_work_together(pair: HostPair) -> None:
    with tempfile.TemporaryDirectory(prefix="distwall-pki-") as folder:
        Path(folder).chmod(0o755)
        pki = Pki(Path(folder))
        wall, inside = pki.host("wall", A4), pki.host("inside", A4, B4)
        foo_flags = pki.flags(pki.host("foo", B4))
        guard = pki.host("guard", A4)
        os.chown(guard.key, UID, GID)
        guard_flags = [*LOOPBACK, *pki.flags(guard)]
        for file in Path(folder).glob("*.conf"):
            file.chmod(0o644)
        tables = wall.toml() + inside.toml("guard.tls.inside")
        entries = [Peer(["accept ping"], FOO, COOKIE), Peer(["accept ping"], PLAIN, COOKIE)]
        with RedirectScene(pair, entries, guards=[BAR, BAZ], tables=tables) as scene:
            scene.redirect()
            bar, foo = scene.guard(BAR, flags=guard_flags), scene.peer(FOO, COOKIE, flags=foo_flags)
            assert ping(bar, FOO) == "pong"
            assert scene.wall.wait_event("connect", peer=FOO, guard=BAR, opened_by="guard")["certificate"]
            assert "not_allowed" in attack(foo, BAR)

            # Where TLS is demanded, a peer without it is not spoken to.
            scene.peer(PLAIN, COOKIE)
            assert ping(bar, PLAIN) == "pang"
            scene.wall.wait_event("handshake_refused", peer=PLAIN, opened_by="guard")

            # Mates speak TLS with each other, not with distwall.
            baz = scene.guard(BAZ, flags=guard_flags)
            assert ping(bar, BAZ) == "pong"
            assert attack(baz, BAR) == f"'{BAR}'"
        pki.close()
