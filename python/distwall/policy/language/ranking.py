"""The precedence of rules.

All rules for a peer are ranked into one total order, the strongest first. Among the filters about one subject (a
command, ``call``, ``otp_internal``) the first that matches decides: "Which rule decides" in docs/rules.md. Only
``rank`` orders them, so the core, ``explain`` and the warnings of ``check`` can't differ.

A command that carries a call has several subjects. The core chooses between them (stage ``rule``:
crates/distwall-wire/src/session/judge/deciding.rs, and under "rule" in docs/rules.md).
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cached_property, lru_cache
from heapq import merge
from operator import itemgetter

from distwall.clock import utc
from distwall.policy.language.patterns import Pattern
from distwall.policy.language.rules import Filter, Rule, precision

_Narrow = tuple[str, tuple[str, ...]]


class Ranking:
    """The filters for one peer, the strongest first.

    Long lists are mostly filters for one exact key each. An index finds these by their key, so that questions don't
    cost more in longer lists. Only the broad filters have to be looked through.
    """

    def __init__(self, *layers: Sequence[Filter]) -> None:
        """``layers``: granted, attached, defaults; each ranked in itself, and stronger than the next."""
        self.layers = layers
        self.filters = tuple(candidate for layer in layers for candidate in layer)

    def __iter__(self) -> Iterator[Filter]:
        return iter(self.filters)

    def decides(
        self,
        command: str,
        key: tuple[str, ...] | None = None,
        *,
        scopes: Collection[str] = (),
        fits: Callable[[Pattern], bool] = lambda _: False,
    ) -> Filter | None:
        """The filter that decides about a command, as `Filter.matches` takes it; None if no filter matches.

        For the warnings of `check` only: they are about all messages that a pattern describes, and the judge of the
        core judges one message.
        """
        near = self.near(command, key)
        return next((c for c in near if c.matches(command, key, scopes=scopes, fits=fits)), None)

    def layer(self, rule: Rule) -> int:
        """The number of a rule's layer: 0 granted, 1 attached, 2 defaults."""
        return next(number for number, layer in enumerate(self.layers) if any(c.rule is rule for c in layer))

    def covering(self, other: Filter) -> Filter | None:
        """The strongest filter that covers ``other``; if it is not ``other`` itself, ``other`` never decides."""
        return next((c for c in self.near(other.command, _exact(other)) if c.covers(other)), None)

    def near(self, command: str, key: tuple[str, ...] | None) -> Iterator[Filter]:
        """The filters that may match ``command`` on ``key``, in order; no other filter can match it."""
        narrow, broad = self._index
        found = [broad.get(command, [])]
        if command not in ("*", "otp_internal", "call"):
            found.append(broad.get("*", []))
        if key is not None:
            found.append(narrow.get((command, key), []))
        return (self.filters[index] for index in merge(*found))

    @cached_property
    def _index(self) -> tuple[dict[_Narrow, list[int]], dict[str, list[int]]]:
        narrow: defaultdict[_Narrow, list[int]] = defaultdict(list)
        broad: defaultdict[str, list[int]] = defaultdict(list)
        for index, candidate in enumerate(self.filters):
            key = _exact(candidate)
            if key is None:
                broad[candidate.command].append(index)
            else:
                narrow[candidate.command, key].append(index)
        return narrow, broad


def rank(
    attached: Sequence[Iterable[Rule]],
    defaults: Sequence[Iterable[Rule]],
    granted: Sequence[Iterable[Rule]] = (),
    *,
    now: datetime | None = None,
) -> Ranking:
    """All filters for a peer that are in force ``now`` (None: at this time).

    ``attached`` holds the lists that are attached to the peer: among equally specific filters, an earlier list wins.
    ``defaults`` decide only if none of those matches; ``granted`` lists decide before all others.
    """
    now = now or utc()
    return Ranking(*(_ranked(lists, now) for lists in (granted, attached, defaults)))


def _ranked(lists: Sequence[Iterable[Rule]], now: datetime) -> list[Filter]:
    # Stable: equally specific ones stay as they came, list by list. Each list alone is sorted once only.
    kept = [_sorted(tuple(rules)) for rules in lists]
    ranked = list(merge(*kept, key=itemgetter(0))) if len(kept) > 1 else [pair for pairs in kept for pair in pairs]
    return [candidate for _, candidate in ranked if candidate.rule.holds(now)]


@lru_cache(maxsize=4096)
def _sorted(rules: tuple[Rule, ...]) -> list[tuple[tuple[int, ...], Filter]]:
    filters = [candidate for rule in rules for candidate in rule.filters()]
    return sorted(((precision(candidate), candidate) for candidate in filters), key=itemgetter(0))


def _exact(candidate: Filter) -> tuple[str, ...] | None:
    """The one target of a filter; None if it has several."""
    if candidate.key is None or any(part.kind in ("prefix", "any") for part in candidate.key):
        return None
    return tuple(part.text for part in candidate.key)
