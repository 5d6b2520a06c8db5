"""Records what two real nodes say to each other: one folder of ``tests/cases`` for each scene of ``scenes.erl``.

    python -m tests.wire.record [--erl ERL] [--peer-erl ERL] [--clear FLAGS] [--prefix NAME] [SCENE...]

The dialling node is ``x@127.0.0.5``; ``y@127.0.0.6`` really listens on 127.0.0.7, and the relay stands where it
should. No EPMD takes part: both nodes are told one fixed port for all nodes. The relay passes the handshake on (without
the flags that ``--clear`` names) and writes down all that follows: nothing but test data.
"""

from __future__ import annotations

import argparse
import os
import selectors
import shlex
import socket
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.wire.captures import CASES, Capture, Speaker
from tests.wire.dist import Receiver

HERE = Path(__file__).resolve().parent
COOKIE = "recorded"
DIALLER, ACCEPTOR = "x@127.0.0.5", "y@127.0.0.6"
LISTENS = "127.0.0.7"
PORT = 47123


def erl(command: str, name: str, interface: str, beams: Path, evaluate: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [
            *shlex.split(command),
            *("-noinput", "-name", name, "-setcookie", COOKIE, "-start_epmd", "false", "-erl_epmd_port", str(PORT)),
            *("-kernel", "inet_dist_use_interface", "{" + interface.replace(".", ",") + "}"),
            *("-kernel", "prevent_overlapping_partitions", "false", "-pa", str(beams), "-eval", evaluate),
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


def record(scene: str, prefix: str, erls: tuple[str, str], clear: int, beams: Path) -> None:
    releases = [release(command) for command in erls]
    acceptor = erl(erls[1], ACCEPTOR, LISTENS, beams, "ok.")
    dialler = None
    try:
        wait_for_listener(LISTENS)
        with socket.create_server(("127.0.0.6", PORT), reuse_port=False) as server:
            call = f"R = (catch scenes:run({scene}, '{ACCEPTOR}')), R =:= ok orelse io:format(\"~p~n\", [R]), halt()."
            dialler = erl(erls[0], DIALLER, "127.0.0.5", beams, call)
            relay = Relay(clear)
            relay.run(server, dialler)
        speakers = [Speaker(*greeting, otp) for greeting, otp in zip(relay.greetings, releases, strict=True)]
        flags = speakers[0].flags & speakers[1].flags & ~clear
        capture = Capture(scene, speakers[0], speakers[1], flags, whole_frames(relay.chunks, flags))
        capture.save(CASES / f"{prefix}{scene}")
        size = sum(len(data) for _, data in capture.chunks)
        sys.stdout.write(f"{prefix}{scene}: {len(capture.chunks)} chunks, {size} bytes\n")
    finally:
        for node in (dialler, acceptor):
            if node:
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


def release(command: str) -> str:
    code = 'io:format("~s", [erlang:system_info(otp_release)]), halt().'
    return subprocess.run(
        [*shlex.split(command), "-noinput", "-boot", "start_clean", "-eval", code],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("scenes", nargs="*")
    parser.add_argument("--erl", default="erl", help="command of the dialling node")
    parser.add_argument("--peer-erl", default="erl", help="command of the accepting node")
    parser.add_argument("--clear", type=lambda text: int(text, 16), default=0, help="flags to clear, in hexadecimal")
    parser.add_argument("--prefix", default="", help="of the folders' names")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["erlc", "-o", folder, str(HERE / "scenes.erl")], check=True)
        scenes = options.scenes or subprocess.run(
            ["erl", "-noinput", "-boot", "start_clean", "-pa", folder, "-eval",
             'io:format("~s", [lists:join(" ", [atom_to_list(N) || N <- scenes:names()])]), halt().'],
            check=True, capture_output=True, text=True,
        ).stdout.split()  # fmt: skip
        for scene in scenes:
            record(scene, options.prefix, (options.erl, options.peer_erl), options.clear, Path(folder))


if __name__ == "__main__":
    sys.exit(main())
