"""Decides which guarded nodes EPMD shows to a client."""

from collections.abc import Callable

from distwall.node_name import NodeName
from distwall.policy import Entry, Policy
from distwall.policy.language.names import glob_matches, is_glob


def visible_to(policy: Policy, source: str) -> Callable[[str], bool]:
    """Returns a function: true if a client at the IP address ``source`` may see the node registered under a name.

    It may if some entry admits the address and covers the node: a client that could not connect learns nothing. The
    name is the part before ``@``, so where only a glob of ``[guard] nodes`` fits, that part decides.
    """
    admitting = [entry for entry in policy.entries if entry.admits(source)]

    def is_visible(alive: str) -> bool:
        fitting = [node for node in policy.guard.nodes if glob_matches(NodeName.of(node).alive, alive)]
        return any(_is_about(entry, node, alive) for entry in admitting for node in fitting)

    return is_visible


def _is_about(entry: Entry, node: str, alive: str) -> bool:
    if entry.guards is None or not is_glob(node):
        return entry.is_for(node)
    return any(glob_matches(NodeName.of(glob).alive, alive) for glob in entry.guards)
