"""The IP addresses of this host.

For one address the kernel's routes are asked (rtnetlink, RTM_GETROUTE). To bind a socket would prove nothing: with
``ip_nonlocal_bind``, as on hosts with floating addresses, any address can be bound.
"""

import socket
import struct
from ipaddress import IPv6Address

from distwall.net.proc_net import lines

_RTM_NEWROUTE, _RTM_GETROUTE = 24, 26
_NLM_F_REQUEST = 1
_RTA_DST = 1
_RTN_LOCAL = 2

# struct nlmsghdr, rtmsg, rtattr: linux/netlink.h, linux/rtnetlink.h.
_HEADER = struct.Struct("=IHHII")
_ROUTE = struct.Struct("=BBBBBBBBI")
_ATTRIBUTE = struct.Struct("=HH")


def is_own(address: str) -> bool:
    """True if packets to the IP address ``address`` stay on this host."""
    address = address.partition("%")[0]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    body = _ROUTE.pack(family, 8 * len(packed), 0, 0, 0, 0, 0, 0, 0)
    body += _ATTRIBUTE.pack(_ATTRIBUTE.size + len(packed), _RTA_DST) + packed
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        # The kernel has answered when sending is done.
        kernel.setblocking(False)
        try:
            kernel.send(_HEADER.pack(_HEADER.size + len(body), _RTM_GETROUTE, _NLM_F_REQUEST, 0, 0) + body)
            answer = kernel.recv(4096)
            kind: int = _HEADER.unpack_from(answer)[1]
            route: int = _ROUTE.unpack_from(answer, _HEADER.size)[7]
        except (OSError, struct.error):
            return False
    return kind == _RTM_NEWROUTE and route == _RTN_LOCAL


def local_addresses() -> list[str]:
    """The IP addresses of this host; link-local addresses with the name of their interface."""
    found: dict[str, None] = {}
    address = ""
    for line in lines("fib_trie"):
        words = line.split()
        if words[0] == "|--":
            address = words[1]
        elif words[-2:] == ["host", "LOCAL"] and words[0] == "/32":
            found[address] = None
    for line in lines("if_inet6"):
        digits, *_, interface = line.split()
        parsed = IPv6Address(bytes.fromhex(digits))
        found[f"{parsed}%{interface}" if parsed.is_link_local else str(parsed)] = None
    return list(found)
