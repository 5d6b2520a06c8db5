"""What the machine does to distwall while peers are connected: a full disk, an end without warning."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.attack_scene import OPEN, WITNESS, AttackScene
from tests.support.dist import Op, message
from tests.support.epmd import epmd_port
from tests.support.etf import Atom


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", tmp_path], check=False)
    if mounted.returncode != 0:
        pytest.skip("nothing can be mounted here")
    yield tmp_path
    subprocess.run(["umount", "-l", tmp_path], check=True)


def room(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_bsize


@pytest.mark.parametrize("on_full", ["deny", "continue"])
def test_when_the_logs_disk_is_full_channels_do_as_the_policy_says(small_disk: Path, on_full: str) -> None:
    """The log's disk fills up under live channels: they end, or go on, as the policy says; then there is room again."""
    ballast = small_disk / "ballast"
    settings = f'file = "{small_disk}/audit.jsonl"\non_full = "{on_full}"'
    with AttackScene({OPEN: ["accept *"], WITNESS: ["deny *"]}, audit=settings) as scene:
        scene.bar.eval("probe:start_server(target)")
        with scene.connect() as peer, scene.connect(WITNESS) as witness:
            ballast.write_bytes(bytes(room(small_disk)))
            with suppress(ConnectionError):
                for _ in range(400):
                    witness.send(message(Op.REG_SEND, witness.pid(), Atom(""), Atom("x" * 200), payload=1))
                    time.sleep(0.001)
            assert peer.is_closed(3) == (on_full == "deny")
            ballast.unlink()
            time.sleep(1.5)
        with scene.connect() as again:
            assert again.call("target", Atom("get")) == 0


def test_an_end_without_warning_ends_the_channels() -> None:
    """``kill -9`` in the middle of a message in fragments: both sides notice, and the next distwall serves them."""
    with AttackScene({OPEN: ["accept *"]}) as scene:
        scene.bar.eval("probe:start_server(target)")
        with scene.connect() as peer:
            big = message(Op.REG_SEND, peer.pid(), Atom(""), Atom("target"), payload=bytes(300_000))
            peer.send_raw(peer.sender.bytes(big)[:200_000])
            scene.scene.wall.kill()
            assert peer.is_closed(2)
        scene.bar.wait_until("nodes(hidden) =:= []", 5)
        scene.scene.wall.start()
        end = time.monotonic() + 10
        while epmd_port("bar", ("127.0.0.2", scene.scene.epmd_port)) is None and time.monotonic() < end:
            time.sleep(0.1)
        with scene.connect() as again:
            assert again.call("target", Atom("get")) == 0
