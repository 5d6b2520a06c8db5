"""Sends a real node what the channel lets through of damaged traffic: it may hang up, it must not die.

    python -m tests.wire.against_vm [--chroot DIR] [--seconds N] [--seed N]

No test, because it takes time and finds something only after a change: run it when the core's hygiene rules or the OTP
releases in use change. What killed the node is left in ``against_vm.crash``, as the frames of one connection.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import time
from pathlib import Path

from distwall import _core
from distwall._core import DistFlag
from tests.support import core_channel
from tests.support.dist import EMPTY, NO_CACHE, OTP_29, PASS_THROUGH, Message, Op, Style, message
from tests.support.etf import Atom, Term
from tests.support.raw_peer import Connection, HandshakeFailed, RawPeer
from tests.wire.record import COOKIE, PORT, Otp, wait_for_listener

HOST = "127.0.0.2"
SERVER = "register(server, spawn(fun Loop() -> receive X -> (catch erlang:phash2(X)), Loop() end end))"
FLAGS = (OTP_29, OTP_29, NO_CACHE | DistFlag.NATIVE_RECORDS, PASS_THROUGH)
RULES = (
    ("accept *",),
    (
        *("accept reg_send", "accept send", "accept alias_send", "accept link", "accept monitor", "accept exit2"),
        *("accept spawn_request", "accept group_leader", "accept otp_internal", "deny *"),
    ),
)
STYLES: tuple[Style, ...] = ("otp", "new", "inline")


class VmTrial:
    def __init__(self, otp: Otp, seed: int) -> None:
        self.otp = otp
        self.random = random.Random(seed)
        self.frames = self.forwarded = self.hung_up = 0
        self.process = self.start()
        with self.connect(OTP_29) as connection:
            core_channel.GUARD_CREATION = connection.peer_creation
            core_channel.CoreChannel.guard = core_channel.End(Atom(core_channel.GUARD), connection.peer_creation)
        # These make their pids when they are loaded, so only now.
        from tests.wire import good_controls, term_table

        self.messages = [sent for sent, _ in good_controls.GOOD.values()]
        tables = (term_table.GOOD, term_table.BAD, term_table.ODD, {"record": term_table.RECORD})
        slow = ("deep", "nested", "many keys")
        self.terms: list[Term] = [
            term for table in tables for name, term in table.items() if not any(word in name for word in slow)
        ]

    def start(self) -> subprocess.Popen[bytes]:
        process = self.otp.start(core_channel.GUARD, HOST, f"logger:set_primary_config(level, none), {SERVER}.")
        wait_for_listener(HOST)
        return process

    def connect(self, flags: int) -> Connection:
        node = RawPeer(core_channel.PEER, COOKIE.encode(), flags & ~DistFlag.PUBLISHED, core_channel.PEER_CREATION)
        for _ in range(100):
            try:
                return node.connect((HOST, PORT))
            except (HandshakeFailed, OSError):
                time.sleep(0.1)  # the node has not yet noticed the end of the connection before
        raise TimeoutError("the node takes no connection")

    def choose(self) -> Message:
        if self.random.random() < 0.4:
            return self.random.choice(self.messages)
        payload = self.random.choices(self.terms, k=self.random.randrange(1, 4))
        return message(Op.REG_SEND, core_channel.CoreChannel.peer.pid(), EMPTY, Atom("server"), payload=payload)

    def damage(self, frame: bytes) -> bytes:
        damaged = bytearray(frame)
        for _ in range(self.random.choice((0, 0, 1, 2))):
            other = damaged[self.random.randrange(len(damaged))]
            damaged[self.random.randrange(4, len(damaged))] = self.random.choice(
                (0, 1, 255, self.random.randrange(256), other)
            )
        return bytes(damaged)

    def one_connection(self) -> bool:
        """Whether the node lives."""
        sent: list[bytes] = []
        with self.connect(self.random.choice(FLAGS)) as connection:
            channel = core_channel.CoreChannel(
                *self.random.choice(RULES), flags=connection.flags, third_nodes=["*"], funs=True
            ).core
            try:
                for _ in range(self.random.randrange(1, 40)):
                    if not self.one_message(connection, channel, sent):
                        break
                connection.sock.settimeout(0.005)
                connection.sock.recv(1 << 16)
            except TimeoutError:
                pass
            except OSError:
                self.hung_up += 1
        if self.process.poll() is None:
            return True
        Path("against_vm.crash").write_bytes(b"".join(sent))
        return False

    def one_message(self, connection: Connection, channel: _core.Channel, sent: list[bytes]) -> bool:
        """Whether the channel is still open."""
        fragment = self.random.choice((10, 30, 60, 80, 300, 1 << 20))
        for frame in connection.sender.frames(self.choose(), fragment=fragment, style=self.random.choice(STYLES)):
            self.frames += 1
            forward, _, _, closed = channel.receive(True, self.damage(frame), 0.0)
            if data := b"".join(forward):
                self.forwarded += 1
                sent.append(data)
                connection.send_raw(data)
            if closed:
                return False
        return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--chroot", type=Path, help="where the node runs, with another OTP release")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    trial = VmTrial(Otp(options.chroot), options.seed)
    end = time.monotonic() + options.seconds
    try:
        lives = True
        while lives and time.monotonic() < end:
            lives = trial.one_connection()
    finally:
        trial.process.kill()
        trial.process.wait()
    sys.stdout.write(
        f"OTP {trial.otp.release}: {trial.frames} frames, {trial.forwarded} let through, "
        f"{trial.hung_up} connections closed by the node, {'it lives' if lives else 'IT DIED'}\n"
    )
    sys.exit(not lives)


if __name__ == "__main__":
    main()
