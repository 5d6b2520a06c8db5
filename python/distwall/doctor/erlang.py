"""Running Erlang nodes, and the facts in their command lines."""

import re
from collections.abc import Iterable
from functools import cached_property

from distwall.net.addresses import is_loopback
from distwall.net.processes import Process

EPMD_MODULE = "distwall_epmd"
"""The module that keeps a guarded node on loopback, and leads its connections to distwall."""

_ERTS = re.compile(r"/erts-(\d+)\.")
# erts 13 came with OTP 25, and both have counted on together ever since. Before, they did not.
_IPV4_NUMBERS, _IPV6_NUMBERS = 4, 8
_OTP_OF_ERTS = 12
_FIRST_COUNTED = 13


class Node:
    """One running Erlang VM."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.pid = process.pid
        self.flags = _flags(process.arguments)
        self.registered_as: str | None = None
        """The name under which EPMD knows its port."""

    @property
    def name(self) -> str | None:
        """The node's name on the command line, full or without host; else as registered; None: it is not known."""
        for flag in ("name", "sname"):
            for values in self.flags.get(flag, []):
                if values:
                    return values[0]
        return self.registered_as

    @property
    def where(self) -> str:
        """The process, for findings."""
        return f"pid {self.pid}"

    @property
    def has_cookie_argument(self) -> bool:
        """True if its command line gives a cookie away."""
        return any(self.flags.get("setcookie", []))

    @property
    def epmd_module(self) -> str:
        """The module that it uses as its EPMD client."""
        return next((values[0] for values in self.flags.get("epmd_module", []) if values), "erl_epmd")

    def kernel(self, setting: str) -> str | None:
        """A setting of the kernel application, from the command line or else from the config files; None: not set."""
        if setting == "connect_all":
            for values in self.flags.get("connect_all", []):
                return values[0] if values else None
        for values in self.flags.get("kernel", []):
            for key, value in zip(values[::2], values[1::2], strict=False):
                if key == setting:
                    return value.strip()
        for values in self.flags.get("config", []):
            for path in values:
                text = self.process.read(path if path.endswith(".config") else f"{path}.config")
                if text and (match := re.search(rf"\{{\s*{setting}\s*,\s*(\{{[^}}]*\}}|[^\s}}]+)\s*\}}", text)):
                    return match[1]
        return None

    @property
    def interface(self) -> str | None:
        """The address that it listens on by its flags; None: it has no such flag, or the flag can't be read."""
        setting = self.kernel("inet_dist_use_interface")
        numbers = re.findall(r"\d+", setting or "")
        if len(numbers) == _IPV4_NUMBERS:
            return ".".join(numbers)
        return ":".join(f"{int(number):x}" for number in numbers) if len(numbers) == _IPV6_NUMBERS else None

    @property
    def on_loopback(self) -> bool:
        """True if its flags make it listen on loopback only."""
        try:
            return self.interface is not None and is_loopback(self.interface)
        except ValueError:
            return False

    @cached_property
    def otp(self) -> str | None:
        """The OTP release, as ``27`` or ``24 or older``; None if it can't be found out."""
        process = self.process
        for path in (process.executable, *process.arguments[:1], *self.flags.get("bindir", [[]])[0]):
            if match := _ERTS.search(f"{path}/"):
                erts = int(match[1])
                return str(erts + _OTP_OF_ERTS) if erts >= _FIRST_COUNTED else f"{_FIRST_COUNTED + 11} or older"
        for root in self.flags.get("root", [[]])[0]:
            releases = f"{root}/releases"
            words = (process.read(f"{releases}/start_erl.data") or "").split()
            for release in [*words[1:], *process.names_in(releases)]:
                if version := process.read(f"{releases}/{release}/OTP_VERSION"):
                    return version.partition(".")[0].strip()
        return None


def nodes(processes: Iterable[Process]) -> list[Node]:
    """The Erlang VMs among processes."""
    return [Node(process) for process in processes if _is_vm(process)]


def _is_vm(process: Process) -> bool:
    program = (process.executable or (process.arguments or [""])[0]).rpartition("/")[2]
    return program.startswith("beam") and bool(process.arguments)


def _flags(arguments: list[str]) -> dict[str, list[list[str]]]:
    """The flags of a VM's command line: for each, the values of all its occurrences."""
    flags: dict[str, list[list[str]]] = {}
    values: list[str] = []
    for argument in arguments[1:]:
        if argument == "-extra":
            break
        if argument.startswith("-") and not argument[1:2].isdecimal():
            values = []
            flags.setdefault(argument[1:], []).append(values)
        else:
            values.append(argument)
    return flags
