"""Many channels of one entry, and the round trips of another entry's peer meanwhile."""

import os
import select
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from statistics import median

from tests.attacks.worst_inputs import listed, numbered, pair
from tests.support.attack_scene import SERVER, WITNESS, AttackScene
from tests.support.dist import EMPTY, Op, frame, message
from tests.support.etf import Atom, alias, encode
from tests.support.raw_peer import Connection

CROWD = "crowd*@127.0.0.1"
COSTLY = ["deny *", *(f"accept reg_send x when {text}" for text in numbered("{[1, 1, 1, 1, X|_], [1, 1, X|#]}"))]
CHANNELS = 60


def round_trip(peer: Connection) -> float:
    """Seconds of one call to the server."""
    asked = (Atom("$gen_call"), (peer.pid(), alias(peer.ref())), Atom("get"))
    begun = time.perf_counter()
    peer.send(message(Op.REG_SEND, peer.pid(), EMPTY, Atom("target"), payload=asked))
    assert peer.sock.recv(1 << 16)
    return time.perf_counter() - begun


@contextmanager
def flooded(sockets: Sequence[socket.socket], data: bytes, seconds: float) -> Iterator[None]:
    """Has another process write as much as goes into all sockets, for so long at most."""
    child = os.fork()
    if not child:
        with suppress(BaseException):
            _flood(sockets, data, time.monotonic() + seconds)
        os._exit(0)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _flood(sockets: Sequence[socket.socket], data: bytes, end: float) -> None:
    written = dict.fromkeys(sockets, 0)
    for each in sockets:
        each.setblocking(False)
    while time.monotonic() < end:
        _, ready, _ = select.select([], sockets, [], 1)
        for each in ready:
            with suppress(BlockingIOError):
                rest = memoryview(data)[written[each] % len(data) :]
                written[each] += each.send(rest)


def test_the_channels_of_one_entry_have_one_turn_together() -> None:
    """Each of sixty channels sends what takes a slice or more. A call of another peer does not wait for them all."""
    with AttackScene({CROWD: COSTLY, WITNESS: SERVER}) as scene, ExitStack() as stack:
        scene.bar.eval("probe:start_server(target)")
        witness = stack.enter_context(scene.connect(WITNESS))
        witness.sock.settimeout(60)
        peers = [stack.enter_context(scene.connect(f"crowd{number}@127.0.0.1")) for number in range(CHANNELS)]
        costly = pair(listed(b"a\1", 20), listed(b"a\1", 20))
        # Of the others it is refused as well: they may not send in that name. That is known behind the scan.
        one = frame(b"\x83D\0" + encode((6, peers[0].pid(), EMPTY, Atom("x"))) + costly)
        with flooded([peer.sock for peer in peers], one * 5000, seconds=20):
            time.sleep(1)
            found = [round_trip(witness) for _ in range(15)]
        # Some ten milliseconds. Without turns it was a second, with fewer channels.
        assert median(found) < 0.25, found
        assert scene.alive()
