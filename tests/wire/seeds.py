"""Writes the recorded traffic as seeds for the fuzz target ``raw``: ``python -m tests.wire.seeds FOLDER``.

A seed is what ``crates/distwall-wire/fuzz/fuzz_targets/raw.rs`` reads: configuration, seed of the cuts, records. Names
and incarnations are those that the target's channel has, or all would be refused as foreign.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

from distwall._core import DistFlag
from tests.support.core_channel import GUARD, GUARD_CREATION, PEER, PEER_CREATION
from tests.support.dist import split_frames
from tests.wire import captures

SIZE = 12_000
"""Bytes of traffic in one seed; longer ones only slow the fuzzer down."""


def configuration(flags: int) -> int:
    """The number that the target knows these flags by."""
    if flags & DistFlag.DIST_HDR_ATOM_CACHE:
        return 0
    if flags & DistFlag.FRAGMENTS:
        return 1
    return 2 if flags & DistFlag.EXIT_PAYLOAD else 3


def records(capture: captures.Capture) -> bytes:
    """The whole frames at the beginning of both directions, in turn, of nodes renamed to ones of equal length."""
    renamed = [
        (capture.dialler.name.encode(), PEER.encode()),
        (capture.acceptor.name.encode(), GUARD.encode()),
        (struct.pack(">I", capture.dialler.creation), struct.pack(">I", PEER_CREATION)),
        (struct.pack(">I", capture.acceptor.creation), struct.pack(">I", GUARD_CREATION)),
    ]
    out = b""
    for who, original in whole_frames(capture):
        data = original
        for old, new in renamed:
            data = rename(data, old, new)
        out += struct.pack(">BH", who, min(len(data), 65535)) + data
        if len(out) > SIZE:
            break
    return out


def whole_frames(capture: captures.Capture) -> list[tuple[int, bytes]]:
    rest = [b"", b""]
    found = []
    for who, data in capture.chunks:
        rest[who] += data
        for one in split_frames(rest[who]):
            if len(one) >= 4 and len(one) == 4 + int.from_bytes(one[:4], "big"):
                found.append((who, one))
                rest[who] = rest[who][len(one) :]
    return [(who, data) for who, data in found if len(data) < 60_000]


def rename(data: bytes, old: bytes, new: bytes) -> bytes:
    """Also in lengths: of the atom, where it is written out, and of the frame."""
    if len(old) == len(new):
        return data.replace(old, new)
    changed = data.replace(bytes([len(old)]) + old, bytes([len(new)]) + new)
    return struct.pack(">I", len(changed) - 4) + changed[4:]


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in captures.names():
        capture = captures.load(captures.RECORDINGS / name)
        body = records(capture)
        for policy in range(4):
            config = configuration(capture.flags) + 4 * policy
            (folder / f"{name}_{policy}").write_bytes(bytes([config, 7]) + body)


if __name__ == "__main__":
    main()
