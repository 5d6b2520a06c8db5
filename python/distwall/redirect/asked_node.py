"""Finds the full name of the node that a stock node asks for.

A stock node tells EPMD the part of a name before ``@``, and asks at an address. Entries name full names, so the part
behind ``@`` has to be found. It may be the address itself, or a host that entries name. Only where a glob could match
it, it may also be the name that the name service has for the address, long or short. Each of these hosts has to resolve
to that address.

A name found in this way proves nothing: the peer still has to give that name, and to know the entry's cookie.
"""

import asyncio
import ipaddress
from collections.abc import Iterable

from distwall.handshake import Denied
from distwall.node_name import NodeName
from distwall.policy import Entry, Policy
from distwall.policy.language.names import glob_matches, is_glob, literal_length
from distwall.redirect.resolver import Resolver


async def name_at(policy: Policy, resolver: Resolver, alive: str, address: str) -> str | Denied:
    """The full name of the node ``alive`` (the part before ``@``) at the IP address ``address``.

    Of several possible names, it is the name with the most exact entry. Denied: no entry names any of them and admits
    the address (``unknown_node``, ``source``), or several fit equally well (``ambiguous``).
    """
    named = [entry for entry in policy.entries if glob_matches(NodeName.of(entry.node).alive, alive)]
    address = str(ipaddress.ip_address(address.partition("%")[0]))
    hosts = {address} | {_host(entry.node) for entry in named if not is_glob(_host(entry.node))}
    if any(is_glob(_host(entry.node)) for entry in named):
        hosts |= await resolver.names(address)
    styles = _styles(policy)
    named_so: dict[str, Entry] = {}
    for host in sorted(hosts):
        entry = policy.entry_for(f"{alive}@{host}")
        if entry is not None and _is_long(host) in styles:
            named_so[host] = entry
    there = await _standing_for(resolver, named_so, address)
    found = {f"{alive}@{host}": entry for host, entry in named_so.items() if host in there}
    if not found:
        return Denied("unknown_node", f"no [[peers]] entry names {alive} at {address}")
    admitted = {node: entry for node, entry in found.items() if _admits(policy, node, address)}
    if not admitted:
        return Denied("source", f"the entry of {', '.join(found)} does not accept {address}")
    best = max(_exactness(entry) for entry in admitted.values())
    names = [node for node, entry in admitted.items() if _exactness(entry) == best]
    if len(names) > 1:
        return Denied("ambiguous", f"could be {' or '.join(names)}; name the right one in a [[peers]] entry")
    return names[0]


async def may_name(policy: Policy, resolver: Resolver, address: str) -> bool:
    """True if some entry could name a node at ``address``, and lets it be there."""
    address = str(ipaddress.ip_address(address.partition("%")[0]))
    hosts = {_host(entry.node) for entry in policy.entries if entry.admits(address)}
    exact = {host for host in hosts if not is_glob(host)}
    called = {address, *(await resolver.names(address))} if hosts > exact else set()
    globbed = {each for each in called if any(glob_matches(host, each) for host in hosts)}
    return bool(await _standing_for(resolver, exact | globbed, address))


def _host(node: str) -> str:
    return NodeName.of(node).host or "*"


def _exactness(entry: Entry) -> tuple[bool, int]:
    return (False, literal_length(entry.node)) if is_glob(entry.node) else (True, 0)


def _admits(policy: Policy, node: str, address: str) -> bool:
    """True if an entry for some guarded node lets ``node`` be at ``address``: EPMD doesn't learn which one asks."""
    guards = {None if is_glob(guard) else guard for guard in policy.guard.nodes}
    entries = [policy.entry_for(node, guard) for guard in guards]
    return any(entry is not None and entry.admits(address) for entry in entries)


def _is_long(host: str) -> bool:
    """True if only nodes with long names reach ``host``; nodes with short names reach only all other hosts."""
    return "." in host or ":" in host


def _styles(policy: Policy) -> set[bool]:
    """The kinds of names, long and short, that the guarded nodes can reach."""
    styles: set[bool] = set()
    for guard in policy.guard.nodes:
        host = _host(guard)
        styles |= {True, False} if is_glob(host) and not _is_long(host) else {_is_long(host)}
    return styles


async def _standing_for(resolver: Resolver, hosts: Iterable[str], address: str) -> set[str]:
    """The members of ``hosts`` that resolve to ``address``. All are asked at once: the waiting node is impatient."""
    asked = list(hosts)
    answers = await asyncio.gather(*(_stands_for(resolver, host, address) for host in asked))
    return {host for host, stands in zip(asked, answers, strict=True) if stands}


async def _stands_for(resolver: Resolver, host: str, address: str) -> bool:
    try:
        return str(ipaddress.ip_address(host)) == address
    except ValueError:
        return address in await resolver.addresses(host)
