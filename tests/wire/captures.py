"""Recorded traffic of real nodes: the files of ``tests/recordings`` and how to read and write them.

One folder is one connection: ``case.json`` says who spoke, ``stream.xz`` holds what was said after the handshake, in
the order in which it passed between them, as records ``Speaker:8, Length:32, Bytes`` (speaker 0 dialled, 1 accepted).
"""

from __future__ import annotations

import json
import lzma
import struct
from dataclasses import asdict, dataclass
from pathlib import Path

from distwall import _core

RECORDINGS = Path(__file__).resolve().parent.parent / "recordings"


@dataclass(frozen=True)
class Speaker:
    name: str
    creation: int
    flags: int
    """As offered in the handshake."""
    otp: str


@dataclass(frozen=True)
class Capture:
    scene: str
    dialler: Speaker
    acceptor: Speaker
    flags: int
    """Those both have, without the ones that the recorder cleared."""
    chunks: list[tuple[int, bytes]]

    def stream(self, speaker: int) -> bytes:
        return b"".join(data for who, data in self.chunks if who == speaker)

    def channel(self, guard: int, rules: list[_core.CoreRule]) -> _core.Channel:
        """A channel that guards the acceptor (1) or the dialler (0) of this connection."""
        peer, guarded = (self.dialler, self.acceptor) if guard else (self.acceptor, self.dialler)
        return _core.Channel(
            peer=peer.name,
            peer_creation=peer.creation,
            guard=guarded.name,
            guard_creation=guarded.creation,
            flags=self.flags,
            policy=_core.PeerRules(rules, third_nodes=["*"]),
            counters=_core.Counters(),
            budget=_core.Budget(),
        )

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        head = {key: value for key, value in asdict(self).items() if key != "chunks"}
        (folder / "case.json").write_text(json.dumps(head, indent=2) + "\n")
        stream = b"".join(struct.pack(">BI", who, len(data)) + data for who, data in self.chunks)
        (folder / "stream.xz").write_bytes(lzma.compress(stream, preset=9))


def load(folder: Path) -> Capture:
    head = json.loads((folder / "case.json").read_text())
    stream = lzma.decompress((folder / "stream.xz").read_bytes())
    chunks = []
    position = 0
    while position < len(stream):
        who, length = struct.unpack_from(">BI", stream, position)
        chunks.append((who, stream[position + 5 : position + 5 + length]))
        position += 5 + length
    return Capture(head["scene"], Speaker(**head["dialler"]), Speaker(**head["acceptor"]), head["flags"], chunks)


def names() -> list[str]:
    return sorted(folder.parent.name for folder in RECORDINGS.glob("*/case.json"))
