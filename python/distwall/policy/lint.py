"""Warnings about a policy: rules that never decide, and calls that fail although they are accepted.

The policy is safe and in force, but it surprises.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from operator import eq

from distwall._core import OTP_NAME_PREFIXES, OTP_NAMES, print_atom
from distwall.clock import rfc3339, utc
from distwall.policy.idle_services import idle_services
from distwall.policy.language.grammar import FUNCTION_COMMANDS, Key
from distwall.policy.language.names import Part, glob_matches, is_glob
from distwall.policy.language.ranking import Ranking, rank
from distwall.policy.language.rules import Rule, is_known_service, is_service
from distwall.policy.language.term_patterns import (
    AtomPattern,
    ListPattern,
    TermPattern,
    TuplePattern,
    TypePattern,
    VariablePattern,
    WildcardPattern,
)
from distwall.policy.model import Entry, Policy, strength
from distwall.policy.powers import runs_any_code
from distwall.policy.problem import Origin, Problem
from distwall.policy.runners import RUNNERS, SENDERS
from distwall.policy.wide_rules import wide_rules

_CALL_ELEMENTS = 3
"""Elements of the message of a gen call: label, caller, request."""

_CARRIERS = (
    ("erlang", "apply", "2"),
    ("proc_lib", "init_p", "3"),
    ("proc_lib", "init_p", "5"),
    ("erpc", "execute_call", "4"),
    ("erpc", "execute_cast", "3"),
)
"""Functions that carry a call in their arguments: rules see the called function."""


MAX_ENTRIES = 500
"""Entries that are looked at: entries are compared with each other, so thousands of them would take minutes."""


def warnings(policy: Policy) -> list[Problem]:
    """All warnings about a policy without errors, in the order of the file. No warning is given twice.

    They cost ten times as much as reading the policy, so they are looked for only where somebody sees them.
    """
    return sorted({*policy.noticed, *_all(policy)})


def _all(policy: Policy) -> Iterator[Problem]:
    if not policy.entries:
        origin = Origin(policy.path, 1, 1)
        yield Problem(origin, "no peer can connect", "add a [[peers]] entry, or a cookie to [defaults]")
    entries = policy.entries[:MAX_ENTRIES]
    if len(policy.entries) > MAX_ENTRIES:
        what = f"the warnings are about the first {MAX_ENTRIES} of {len(policy.entries)} entries"
        remedy = "put peers with the same rules under one glob, or check parts of the policy"
        yield Problem(policy.entries[MAX_ENTRIES].origin, what, remedy)
    else:
        # A rule of a table may decide in an entry that is not looked at.
        yield from _shadowed(policy)
    yield from _unreachable_entries(entries)
    yield from _two_parties(entries)
    yield from _unbound_names(policy)
    for entry in entries:
        ranked = policy.ranked(entry)
        yield from _hidden_defaults(policy, entry, ranked)
        yield from _broken_services(entry, ranked)
        yield from idle_services(policy, entry, ranked)
        yield from _calls_without_monitor(ranked)
        yield from _idle_otp_internal(entry, ranked)
        yield from _closed_names(entry, ranked)
        yield from _runners(entry, ranked)
        yield from wide_rules(policy, entry, ranked)
        yield from _idle_denials(policy, entry, ranked)
    for rule in policy.rules:
        yield from _of_one_rule(rule)


def _unreachable_entries(entries: Sequence[Entry]) -> Iterator[Problem]:
    for index, entry in enumerate(entries):
        for earlier in entries[:index]:
            if earlier.node == entry.node and (earlier.guards is None or earlier.guards == entry.guards):
                what = f"this entry never applies: the entry in line {earlier.origin.line} is for {entry.node}, too"
                yield Problem(entry.origin, what, "merge the two, or give them different `guards`")
                break


def _two_parties(entries: Sequence[Entry]) -> Iterator[Problem]:
    """Entries by which another party comes under the same names, to other guarded nodes."""
    for index, entry in enumerate(entries):
        for other in entries[:index]:
            # An entry for all guarded nodes leaves no name of its own to weaker entries.
            stronger = max(other, entry, key=strength)
            overlap = glob_matches(entry.node, other.node) or glob_matches(other.node, entry.node)
            differ = entry.guards != other.guards and entry.identity != other.identity
            if overlap and differ and stronger.guards is not None:
                what = f"the entry in line {other.origin.line} lets in another party by names that fit here, too"
                remedy = "name a guarded node with each setting and grant for them, or give them other names"
                yield Problem(entry.origin, what, remedy)
                break


def _unbound_names(policy: Policy) -> Iterator[Problem]:
    """Entries for many names: any peer with a certificate of the CA, and the entry's cookie, can take each name."""
    if policy.guard.tls is None or policy.guard.tls.verify_peer:
        return
    for entry in policy.entries:
        if entry.tls and is_glob(entry.node) and not entry.certificate:
            what = f"any certificate of `ca` is accepted for every name that fits {entry.node}"
            yield Problem(entry.origin, what, 'bind each certificate to its name, as in certificate = "{host}"')


