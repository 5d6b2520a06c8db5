"""Finds the entries of a peer that an operator names: a setting for a name without an entry would wait for ever."""

from difflib import get_close_matches

from distwall.control.errors import BadCallError, NotFoundError
from distwall.policy import Entry, Policy

_ALIKE = 0.5
"""The least likeness of a name that is offered in place of the unknown name, from 0 to 1."""


def named_entries(policy: Policy, node: str, guard: str | None) -> tuple[Entry, ...]:
    """Return the entries by which a peer may come to a guarded node (None: to any).

    Raises NotFoundError, with the names that are most alike.
    """
    if entries := policy.entries_for(node, guard):
        return entries
    where = "" if guard is None else f" at {guard}"
    close = get_close_matches(node, {entry.node for entry in policy.entries}, n=3, cutoff=_ALIKE)
    near = f"did you mean {' or '.join(close)}? If not, add one" if close else "add one, or correct the name"
    raise NotFoundError(f"no [[peers]] entry names {node}{where}; {near}")


def party_of(policy: Policy, node: str, guard: str | None) -> tuple[Entry, ...]:
    """Return the entries of the party that a grant is for.

    Raises NotFoundError, and BadCallError for several parties.
    """
    entries = named_entries(policy, node, guard)
    if len({entry.identity for entry in entries}) > 1:
        lines = " and ".join(str(entry.origin.line) for entry in entries)
        raise BadCallError(
            f"{node} may be one of several parties, by the entries in lines {lines}; name a guarded node with the grant"
        )
    return entries
