"""Ports that no other test uses at the same time, in this process or in another."""

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

# Below the range from which the kernel picks ports by itself.
_FIRST, _LAST = 20000, 29999
_LOCKS = Path(tempfile.gettempdir()) / "distwall-test-ports"
_kept = ExitStack()


@contextmanager
def lease() -> Iterator[int]:
    """A port that is free on 127.0.0.1 and 127.0.0.2 and stays reserved inside the ``with`` block."""
    _LOCKS.mkdir(exist_ok=True)
    span = _LAST - _FIRST + 1
    start = int.from_bytes(os.urandom(4)) % span
    for step in range(span):
        port = _FIRST + (start + step) % span
        lock = os.open(_LOCKS / str(port), os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        if _is_free("127.0.0.1", port) and _is_free("127.0.0.2", port):
            try:
                yield port
            finally:
                os.close(lock)
            return
        os.close(lock)
    raise RuntimeError(f"no free port between {_FIRST} and {_LAST}")


def free_port() -> int:
    """A port that is free on 127.0.0.1 and 127.0.0.2, and reserved until this process ends."""
    return _kept.enter_context(lease())


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
