"""Recognises the full names of guarded nodes of this host."""

import ipaddress
import socket

from distwall.net.local_addresses import is_own
from distwall.node_name import NodeName
from distwall.policy import Policy
from distwall.policy.language.names import is_glob


class LocalNodes:
    """Says whether a full name belongs to a guarded node here, without asking any name service.

    A name that ``[guard] nodes`` spells out does. If only a glob matches, the name's host part has to be an address or
    a name of this host: ``rabbit@*`` also matches nodes of other hosts.
    """

    def __init__(self, policy: Policy) -> None:
        """Takes ``[guard]`` of ``policy``, and the present name of this host."""
        self._policy = policy
        self._exact = {node for node in policy.guard.nodes if not is_glob(node)}
        name = socket.gethostname()
        self._host_names = {name, name.partition(".")[0], "localhost"}

    def __call__(self, node: str) -> bool:
        """True if ``node`` is the name of a guarded node of this host."""
        if node in self._exact:
            return True
        host = NodeName.of(node).host
        return self._policy.guards(node) and (host in self._host_names or _is_own(host))


def _is_own(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return not address.is_unspecified and is_own(host)
