"""A registration, byte by byte."""

import struct


def alive2(
    name: bytes = b"bar", *, port: int = 40000, highest: int = 6, extra: bytes = b"", node_type: int = 77
) -> bytes:
    head = struct.pack(">BHBBHHH", 120, port, node_type, 0, highest, 5, len(name))
    return head + name + struct.pack(">H", len(extra)) + extra
