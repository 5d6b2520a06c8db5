"""Records what two real nodes say to each other: one folder of ``tests/recordings`` for each scene of ``scenes.erl``.

    python -m tests.wire.record [--chroot DIR] [--peer-chroot DIR] [--clear FLAGS] [--prefix NAME] [SCENE...]

The dialling node is ``x@127.0.0.5``; ``y@127.0.0.6`` really listens on 127.0.0.7, and the relay stands where it
should. No EPMD takes part: both nodes are told one fixed port for all nodes. The relay passes the handshake on (without
the flags that ``--clear`` names) and writes down all that follows: nothing but test data. Other releases of OTP run in
the chroots that ``scripts/otp-chroot`` makes. The scene ``erl_call`` is a C node.
"""

from __future__ import annotations

import argparse
import os
import selectors
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.dist import Receiver
from tests.wire.captures import RECORDINGS, Capture, Speaker

SCENES = Path(__file__).resolve().parent / "scenes.erl"
COOKIE = "recorded"
DIALLER, ACCEPTOR = "x@127.0.0.5", "y@127.0.0.6"
LISTENS = "127.0.0.7"
PORT = 47123


@dataclass
class Otp:
    """An installation of Erlang: the host's, or the one in a chroot."""

    root: Path | None
    folder: Path = field(init=False)
    """Where the compiled scenes are, as seen from inside."""
    release: str = field(init=False)

    def __post_init__(self) -> None:
        outside = Path(tempfile.mkdtemp(dir=self.root / "tmp" if self.root else None))
        self.folder = Path("/") / outside.relative_to(self.root) if self.root else outside
        shutil.copy(SCENES, outside)
        subprocess.run([*self.enter(), "erlc", "-o", self.folder, self.folder / SCENES.name], check=True)
        self.release = self.evaluate('io:format("~s", [erlang:system_info(otp_release)])')

    def enter(self) -> list[str | Path]:
        return ["chroot", self.root, "env", "HOME=/root"] if self.root else []

    def evaluate(self, code: str) -> str:
        command = [*self.enter(), "erl", "-noinput", "-boot", "start_clean", "-pa", self.folder]
        return subprocess.run(
            [*command, "-eval", f"{code}, halt()."], check=True, capture_output=True, text=True
        ).stdout.strip()

    def erl_call(self) -> subprocess.Popen[bytes]:
        """A C node that calls the acceptor."""
        call = 'lists reverse [[1,2,300,-5,100000000000,{a,"text",[x,y]},1.5]]'
        command = ["erl_call", "-address", f"127.0.0.6:{PORT}", "-h", "c1", "-c", COOKIE, "-a", call]
        return subprocess.Popen([*self.enter(), *command], stdin=subprocess.DEVNULL)

    def start(self, name: str, interface: str, code: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [
                *(*self.enter(), "erl", "-noinput", "-name", name, "-setcookie", COOKIE, "-pa", self.folder),
                *("-start_epmd", "false", "-erl_epmd_port", str(PORT), "-eval", code),
                *("-kernel", "inet_dist_use_interface", "{" + interface.replace(".", ",") + "}"),
                *("-kernel", "prevent_overlapping_partitions", "false"),
            ],
            env={**os.environ, "ERL_CRASH_DUMP_SECONDS": "0"},
            stdin=subprocess.DEVNULL,
        )


def wait_for_listener(host: str) -> None:
    for _ in range(400):
        try:
            socket.create_connection((host, PORT)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"no node listens at {host}")