def _shadowed(policy: Policy) -> Iterator[Problem]:
    """Rules that never decide, because other rules of the same layer always come first."""
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
    """Defaults that a broader attached rule silences, if that reverses the verdict."""
    for rule in policy.defaults:
        if rule.command == "*" or is_service(rule):
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


def _of_one_rule(rule: Rule) -> Iterator[Problem]:
    """Warnings about a single rule."""
    until, now = rule.statement.until, utc()
    if until is not None and until <= now:
        ended = f"has ended at {rfc3339(until)}"
        if rule.statement.audit:
            yield Problem(
                rule.origin, f"the audit mode of `{rule.text}` {ended}: it is enforced", "remove the two options"
            )
        else:
            yield Problem(rule.origin, f"`{rule.text}` {ended}", "remove it, or write a later time")
    if not is_service(rule) and rule.statement.pattern is not None and rule.command in FUNCTION_COMMANDS:
        term = rule.statement.pattern.term
        arity = rule.key[2] if rule.key else None
        count = len(term.elements) if isinstance(term, ListPattern) and term.tail is None else None
        if not isinstance(term, ListPattern | WildcardPattern | VariablePattern) and term not in (
            TypePattern("list"),
            TypePattern("string"),
        ):
            yield Problem(
                rule.origin, f"`{rule.text}` never matches: arguments are a list", "write `when [PATTERN, ...]`"
            )
        elif count is not None and arity is not None and arity.kind == "exact" and arity.text != str(count):
            what = f"`{rule.text}` never matches: {count} arguments for a function of {arity.text}"
            yield Problem(rule.origin, what, "write a pattern for each argument")
    if rule.verdict == "accept" and not is_service(rule) and rule.key is not None:
        if rule.command in FUNCTION_COMMANDS and any(_names(rule.key, carrier) for carrier in _CARRIERS):
            what = f"`{rule.text}` does not decide about calls through this function: rules see the function inside"
            yield Problem(rule.origin, what, "write `accept call M:F/A` for that function")
        elif rule.command == "reg_send" and rule.key == (Part("exact", "rex"),):
            what = f"`{rule.text}` does not decide about calls: rules see the function inside"
            yield Problem(rule.origin, what, "write `accept call M:F/A` for that function")


def _names(key: Key, function: tuple[str, str, str]) -> bool:
    """True if a key names a function, with or without its arity."""
    named = key[:2] == (Part("exact", function[0]), Part("exact", function[1]))
    return named and key[2].matches(function[2])


def _runners(entry: Entry, ranked: Ranking) -> Iterator[Problem]:
    """Accepted calls of functions that run any function given to them: even functions that are refused by name."""
    warned: set[Rule] = set()
    for function in (*RUNNERS, *SENDERS):
        winner = ranked.decides("call", function)
        if winner is None or winner.rule.verdict != "accept" or winner.rule in warned:
            continue
        if is_known_service(winner.rule):
            continue
        warned.add(winner.rule)
        module, name, arity = function
        does = "runs any function" if function in RUNNERS else "sends any message: `rex` runs any function"
        what = f"for {entry.node}, `{winner.rule.text}` accepts {module}:{name}/{arity}, which {does}"
        yield Problem(winner.rule.origin, what, "accept single functions by their names")


def _idle_denials(policy: Policy, entry: Entry, ranked: Ranking) -> Iterator[Problem]:
    """Refused functions, where another rule lets any code run: that code can call them."""
    widest = _any_code(policy, entry, ranked)
    if widest is None:
        return
    for candidate in ranked:
        rule = candidate.rule
        if candidate.command in FUNCTION_COMMANDS and candidate.key is not None and rule.verdict != "accept":
            what = f"for {entry.node}, `{rule.text}` can't hold: `{widest}` lets any code run"
            yield Problem(rule.origin, what, "accept single functions by their names instead")


def _any_code(policy: Policy, entry: Entry, ranked: Ranking) -> str | None:
    """The rule that lets the peer run any code, if there is one."""
    sent = ranked.decides("send", None)
    if sent is not None and sent.command == "*" and sent.rule.verdict == "accept":
        return sent.rule.text
    for candidate in ranked:
        accepts = candidate.rule.verdict == "accept" and is_known_service(candidate.rule)
        if accepts and runs_any_code(policy, entry, candidate):
            return candidate.rule.text
    for function in (*RUNNERS, *SENDERS):
        winner = ranked.decides("call", function) or ranked.decides("spawn_request", function)
        if winner is not None and winner.rule.verdict == "accept":
            return winner.rule.text
    return None


