"""Who decides.

All rules that concern a peer are ranked into one total order, the strongest first; the first filter that matches a
command decides. Everything about precedence is in ``rank``, so the core, ``explain`` and the warnings of ``check``
can't differ.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge

from distwall.policy.rules import Filter, Rule, precision

_Narrow = tuple[str, tuple[str, ...]]


class Ranking:
    """The filters that concern one peer, the strongest first.

    Long lists are mostly of filters for one exact key each. These are found by that key, so that questions don't cost
    more the longer the list is; only the others, the broad ones, have to be looked through.
    """

    def __init__(self, *layers: Sequence[Filter]) -> None:
        """``layers``: granted, attached, defaults; each ranked in itself, and stronger than the next."""
        self.layers = layers
        self.filters = tuple(candidate for layer in layers for candidate in layer)
        self._narrow: defaultdict[_Narrow, list[int]] = defaultdict(list)
        self._broad: defaultdict[str, list[int]] = defaultdict(list)
        for index, candidate in enumerate(self.filters):
            key = _exact(candidate)
            if key is None:
                self._broad[candidate.command].append(index)
            else:
                self._narrow[candidate.command, key].append(index)

    def __iter__(self) -> Iterator[Filter]:
        return iter(self.filters)

    def decides(self, command: str, key: tuple[str, ...] | None = None, shape: str | None = None) -> Filter | None:
        """The filter that decides about a command whose payload has ``shape``; None if nothing speaks."""
        return next((c for c in self._near(command, key) if c.matches(command, key, shape)), None)

    def covering(self, other: Filter) -> Filter | None:
        """The strongest filter that speaks of all that ``other`` does; if another one, ``other`` never decides."""
        return next((c for c in self._near(other.command, _exact(other)) if c.covers(other)), None)

    def _near(self, command: str, key: tuple[str, ...] | None) -> Iterator[Filter]:
        """In order, the filters that may speak of ``command`` on ``key``; all that do are among them."""
        found = [self._broad.get(command, [])]
        if command not in ("*", "otp_internal"):
            found.append(self._broad.get("*", []))
        if key is not None:
            found.append(self._narrow.get((command, key), []))
        return (self.filters[index] for index in merge(*found))


def rank(
    attached: Sequence[Iterable[Rule]],
    defaults: Sequence[Iterable[Rule]],
    granted: Sequence[Iterable[Rule]] = (),
) -> Ranking:
    """All filters that concern a peer.

    ``attached`` holds the lists that are attached to the peer, in the order in which they win among equally specific
    filters; ``defaults`` speak only where none of those does; ``granted`` lists speak before all others.
    """
    return Ranking(*(_ranked(lists) for lists in (granted, attached, defaults)))


def _ranked(lists: Sequence[Iterable[Rule]]) -> list[Filter]:
    filters = [candidate for rules in lists for rule in rules for candidate in rule.filters()]
    # sorted() is stable: equally specific ones stay as they came.
    return sorted(filters, key=precision)


def _exact(candidate: Filter) -> tuple[str, ...] | None:
    """The one target that a filter is about; None if it is about several."""
    if candidate.key is None or any(part.kind != "exact" for part in candidate.key):
        return None
    return tuple(part.text for part in candidate.key)
