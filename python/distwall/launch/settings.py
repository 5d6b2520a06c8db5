"""Reads distwall's addresses from a policy file, without its cookies.

``distwall exec`` runs as the user of the guarded program, who need not be able to read the peers' cookies.
"""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distwall.launch.error import NotGuardedError
from distwall.policy.language.names import node_fault

_ADDRESS = re.compile(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^:\[\]\s]+)):([0-9]{1,5})")
_STOCK_EPMD_PORT = 4369


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a policy that a guarded program needs."""

    path: Path
    """The policy file."""
    register_host: str
    register_port: int
    peer_epmd_port: int
    """The port of EPMD on other hosts."""
    inside_tls: bool
    """True if guarded nodes may speak distribution over TLS."""
    control_node: str | None = None
    """distwall's own node."""
    secrets: frozenset[str] = frozenset()
    """Environment variables with cookies of peers (``cookie_env``), which the program must not see."""
    restricted_shell: bool = False
    """True if peers' shells may call only functions that the policy accepts."""


def read_settings(path: Path) -> Settings:
    """Reads ``[guard]`` of the policy file ``path``.

    Raises OSError if it can't be read, and NotGuardedError if it has errors; ``distwall check`` says more.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise NotGuardedError(f"{path}: {error}; see distwall check {path}") from None
    guard = values.get("guard")
    if not isinstance(guard, dict) or not guard.get("nodes"):
        raise NotGuardedError(f"{path}: no [guard] table with nodes; see distwall check {path}")
    _, epmd_port = _address(path, guard, "epmd", ("", _STOCK_EPMD_PORT))
    register_host, register_port = _address(path, guard, "register", ("127.0.0.1", epmd_port))
    peer_epmd_port = guard.get("peer_epmd_port", epmd_port)
    if not isinstance(peer_epmd_port, int):
        raise _wrong(path, "peer_epmd_port")
    restricted_shell = guard.get("restricted_shell", False)
    if not isinstance(restricted_shell, bool):
        raise _wrong(path, "restricted_shell")
    tls = guard.get("tls")
    inside_tls = isinstance(tls, dict) and "inside" in tls
    return Settings(
        path=path,
        register_host=register_host,
        register_port=register_port,
        peer_epmd_port=peer_epmd_port,
        inside_tls=inside_tls,
        control_node=_control_node(path, values),
        secrets=_secrets(values),
        restricted_shell=restricted_shell,
    )


def _control_node(path: Path, values: dict[str, Any]) -> str | None:
    control = values.get("control")
    node = control.get("node") if isinstance(control, dict) else None
    if node is not None and (not isinstance(node, str) or node_fault(node)):
        raise NotGuardedError(f"{path}: [control] node is wrong; see distwall check {path}")
    return node


def _secrets(values: dict[str, Any]) -> frozenset[str]:
    """Variables with cookies, except the cluster's: a release may take its cookie from there."""
    peers = values.get("peers")
    tables = [values.get("defaults"), values.get("control"), *(peers if isinstance(peers, list) else [])]
    names = [table.get("cookie_env") for table in tables if isinstance(table, dict)]
    return frozenset(name for name in names if isinstance(name, str) and name != values["guard"].get("cookie_env"))


def _address(path: Path, guard: dict[str, Any], key: str, default: tuple[str, int]) -> tuple[str, int]:
    if key not in guard:
        return default
    match = _ADDRESS.fullmatch(guard[key]) if isinstance(guard[key], str) else None
    if match is None:
        raise _wrong(path, key)
    return match[1] or match[2], int(match[3])


def _wrong(path: Path, key: str) -> NotGuardedError:
    return NotGuardedError(f"{path}: [guard] {key} is wrong; see distwall check {path}")