@dataclass
class Relay:
    """One connection through the recorder."""

    clear: int
    chunks: list[tuple[int, bytes]] = field(default_factory=list)
    greetings: list[tuple[str, int, int]] = field(default_factory=list)
    """Name, creation and flags, of the dialler and of the acceptor."""

    def run(self, server: socket.socket, until: subprocess.Popen[bytes]) -> None:
        """Relays the first connection, until either side closes or the process ends."""
        server.settimeout(30)
        dialler, _ = server.accept()
        acceptor = socket.create_connection((LISTENS, PORT))
        sides = (dialler, acceptor)
        self._handshake(sides)
        with selectors.DefaultSelector() as selector:
            for who, sock in enumerate(sides):
                selector.register(sock, selectors.EVENT_READ, who)
            while until.poll() is None:
                for key, _ in selector.select(0.2):
                    data = sides[key.data].recv(65536)
                    if not data:
                        return
                    self.chunks.append((key.data, data))
                    sides[1 - key.data].sendall(data)

    def _handshake(self, sides: tuple[socket.socket, socket.socket]) -> None:
        """name, status, challenge, reply, ack."""
        for who in (0, 1, 1, 0, 1):
            body = self._read(sides[who])
            if body[:1] == b"N":
                (flags,) = struct.unpack(">Q", body[1:9])
                start = 9 if who == 0 else 13
                creation, length = struct.unpack(">IH", body[start : start + 6])
                self.greetings.append((body[start + 6 : start + 6 + length].decode(), creation, flags))
                body = body[:1] + struct.pack(">Q", flags & ~self.clear) + body[9:]
            sides[1 - who].sendall(struct.pack(">H", len(body)) + body)

    @staticmethod
    def _read(sock: socket.socket) -> bytes:
        def exactly(count: int) -> bytes:
            data = b""
            while len(data) < count:
                part = sock.recv(count - len(data))
                if not part:
                    raise ConnectionResetError("closed during the handshake")
                data += part
            return data

        return exactly(int.from_bytes(exactly(2), "big"))


def record(scene: str, prefix: str, nodes: tuple[Otp, Otp], clear: int) -> None:
    acceptor = nodes[1].start(ACCEPTOR, LISTENS, "ok.")
    dialler = None
    try:
        wait_for_listener(LISTENS)
        with socket.create_server(("127.0.0.6", PORT)) as server:
            call = f"R = (catch scenes:run({scene}, '{ACCEPTOR}')), R =:= ok orelse io:format(\"~p~n\", [R]), halt()."
            dialler = nodes[0].erl_call() if scene == "erl_call" else nodes[0].start(DIALLER, "127.0.0.5", call)
            relay = Relay(clear)
            relay.run(server, dialler)
        speakers = [Speaker(*said, node.release) for said, node in zip(relay.greetings, nodes, strict=True)]
        flags = speakers[0].flags & speakers[1].flags & ~clear
        capture = Capture(scene, speakers[0], speakers[1], flags, whole_frames(relay.chunks, flags))
        capture.save(RECORDINGS / f"{prefix}{scene}")
        size = sum(len(data) for _, data in capture.chunks)
        sys.stdout.write(f"{prefix}{scene}: {len(capture.chunks)} chunks, {size} bytes\n")
    finally:
        for node in (dialler, acceptor):
            if node is not None:
                node.kill()
                node.wait()


def whole_frames(chunks: list[tuple[int, bytes]], flags: int) -> list[tuple[int, bytes]]:
    """Without a frame that the end of the connection cut off; and both directions must decode."""
    chunks = list(chunks)
    for who in (0, 1):
        receiver = Receiver(flags, release=29)
        for speaker, data in chunks:
            if speaker == who:
                receiver.feed(data)
        cut = len(receiver.buffer)
        for index in reversed(range(len(chunks))):
            if cut and chunks[index][0] == who:
                kept = max(len(chunks[index][1]) - cut, 0)
                cut -= len(chunks[index][1]) - kept
                chunks[index] = (who, chunks[index][1][:kept])
    return [(who, data) for who, data in chunks if data]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("scenes", nargs="*")
    parser.add_argument("--chroot", type=Path, help="where the dialling node runs")
    parser.add_argument("--peer-chroot", type=Path, help="where the accepting node runs")
    parser.add_argument("--clear", type=lambda text: int(text, 16), default=0, help="flags to clear, in hexadecimal")
    parser.add_argument("--prefix", default="", help="of the folders' names")
    options = parser.parse_args()
    nodes = (Otp(options.chroot), Otp(options.peer_chroot))
    names = nodes[0].evaluate('io:format("~s", [lists:join(" ", [atom_to_list(N) || N <- scenes:names()])])')
    for scene in options.scenes or names.split():
        record(scene, options.prefix, nodes, options.clear)


if __name__ == "__main__":
    main()
