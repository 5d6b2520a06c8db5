"""What a policy says but can't mean: rules that never decide, calls that fail though they are accepted.

These are warnings: such a policy is safe and in force, but it surprises.
"""

from collections.abc import Iterator

from distwall.policy.model import Entry, Policy
from distwall.policy.names import Part, atom, is_glob
from distwall.policy.problem import Origin, Problem
from distwall.policy.ranking import Ranking, rank
from distwall.policy.rules import Rule

_PING = (("monitor", ("net_kernel",), None), ("reg_send", ("net_kernel",), "is_auth"))


def warnings(policy: Policy) -> Iterator[Problem]:
    """The warnings about rules and entries of a policy that has no errors. No warning is given twice."""
    seen: set[Problem] = set()
    for problem in _all(policy):
        if problem not in seen:
            seen.add(problem)
            yield problem


def _all(policy: Policy) -> Iterator[Problem]:
    if not policy.entries:
        origin = Origin(policy.path, 1, 1)
        yield Problem(origin, "no peer can connect", "add a [[peers]] entry, or a cookie to [defaults]")
    yield from _unreachable_entries(policy)
    yield from _shadowed(policy)
    yield from _unbound_names(policy)
    for entry in policy.entries:
        ranked = policy.ranked(entry)
        yield from _hidden_defaults(policy, entry, ranked)
        yield from _broken_ping(entry, ranked)
        yield from _calls_without_monitor(ranked)
        yield from _idle_otp_internal(entry, ranked)


def _unreachable_entries(policy: Policy) -> Iterator[Problem]:
    for entry in policy.entries:
        for earlier in policy.entries[: entry.index]:
            if earlier.node == entry.node and (earlier.guards is None or earlier.guards == entry.guards):
                what = f"this entry never applies: the one in line {earlier.origin.line} is for {entry.node}, too"
                yield Problem(entry.origin, what, "merge the two, or tell them apart by `guards`")
                break


def _unbound_names(policy: Policy) -> Iterator[Problem]:
    """Entries for many names, each of which whoever has a certificate of the CA and the entry's cookie can take."""
    if policy.guard.tls is None or policy.guard.tls.verify_peer:
        return
    for entry in policy.entries:
        if entry.tls and is_glob(entry.node) and not entry.certificate:
            what = f"every certificate of `ca` will do for every name that fits {entry.node}"
            yield Problem(entry.origin, what, 'bind each to its name, as in certificate = "{host}"')


def _shadowed(policy: Policy) -> Iterator[Problem]:
    """Rules that decide nowhere, because where they are attached other rules of the same layer always come first."""
    by: dict[Rule, Rule] = {}
    alive: set[Rule] = set()
    # The defaults among themselves are looked at even where no entry exists.
    for attached in [*(entry.attached for entry in policy.entries), (policy.defaults,)]:
        ranked = rank(attached, ())
        for candidate in ranked:
            winner = ranked.covering(candidate)
            if winner is None or winner is candidate:
                alive.add(candidate.rule)
            else:
                by.setdefault(candidate.rule, winner.rule)
    for rule, stronger in by.items():
        if rule not in alive:
            what = f"`{rule.text}` can never decide: `{stronger.text}` in line {stronger.origin.line} comes first"
            yield Problem(rule.origin, what, "remove one of them")


def _hidden_defaults(policy: Policy, entry: Entry, ranked: Ranking) -> Iterator[Problem]:
    """Defaults that a broader attached rule silences, where that turns the verdict round."""
    for rule in policy.defaults:
        if rule.command in ("*", "ping"):
            continue
        for candidate in rule.filters():
            winner = ranked.covering(candidate)
            if winner is None or winner.key is not None or winner.rule.where == "defaults":
                continue
            if (winner.rule.verdict == "accept") != (rule.verdict == "accept"):
                what = (
                    f"for {entry.node}, `{winner.rule.text}` hides `{rule.text}` of the defaults"
                    f" (line {rule.origin.line}): defaults speak only where nothing attached does"
                )
                yield Problem(winner.rule.origin, what, f"add `{rule.text}` to this list if it should hold")


def _broken_ping(entry: Entry, ranked: Ranking) -> Iterator[Problem]:
    """`accept ping` that another rule breaks: the peer's ping then says pang and cuts the connection."""
    accepted = next((f.rule for f in ranked if f.rule.command == "ping" and f.rule.verdict == "accept"), None)
    if accepted is None:
        return
    for command, key, shape in _PING:
        winner = ranked.decides(command, key, shape)
        if winner is not None and winner.rule.verdict != "accept" and winner.rule.command != "ping":
            what = (
                f"for {entry.node}, `{winner.rule.text}` hides `accept ping` (line {accepted.origin.line}):"
                " their pings say pang and disconnect"
            )
            yield Problem(winner.rule.origin, what, "add `accept ping` to this list if they should get a pong")
            return


def _calls_without_monitor(ranked: Ranking) -> Iterator[Problem]:
    """Accepted sends to a name whose monitor is refused: a call monitors first, and fails on that."""
    for candidate in ranked:
        if candidate.command != "reg_send" or candidate.rule.verdict != "accept" or candidate.rule.command == "ping":
            continue
        key = _example(candidate.key[0]) if candidate.key else None
        sent = ranked.decides("reg_send", key)
        monitored = ranked.decides("monitor", key)
        if sent is not candidate or (monitored and (monitored.rule.verdict == "accept" or monitored.key)):
            continue
        name = "" if candidate.key is None else f" {candidate.key[0]}"
        what = f"`{candidate.rule.text}` without `accept monitor{name}`: calls to it fail with noproc"
        yield Problem(candidate.rule.origin, what, f"add `accept monitor{name}`, unless casts are all that is meant")


def _idle_otp_internal(entry: Entry, ranked: Ranking) -> Iterator[Problem]:
    """`otp_internal` rules that are never asked: about what is refused anyway, or what `accept *` accepts."""
    for candidate in ranked:
        if candidate.command != "otp_internal":
            continue
        key = _example(candidate.key[0]) if candidate.key else None
        sent = ranked.decides("reg_send", key) or ranked.decides("send", None)
        text = candidate.rule.text
        if candidate.rule.verdict != "accept" and sent and sent.command == "*" and sent.rule.verdict == "accept":
            what = f"for {entry.node}, `{text}` is not asked: `{sent.rule.text}` accepts everything"
            yield Problem(candidate.rule.origin, what, "accept the commands that are meant instead of `*`")
        elif candidate.rule.verdict == "accept" and key and (sent is None or sent.rule.verdict != "accept"):
            what = f"for {entry.node}, `{text}` opens nothing: no rule accepts the message itself"
            yield Problem(candidate.rule.origin, what, f"add `accept reg_send {atom(key[0])}`")


def _example(part: Part) -> tuple[str, ...] | None:
    return None if part.kind == "any" else (part.text,)
