"""Which guarded nodes EPMD shows to whom."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from distwall.policy.language.names import glob_matches, is_glob

if TYPE_CHECKING:
    from distwall.policy import Entry, Policy


def visible_to(policy: "Policy", source: str) -> Callable[[str], bool]:
    """Whether a client at the IP address ``source`` is shown the guarded node that registered under a name.

    It is if some entry admits the address and is about the node: whoever no entry would let connect learns nothing of
    it. The name is the part before ``@``, so where only a glob of ``[guard] nodes`` fits, that part decides.
    """
    admitting = [entry for entry in policy.entries if entry.admits(source)]

    def is_visible(alive: str) -> bool:
        fitting = [node for node in policy.guard.nodes if glob_matches(node.partition("@")[0], alive)]
        return any(_is_about(entry, node, alive) for entry in admitting for node in fitting)

    return is_visible


def _is_about(entry: "Entry", node: str, alive: str) -> bool:
    if entry.guards is None or not is_glob(node):
        return entry.is_for(node)
    return any(glob_matches(glob.partition("@")[0], alive) for glob in entry.guards)
