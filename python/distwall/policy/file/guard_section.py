"""Reads ``[guard]``: the guarded nodes, and distwall's addresses."""

import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import NamedTuple

from distwall.policy.cookie import Cookie
from distwall.policy.file.cookie_keys import COOKIE_KEYS, read_cookie
from distwall.policy.file.table import Table, path_fault, unit
from distwall.policy.file.tls_keys import FILE_KEYS, TLS_KEYS, read_inside_tls, read_tls
from distwall.policy.language.units import size
from distwall.policy.model import Address, GuardSettings, InsideTls, Redirect

NO_COOKIE = Cookie(b"")
"""A stand-in for a missing cookie, which is an error."""

GUARD_KEYS = {
    "nodes",
    "listen",
    "epmd",
    "register",
    "ports",
    "peer_epmd_port",
    "tls",
    "redirect",
    "held_bytes",
    "restricted_shell",
    *COOKIE_KEYS,
}
HELD_BYTES = 10**9
"""Default of ``held_bytes``: twice what the peers of one entry may hold by default."""
_PORT_NUMBERS = range(1, 1 << 16)
_MADE_UP_PORTS = (64000, 64999)
_HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.%]+)\]|([^:\[\]\s]+)):([0-9]{1,5})")
_PORTS = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?")


class Addresses(NamedTuple):
    """The places of distwall and of EPMDs."""

    listen: str
    epmd: Address
    register: Address
    peer_epmd_port: int


def read_guard(top: Table, env: Mapping[str, str]) -> GuardSettings:
    """The settings of ``[guard]``."""
    table = top.table("guard", known=GUARD_KEYS)
    if "guard" not in top:
        table.error(None, "no [guard] table", 'add [guard] with nodes = ["NAME@HOST"] and the cluster\'s cookie')
    elif table.usable and not table.values.get("nodes"):
        table.error("nodes", "`nodes` is missing", 'write nodes = ["NAME@HOST"]')
    nodes = table.globs("nodes")
    at = read_addresses(table)
    cookie = read_cookie(table, env)
    if "guard" in top and table.usable and not any(key in table for key in COOKIE_KEYS):
        table.error(None, "no cookie of the cluster", "add cookie_file or cookie_env to [guard]")
    return GuardSettings(
        nodes=nodes,
        listen=at.listen,
        epmd=at.epmd,
        register=at.register,
        ports=_ports(table),
        cookie=cookie or NO_COOKIE,
        peer_epmd_port=at.peer_epmd_port,
        tls=read_tls(table.table("tls", known=TLS_KEYS), env) if "tls" in table else None,
        inside=_inside(table, env),
        redirect=_redirect(table, at.register) if "redirect" in table else None,
        held_bytes=unit(table, "held_bytes", size, "a size", "1GB") or HELD_BYTES,
        restricted_shell=_restricted_shell(table, top),
    )


def read_addresses(table: Table) -> Addresses:
    """The addresses in ``[guard]``."""
    listen = table.string("listen", "127.0.0.1", fault=host_fault)
    epmd = read_address(table, "epmd", Address(listen, 4369))
    register = read_address(table, "register", Address("127.0.0.1", epmd.port))
    return Addresses(listen, epmd, register, table.integer("peer_epmd_port", epmd.port, low=1, high=65535))


def read_address(table: Table, key: str, default: Address) -> Address:
    """The address and port at ``key`` of ``table``."""
    text = table.string(key, str(default))
    match = _HOST_PORT.fullmatch(text)
    if key not in table or not isinstance(table.values[key], str):
        return default
    if match is None or int(match[3]) not in _PORT_NUMBERS or host_fault(match[1] or match[2]):
        table.error(key, f"`{text}` is not an address and a port", "write HOST:PORT, as in 127.0.0.2:4369")
        return default
    return Address(match[1] or match[2], int(match[3]))


def host_fault(text: str) -> str | None:
    """The reason why ``text`` is neither an IP address nor a host name; None if it is one."""
    if ":" not in text and re.fullmatch(r"[A-Za-z0-9.-]+", text) and not re.fullmatch(r"[0-9.]+", text):
        return None
    try:
        ip_address(text)
    except ValueError:
        return f"is `{text}`, not an IP address or a host name"
    return None


def _restricted_shell(guard: Table, top: Table) -> bool:
    restricted = guard.boolean("restricted_shell", False)
    if restricted and not names_control_node(top):
        guard.error(
            "restricted_shell",
            "a restricted shell needs distwall's own node, which has no name",
            'add node = "NAME@HOST" to [control]',
        )
    return restricted


def names_control_node(top: Table) -> bool:
    """True if distwall's own node has a name, so that guarded nodes can ask it."""
    control = top.values.get("control")
    return isinstance(control, dict) and "node" in control


def _inside(guard: Table, env: Mapping[str, str]) -> InsideTls | None:
    tls = guard.values.get("tls")
    if not isinstance(tls, dict) or "inside" not in tls:
        return None
    return read_inside_tls(guard.table("tls", "inside", known=set(FILE_KEYS)), env)


def _redirect(guard: Table, register: Address) -> Redirect:
    table = guard.table("redirect", known={"user", "port", "ports"})
    if table.usable and "user" not in table:
        table.error(
            None,
            "`user` is missing: the user whose connections are redirected",
            'write user = "NAME" of the nodes\' user',
        )
    low, high = _ports(table, _MADE_UP_PORTS) or _MADE_UP_PORTS
    if low <= register.port <= high:
        key = "ports" if "ports" in table else None
        table.error(key, f"EPMD's port {register.port} is in the range for peers", "choose another range for `ports`")
    return Redirect(
        user=table.string("user", "", fault=path_fault),
        port=table.integer("port", 4371, low=1, high=65535),
        ports=(low, high),
    )


def _ports(table: Table, default: tuple[int, int] | None = None) -> tuple[int, int] | None:
    text = table.string("ports", "")
    if "ports" not in table or not isinstance(table.values["ports"], str):
        return default
    match = _PORTS.fullmatch(text)
    low, high = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if low not in _PORT_NUMBERS or high not in _PORT_NUMBERS or low > high:
        table.error("ports", f"`{text}` is not a range of ports", "write FIRST-LAST, as in 9100-9199")
        return default
    return low, high