def _broken_services(entry: Entry, ranked: Ranking) -> Iterator[Problem]:
    """Accepted services with a part that another rule refuses. After a refused ping, the peer disconnects."""
    broken: set[Rule] = set()
    for part in ranked:
        rule = part.rule
        if not is_service(rule) or rule.verdict != "accept" or rule in broken:
            continue
        if part.key is not None and any(each.kind != "exact" for each in part.key):
            continue
        key = None if part.key is None else tuple(each.text for each in part.key)
        scopes = () if part.scope is None else (part.scope,)
        winner = ranked.decides(part.command, key, scopes=scopes, fits=partial(eq, part.pattern))
        if winner is None or winner.rule.verdict == "accept" or winner.rule.command == rule.command:
            continue
        broken.add(rule)
        effect = "their pings say pang and disconnect" if rule.command == "ping" else "a part of it is refused"
        what = f"for {entry.node}, `{winner.rule.text}` hides `{rule.text}` (line {rule.origin.line}): {effect}"
        remedy = f"add `{rule.text}` to this list if it should hold"
        yield Problem(winner.rule.origin, what, remedy)


def _calls_without_monitor(ranked: Ranking) -> Iterator[Problem]:
    """Accepted sends to a name with a refused monitor: a call makes the monitor first, and fails."""
    for candidate in ranked:
        if candidate.command != "reg_send" or candidate.rule.verdict != "accept" or is_service(candidate.rule):
            continue
        if candidate.pattern is not None and not _may_be_call(candidate.pattern.term):
            continue
        key = _example(candidate.key[0]) if candidate.key else None
        sent = ranked.decides("reg_send", key, fits=partial(eq, candidate.pattern))
        monitored = ranked.decides("monitor", key)
        if sent is not candidate or (monitored and (monitored.rule.verdict == "accept" or monitored.key)):
            continue
        name = "" if candidate.key is None else f" {candidate.key[0]}"
        what = f"`{candidate.rule.text}` without `accept monitor{name}`: calls to it fail with noproc"
        yield Problem(candidate.rule.origin, what, f"add `accept monitor{name}`, unless you only want casts")


def _may_be_call(term: TermPattern) -> bool:
    """True if messages that match can be gen calls."""
    if not isinstance(term, TuplePattern):
        return isinstance(term, WildcardPattern | VariablePattern)
    return len(term.elements) == _CALL_ELEMENTS and not (
        isinstance(term.elements[0], AtomPattern) and term.elements[0].text != "$gen_call"
    )


def _idle_otp_internal(entry: Entry, ranked: Ranking) -> Iterator[Problem]:
    """`otp_internal` rules that are never asked, about refused commands or commands that `accept *` accepts."""
    for candidate in ranked:
        if candidate.command != "otp_internal" or is_service(candidate.rule):
            continue
        key = _example(candidate.key[0]) if candidate.key else None
        sent = ranked.decides("reg_send", key, fits=lambda _: True) or ranked.decides("send", None)
        text = candidate.rule.text
        if candidate.rule.verdict != "accept" and sent and sent.command == "*" and sent.rule.verdict == "accept":
            what = f"for {entry.node}, `{text}` is not asked: `{sent.rule.text}` accepts everything"
            yield Problem(candidate.rule.origin, what, "accept single commands instead of `*`")
        elif candidate.rule.verdict == "accept" and key and (sent is None or sent.rule.verdict != "accept"):
            what = f"for {entry.node}, `{text}` opens nothing: no rule accepts the message itself"
            yield Problem(candidate.rule.origin, what, f"add `accept reg_send {print_atom(key[0])}`")


def _closed_names(entry: Entry, ranked: Ranking) -> Iterator[Problem]:
    """Sends accepted to a process of OTP's own, without a description of the messages: these open nothing."""
    for candidate in ranked:
        rule, key = candidate.rule, candidate.key
        if candidate.command != "reg_send" or key is None or key[0].kind != "exact" or rule.verdict != "accept":
            continue
        name = key[0].text
        if not (name in OTP_NAMES or name.startswith(OTP_NAME_PREFIXES)):
            continue
        if rule.command == "gen_event":
            what = f"for {entry.node}, `{rule.text}` opens all events of a process of OTP's own, which obeys some"
            yield Problem(rule.origin, what, "describe the events with `accept reg_send NAME when {notify, ...}`")
            continue
        if rule.command not in ("gen_server", "gen_statem") and (candidate.pattern is not None or is_service(rule)):
            continue
        opens = ranked.decides("otp_internal", (name,), fits=lambda _: True)
        if opens is None or opens.rule.verdict != "accept":
            what = f"for {entry.node}, `{rule.text}` opens nothing: this process is one of OTP's own"
            yield Problem(rule.origin, what, "describe its messages with `when`, or accept a service")


def _example(part: Part) -> tuple[str, ...] | None:
    return None if part.kind == "any" else (part.text,)
