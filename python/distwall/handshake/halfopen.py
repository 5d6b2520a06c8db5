"""A bound on connections that have proved nothing. A newcomer always finds a place."""

import ipaddress
from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")


def source_of(address: str) -> str:
    """The source of a connection: an IPv4 address, or an IPv6 network of 64 bits, which one host can fill alone."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False))


class HalfOpen(Generic[T]):
    """Unproved connections by source.

    When there are too many, the oldest go: of the same source if it has used its share, else of the source with most
    connections. To refuse newcomers instead would let a stranger who holds connections open keep all others out.
    """

    def __init__(self, *, per_source: int, total: int) -> None:
        self._per_source = per_source
        self._total = total
        self._sources: dict[str, OrderedDict[T, None]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, item: T, source: str) -> list[T]:
        """Counts ``item``; returns the connections that have to go for it, which no longer count."""
        mine = self._sources.setdefault(source, OrderedDict())
        mine[item] = None
        self._count += 1
        evicted: list[T] = []
        if len(mine) > self._per_source:
            evicted.append(self._pop_oldest(source))
        elif self._count > self._total:
            fullest = max(self._sources, key=lambda each: len(self._sources[each]))
            evicted.append(self._pop_oldest(fullest))
        return evicted

    def remove(self, item: T, source: str) -> None:
        """Stops counting ``item``."""
        mine = self._sources.get(source)
        if mine is None or item not in mine:
            return
        del mine[item]
        self._count -= 1
        if not mine:
            del self._sources[source]

    def _pop_oldest(self, source: str) -> T:
        item = next(iter(self._sources[source]))
        self.remove(item, source)
        return item
