"""Real ``erl`` nodes that run what a test asks for.

A node is told what to do over a socket of its own on 127.0.0.1, not over distribution: what a test sees of a node does
not depend on what it tests. A node ends when that socket closes.
"""

import base64
import hashlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from distwall.launch import erlang_folder
from tests.support.process import Child

TOP = Path(__file__).resolve().parents[2]
_SOURCES = Path(__file__).resolve().parent / "erlang"
_COMPILE = 'd=$(mktemp -d) && cd "$d" && cat > $0.erl && erlc -W0 $0.erl >&2 && cat $0.beam && rm -r "$d"'
_BOOTSTRAP = (
    "spawn(fun() -> "
    "{{ok,S}}=gen_tcp:connect({{127,0,0,1}},{port},[binary,{{packet,4}},{{active,false}},{{nodelay,true}}]),"
    "{{ok,B}}=gen_tcp:recv(S,0),"
    '{{module,probe}}=code:load_binary(probe,"probe.erl",B),'
    "probe:serve(S) end)."
)
# Several nodes share two cores here: threads that spin for work would only take it from each other.
_CALM = ["+S", "2:2", "+A", "1", "+SDio", "2", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"]


class ErlangError(Exception):
    """An expression failed on the node; the text is ``{Class,Reason}`` as Erlang prints it."""


class Node(Child):
    """One Erlang node."""

    def __init__(
        self,
        name: str,
        *,
        cookie: str,
        folder: Path,
        epmd_port: int,
        env: Mapping[str, str] | None = None,
        flags: Sequence[str] = (),
        otp: Path | None = None,
        launcher: Sequence[str | Path] = (),
    ) -> None:
        """Starts ``name`` (with its host; without one it isn't distributed) and waits until it answers.

        ``flags`` are added to erl's command line. ``otp`` is the root of a chroot with another OTP release.
        ``launcher`` is a command that starts the command behind it.
        """
        self.name = name
        self.otp = otp
        beam = _compiled("probe", otp)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            bootstrap = _BOOTSTRAP.format(port=listener.getsockname()[1])
            command: list[str | Path] = [*launcher]
            if otp:
                command += ["chroot", otp]
                copy_modules(otp)
            naming = ["-name", name] if "@" in name and not {"-name", "-sname"} & {*flags} else []
            command += ["erl", *_CALM, "-noshell", "-noinput", "-start_epmd", "false", *naming]
            command += ["-setcookie", cookie, *flags, "-eval", bootstrap]
            environment = {
                "PATH": os.environ["PATH"],
                "HOME": "/tmp" if otp else str(folder),
                "LANG": "C.UTF-8",
                "ERL_EPMD_PORT": str(epmd_port),
                "ERL_CRASH_DUMP": "/dev/null",
                "ERL_CRASH_DUMP_SECONDS": "0",
                **(env or {}),
            }
            super().__init__(command, folder / f"{name}.log", env=environment, cwd=folder)
            try:
                self._socket = self._accept(listener)
            except BaseException:
                self.kill()
                raise
        self._sequence = 0
        self._answers: dict[int, tuple[bool, str]] = {}
        self._buffer = bytearray()
        self._write(beam)
        self.eval("ok")

    def _accept(self, listener: socket.socket) -> socket.socket:
        listener.settimeout(0.2)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                if not self.running:
                    raise RuntimeError(f"{self.name} did not start:\n{self.logged()}") from None
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
        raise TimeoutError(f"{self.name} did not start in time:\n{self.logged()}")

    def eval(self, expressions: str, timeout: float = 40) -> str:
        """Evaluates Erlang expressions in a fresh process and returns the value of the last one, printed by ``~0tp``.

        Raises ErlangError if they fail, TimeoutError if they take longer than ``timeout`` seconds.
        """
        return self.begin(expressions).result(timeout)

    def number(self, expressions: str, timeout: float = 40) -> int:
        """Evaluates as :meth:`eval`, for a value that is an integer."""
        return int(self.eval(expressions, timeout))

    def timed(self, expressions: str, timeout: float = 40) -> tuple[int, str]:
        """Evaluates and returns ``(milliseconds, value)``; a failure is the value ``{Class,Reason}``."""
        text = self.eval(f"probe:timed(fun() -> {expressions} end)", timeout)
        milliseconds, _, value = text[1:-1].partition(",")
        return int(milliseconds), value

    def term(self, expressions: str) -> str:
        """Evaluates and returns an expression for the value that means the same on every node (pids included)."""
        return f"probe:unpack({self.eval(f'probe:pack(begin {expressions} end)')})"

    def load(self, *modules: str) -> None:
        """Compiles modules of ``tests/support/erlang`` for the node's release and loads them."""
        for path in modules:
            name = path.rpartition("/")[2]
            code = base64.b64encode(_compiled(path, self.otp)).decode()
            self.eval(f'{{module, {name}}} = code:load_binary({name}, "{name}.erl", base64:decode("{code}"))')

    def begin(self, expressions: str) -> "Pending":
        """Starts evaluating and returns at once."""
        self._sequence += 1
        text = expressions.strip().removesuffix(".") + "."
        self._write(self._sequence.to_bytes(4) + text.encode())
        return Pending(self, self._sequence, text)

    def wait_until(self, condition: str, timeout: float = 30) -> None:
        """Waits until an Erlang expression is true on the node."""
        if self.eval(f"probe:until(fun() -> {condition} end, {int(timeout * 1000)})", timeout + 5) != "true":
            raise TimeoutError(f"{self.name}: not true after {timeout} s: {condition}\n{self.logged()}")

    def stop(self) -> None:
        """Ends the node in an orderly way."""
        self.begin("init:stop()")
        self.wait()

    def kill(self) -> None:
        """Ends the node at once (SIGKILL)."""
        super().kill()
        if hasattr(self, "_socket"):
            self._socket.close()

    def answer(self, sequence: int, timeout: float) -> tuple[bool, str]:
        """The answer to a request, once it is there; for :class:`Pending`."""
        end = time.monotonic() + timeout
        while sequence not in self._answers:
            self._socket.settimeout(max(0.001, end - time.monotonic()))
            data = self._socket.recv(1 << 16)
            if not data:
                raise RuntimeError(f"{self.name} has ended:\n{self.logged()}")
            self._buffer += data
            while len(self._buffer) >= 4 and len(self._buffer) >= 4 + (size := int.from_bytes(self._buffer[:4])):
                frame = bytes(self._buffer[4 : 4 + size])
                del self._buffer[: 4 + size]
                self._answers[int.from_bytes(frame[:4])] = (frame[4] == 1, frame[5:].decode())
        return self._answers.pop(sequence)

    def _write(self, frame: bytes) -> None:
        self._socket.settimeout(10)
        self._socket.sendall(len(frame).to_bytes(4) + frame)


class Pending:
    """An evaluation under way."""

    def __init__(self, node: Node, sequence: int, text: str) -> None:
        self._node, self._sequence, self._text = node, sequence, text

    def result(self, timeout: float = 40) -> str:
        """Waits for the value; raises as :meth:`Node.eval` does."""
        try:
            ok, printed = self._node.answer(self._sequence, timeout)
        except TimeoutError:
            raise TimeoutError(f"{self._node.name}: no value after {timeout} s: {self._text}") from None
        if not ok:
            raise ErlangError(printed)
        return printed


def copy_modules(otp: Path) -> None:
    """Makes distwall's Erlang modules visible in a chroot, at the same place."""
    for beam in erlang_folder().rglob("*.beam"):
        copy = otp / beam.relative_to("/")
        copy.parent.mkdir(parents=True, exist_ok=True)
        # At once: nodes of other tests read it at the same time.
        part = copy.with_suffix(f".{os.getpid()}")
        part.write_bytes(beam.read_bytes())
        part.rename(copy)


def _compiled(path: str, otp: Path | None) -> bytes:
    """A module of ``tests/support/erlang``, compiled by the release that is to load it."""
    name = path.rpartition("/")[2]
    erl = (otp / "usr/bin/erl") if otp else Path(shutil.which("erl") or "erl")
    source = (_SOURCES / f"{path}.erl").read_bytes()
    mark = hashlib.sha256(source + str(erl.resolve()).encode() + str(erl.stat().st_mtime_ns).encode()).hexdigest()[:16]
    beam = TOP / ".cache" / "nodes" / f"{name}-{mark}.beam"
    if not beam.exists():
        command = [*(["chroot", str(otp)] if otp else []), "sh", "-c", _COMPILE, name]
        code = subprocess.run(command, input=source, stdout=subprocess.PIPE, check=True).stdout
        beam.parent.mkdir(parents=True, exist_ok=True)
        part = beam.with_suffix(f".{os.getpid()}")
        part.write_bytes(code)
        part.rename(beam)
    return beam.read_bytes()
