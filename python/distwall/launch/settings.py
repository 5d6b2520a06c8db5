"""Reads distwall's addresses from a policy file, without its cookies.

``distwall exec`` runs as the user of the guarded program, who need not be able to read the peers' cookies.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distwall.files import regular_file
from distwall.launch.error import NotGuardedError
from distwall.policy import PolicyError
from distwall.policy.file.guard_section import GUARD_KEYS, read_addresses
from distwall.policy.file.table import Problems, Table
from distwall.policy.file.toml_source import Source
from distwall.policy.language.names import node_fault


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


def read_settings(path: Path) -> Settings:
    """Reads ``[guard]`` of the policy file ``path``.

    Raises OSError if it can't be read, and NotGuardedError if it has errors; ``distwall check`` says more.
    """
    try:
        source = Source(regular_file.read(path).decode("utf-8"), path)
    except PolicyError as error:
        raise NotGuardedError(f"{error.problems[0]}; see distwall check {path}") from None
    except UnicodeDecodeError as error:
        raise NotGuardedError(f"{path}: {error}; see distwall check {path}") from None
    problems = Problems()
    top = Table(source, (), source.values, problems, known=source.values)
    guard = top.table("guard", known=GUARD_KEYS)
    if not guard.values.get("nodes"):
        raise NotGuardedError(f"{path}: no [guard] table with nodes; see distwall check {path}")
    at = read_addresses(guard)
    control = top.table("control", known=source.values.get("control", ()))
    tls = guard.values.get("tls")
    settings = Settings(
        path=path,
        register_host=at.register.host,
        register_port=at.register.port,
        peer_epmd_port=at.peer_epmd_port,
        inside_tls=isinstance(tls, dict) and "inside" in tls,
        control_node=control.string("node", "", fault=node_fault) or None,
        secrets=_secrets(source.values),
    )
    if problems.errors:
        raise NotGuardedError(f"{problems.errors[0]}; see distwall check {path}")
    return settings


def _secrets(values: dict[str, Any]) -> frozenset[str]:
    """Variables with cookies, except the cluster's: a release may take its cookie from there."""
    peers = values.get("peers")
    tables = [values.get("defaults"), values.get("control"), *(peers if isinstance(peers, list) else [])]
    names = [table.get("cookie_env") for table in tables if isinstance(table, dict)]
    return frozenset(name for name in names if isinstance(name, str) and name != values["guard"].get("cookie_env"))
