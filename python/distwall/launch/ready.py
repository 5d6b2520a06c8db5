"""Makes sure that distwall is there for a guarded node to register with.

A node without distwall would not fall back to anything, but it would not be reachable either. A stock epmd at
distwall's place would tell peers the node's own port. So a program is started only if distwall answers.
"""

import asyncio
import ipaddress
import socket

from distwall.epmd.session import SELF
from distwall.epmd_client import ask_port
from distwall.launch.error import NotGuardedError
from distwall.launch.settings import Settings
from distwall.net.addresses import printed

TIMEOUT = 2.0
"""Seconds to wait for EPMD's answer."""


def refuse_unless_ready(settings: Settings, *, ipv6: bool) -> None:
    """Raises NotGuardedError unless distwall serves EPMD at the loopback address where a node registers."""
    addresses = _resolved(settings)
    for address in addresses:
        if not (address.is_loopback or address.is_unspecified):
            raise NotGuardedError(
                f"{settings.path}: [guard] register is {settings.register_host}, and nodes register on loopback only;"
                " make it 127.0.0.1"
            )
    register = f"{settings.path}: [guard] register is {settings.register_host}"
    if ipv6 and all(isinstance(address, ipaddress.IPv4Address) for address in addresses):
        raise NotGuardedError(
            f"{register}, and a node with IPv6 distribution registers at ::1; make it"
            f" [::1]:{settings.register_port}, or a name that is both addresses"
        )
    if not ipv6 and all(isinstance(address, ipaddress.IPv6Address) and address.is_loopback for address in addresses):
        raise NotGuardedError(
            f"{register}, and a node with IPv4 distribution registers at 127.0.0.1; give the node"
            " -proto_dist inet6_tcp, or make it a name that is both addresses"
        )
    _ask("::1" if ipv6 else "127.0.0.1", settings)


def _resolved(settings: Settings) -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    try:
        found = socket.getaddrinfo(settings.register_host, settings.register_port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise NotGuardedError(
            f"{settings.path}: [guard] register: {settings.register_host}: {error.strerror}; make it 127.0.0.1"
        ) from None
    return [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]


def _ask(address: str, settings: Settings) -> None:
    where = printed(address, settings.register_port)
    remedy = f"start it: distwall run --config {settings.path}"
    try:
        port = asyncio.run(asyncio.wait_for(ask_port(address, settings.register_port, SELF), TIMEOUT))
    except ConnectionRefusedError:
        raise NotGuardedError(f"distwall does not answer at {where}; {remedy}") from None
    except (OSError, ValueError) as error:
        raise NotGuardedError(f"no distwall at {where}: {str(error) or 'timed out'}; {remedy}") from None
    if port != settings.register_port:
        raise NotGuardedError(f"another EPMD answers at {where}; stop it (epmd -kill), then start distwall")
