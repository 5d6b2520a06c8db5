"""Changes of keys in TLS 1.3, as many as wanted: 27 bytes each, which the other side has to take one by one.

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
HANDSHAKE = b"\x16"
APPLICATION_DATA = b"\x17"


def log_secrets(context: ssl.SSLContext, file: Path) -> ssl.SSLContext:
    """Have a context write the secrets of its connections into a file."""
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.keylog_filename = str(file)
    return context


def key_updates(sock: ssl.SSLSocket, log: Path, written: int, count: int, data: bytes = b"") -> bytes:
    """Return records of a client that change its keys again and again, with ``data`` behind each change.

    ``log`` has the secrets of this connection alone. ``written``: number of records with data that it has sent.
    """
    name, *_ = sock.cipher() or ("",)
    algorithm, length = (hashes.SHA384(), 32) if name == "TLS_AES_256_GCM_SHA384" else (hashes.SHA256(), 16)
    (secret,) = [
        bytes.fromhex(line.split()[2])
        for line in log.read_text().splitlines()
        if line.startswith("CLIENT_TRAFFIC_SECRET_0 ")
    ]

    def expand(secret: bytes, label: bytes, size: int) -> bytes:
        label = b"tls13 " + label
        info = struct.pack(">HB", size, len(label)) + label + b"\0"
        return HKDFExpand(algorithm, size, info).derive(secret)

    number = written

    def sealed(content: bytes) -> bytes:
        nonlocal number
        key, iv = expand(secret, b"key", length), expand(secret, b"iv", 12)
        nonce = (int.from_bytes(iv) ^ number).to_bytes(12)
        head = b"\x17\3\3" + struct.pack(">H", len(content) + 16)
        number += 1
        return head + AESGCM(key).encrypt(nonce, content, head)

    records = []
    for _ in range(count):
        records.append(sealed(KEY_UPDATE + HANDSHAKE))
        secret, number = expand(secret, b"traffic upd", algorithm.digest_size), 0
        if data:
            records.append(sealed(data + APPLICATION_DATA))
    return b"".join(records)


def send_below(sock: ssl.SSLSocket, data: bytes) -> None:
    """Send bytes past TLS, which ends it for this socket."""
    with socket.socket(fileno=sock.detach()) as raw:
        raw.settimeout(10)
        raw.sendall(data)
