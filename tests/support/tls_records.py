"""Records of TLS 1.3 that carry no data, as many as wanted: the other side has to take them one by one.

No library sends more than it needs, so the records are made here, from the secret that `ssl` writes into its key log.
"""

import socket
import ssl
import struct
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

KEY_UPDATE = b"\x18\0\0\1\0"
TICKET = b"\4\0\0\x0e" + struct.pack(">IIBH", 100, 0, 0, 1) + b"t" + b"\0\0"
"""A session ticket as small as may be."""
HANDSHAKE = b"\x16"
APPLICATION_DATA = b"\x17"
LARGEST = 1 << 14
"""Bytes in the largest record."""


def log_secrets(context: ssl.SSLContext, file: Path) -> ssl.SSLContext:
    """Have a context write the secrets of its connections into a file."""
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.keylog_filename = str(file)
    return context


class Records:
    """Makes the next records of one side."""

    def __init__(self, sock: ssl.SSLSocket, log: Path, written: int) -> None:
        """``log`` has the secrets of this connection alone. ``written``: number of records that this side has sent."""
        name, *_ = sock.cipher() or ("",)
        large = name == "TLS_AES_256_GCM_SHA384"
        self._algorithm: hashes.HashAlgorithm = hashes.SHA384() if large else hashes.SHA256()
        self._length = 32 if large else 16
        side = "SERVER" if sock.server_side else "CLIENT"
        (self._secret,) = [
            bytes.fromhex(line.split()[2])
            for line in log.read_text().splitlines()
            if line.startswith(f"{side}_TRAFFIC_SECRET_0 ")
        ]
        self._number = written

    def _expand(self, label: bytes, size: int) -> bytes:
        label = b"tls13 " + label
        info = struct.pack(">HB", size, len(label)) + label + b"\0"
        return HKDFExpand(self._algorithm, size, info).derive(self._secret)

    def sealed(self, content: bytes, kind: bytes) -> bytes:
        """One record."""
        key, iv = self._expand(b"key", self._length), self._expand(b"iv", 12)
        nonce = (int.from_bytes(iv) ^ self._number).to_bytes(12)
        head = b"\x17\3\3" + struct.pack(">H", len(content) + 1 + 16)
        self._number += 1
        return head + AESGCM(key).encrypt(nonce, content + kind, head)

    def key_update(self) -> bytes:
        """A change of keys: 27 bytes."""
        made = self.sealed(KEY_UPDATE, HANDSHAKE)
        self._secret, self._number = self._expand(b"traffic upd", self._algorithm.digest_size), 0
        return made

    def tickets(self) -> bytes:
        """One record full of session tickets."""
        return self.sealed(TICKET * (LARGEST // len(TICKET)), HANDSHAKE)


def key_updates(sock: ssl.SSLSocket, log: Path, written: int, count: int, data: bytes = b"") -> bytes:
    """Return records that change the keys again and again, with ``data`` behind each change; see `Records`."""
    of = Records(sock, log, written)
    return b"".join(of.key_update() + (of.sealed(data, APPLICATION_DATA) if data else b"") for _ in range(count))


def send_below(sock: ssl.SSLSocket, data: bytes) -> None:
    """Send bytes past TLS, which ends it for this socket."""
    with socket.socket(fileno=sock.detach()) as raw:
        raw.settimeout(10)
        raw.sendall(data)
