"""The answers of ``explain``: what a policy does with one command of one peer, and why.

The judge of the core is asked, the same that judges what peers send; here its answer is put into words.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from distwall import _core
from distwall.clock import rfc3339, utc
from distwall.policy.language.grammar import FUNCTION_COMMANDS, Verdict, takes_key
from distwall.policy.language.ranking import Ranking
from distwall.policy.language.rules import Filter, Rule, Specificity, precision
from distwall.policy.model import Entry, Policy, RuleSet
from distwall.policy.question import CheckedQuestion, Question

# What tracking lets pass without a rule (DESIGN: "Answers and endings need no rule").
ANSWERS_AND_ENDINGS = frozenset({"demonitor", "exit", "monitor_exit", "spawn_reply", "unlink", "unlink_ack"})
_MESSAGES = frozenset({"reg_send", "send", "alias_send"})
STAGE_QUESTIONS = {
    "sender": "Is the sender a process of the peer?",
    "target": "Is the target a process of the guarded node, in its present incarnation?",
    "answer": "Does the command answer or end something?",
    "call": "Which function does it call?",
    "rule": "Which rule decides?",
    "options": "Does it come with spawn options or a group leader that the rules don't open?",
    "name": "Who is the process that it aims at, and what do the rules say of it?",
    "otp_internal": "Would one of OTP's own processes run code for it?",
    "third_node": "Does it carry a pid, port or reference of a node that the entry does not allow?",
    "funs": "Does it carry a fun that the entry does not allow?",
    "limit": "Is there room for it, and for what it leaves behind?",
}
"""The questions of the judge's stages, as docs/rules.md has them."""

_CLASSES = {
    Specificity.PATTERN: "a pattern",
    Specificity.KEY: "a key",
    Specificity.PREFIX: "a prefix",
    Specificity.SCOPE: "`to`",
    Specificity.COMMAND: "a command",
    Specificity.ALL: "`*`",
}


@dataclass(frozen=True, slots=True)
class Loser:
    """A rule that matches too, and the reason why it does not decide."""

    rule: Rule
    why: str


@dataclass(frozen=True, slots=True)
class Special:
    """A rule before the deciding one, which would decide only for some targets or messages."""

    rule: Rule
    to: str | None
    when: str | None

    @property
    def condition(self) -> str:
        """The cases in which it decides, in words."""
        to = f"the target is {self.to}" if self.to else ""
        when = f"the message matches {self.when}" if self.when else ""
        return " and ".join(filter(None, (to, when)))


@dataclass(frozen=True, slots=True)
class StageAnswer:
    """The answer of one stage of the judge."""

    stage: str
    verdict: Verdict | None
    """The refusal that the stage asks for; None: it has nothing against the command."""
    reason: str | None
    rule: Rule | None
    """The rule behind the refusal, if a rule is."""
    waived: bool
    """True if the command goes on all the same, and the refusal is recorded."""
    called: str | None
    """The function that the command calls; found by the stage ``call``."""
    rules: tuple[tuple[Rule, str], ...]
    """The rules about the command and its target, in their order, each with its outcome."""

    @property
    def question(self) -> str:
        """The question of the stage, as docs/rules.md has it."""
        return STAGE_QUESTIONS[self.stage]

    @property
    def decider(self) -> Rule | None:
        """The rule that decides in this stage."""
        return next((rule for rule, outcome in self.rules if outcome == "decides"), None)

    def to_json(self) -> dict[str, Any]:
        """The answer as JSON."""
        return {
            "stage": self.stage,
            "verdict": self.verdict,
            "reason": self.reason,
            "rule": None if self.rule is None else rule_to_json(self.rule),
            "waived": self.waived,
            "called": self.called,
            "rules": [
                {**rule_to_json(rule), "verdict": rule.verdict, "outcome": outcome} for rule, outcome in self.rules
            ],
        }


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer.

    ``reason``: as in events (``rule``; ``default``: no rule matches; ``otp_internal``, ...), ``no_entry`` (the peer
    can't connect) or ``no_rules`` (no rules judge commands to the peer).
    """

    peer: str
    command: str
    key: str | None
    verdict: Verdict
    reason: str
    entry: Entry | None
    rule: Rule | None
    special: tuple[Special, ...]
    losers: tuple[Loser, ...]
    notes: tuple[str, ...]
    audited: bool
    """True if the command passes all the same, and is recorded."""
    stages: tuple[StageAnswer, ...]
    """The answers of the stages, in their order."""

    def to_json(self) -> dict[str, Any]:
        """The explanation as JSON."""
        return {
            "peer": self.peer,
            "command": self.command,
            "key": self.key,
            "verdict": self.verdict,
            "audited": self.audited,
            "reason": self.reason,
            "entry": None
            if self.entry is None
            else {"node": self.entry.node, "file": str(self.entry.origin.path), "line": self.entry.origin.line},
            "rule": None if self.rule is None else rule_to_json(self.rule),
            "special": [
                {"to": each.to, "when": each.when, **rule_to_json(each.rule), "verdict": each.rule.verdict}
                for each in self.special
            ],
            "lost": [
                {**rule_to_json(loser.rule), "verdict": loser.rule.verdict, "why": loser.why} for loser in self.losers
            ],
            "notes": list(self.notes),
            "stages": [stage.to_json() for stage in self.stages],
        }


def rule_to_json(rule: Rule) -> dict[str, Any]:
    """A rule as events and explanations name it."""
    return {
        "text": rule.text,
        "where": rule.where,
        "file": str(rule.origin.path),
        "line": rule.origin.line,
        "column": rule.origin.column,
    }


def explain(
    policy: Policy,
    peer: str,
    question: Question,
    guard: str | None = None,
    *,
    rule_set: RuleSet | None = None,
    now: datetime | None = None,
) -> Explanation:
    """The verdict of ``policy`` on a command of ``peer`` at the guarded node ``guard`` (None: any), and the reason.

    ``rule_set``: the rules for the peer; None: the rules of the file. ``now``: the time; None: by the system's clock.
    Raises QuestionError.
    """
    asked = CheckedQuestion(policy, peer, question, guard)
    entry = policy.entry_for(peer, guard)
    if entry is None:
        note = "no [[peers]] entry names this node: it can't connect, and gets not_allowed in the handshake"
        return _unasked(asked, None, "deny", "no_entry", note)
    if rule_set is None:
        rule_set = policy.rule_set_out(entry) if question.out else policy.rule_set(entry)
    if rule_set is None:
        note = "no `rules_out` apply to the peer, so all commands to it pass"
        return _unasked(asked, entry, "accept", "no_rules", note)
    found = asked.put(rule_set.core, audit=policy.audits(entry, now or utc()), checked_funs=entry.funs == "checked")
    return _Answer(asked, rule_set, entry, found).explanation()


def _unasked(asked: CheckedQuestion, entry: Entry | None, verdict: Verdict, reason: str, note: str) -> Explanation:
    """The answer to a question that the judge need not be asked."""
    command, key = asked.question.command, asked.shown_key
    return Explanation(asked.peer, command, key, verdict, reason, entry, None, (), (), (note,), False, ())


class _Answer:
    """The core's answer to a question, to be put into words."""

    def __init__(self, asked: CheckedQuestion, rule_set: RuleSet, entry: Entry, found: "_core.Explanation") -> None:
        self.asked = asked
        self.rule_set = rule_set
        self.ranked = rule_set.ranked
        self.entry = entry
        self.found = found
        self.by_id = {candidate.rule.id: candidate.rule for candidate in self.ranked}
        self.reports = {report.stage: report for report in found.stages}

    def explanation(self) -> Explanation:
        """The answer in words."""
        asked, found = self.asked, self.found
        decisive = self._decisive()
        winner = self._winner(decisive)
        rule = None if found.rule is None else self.by_id[found.rule]
        if winner is not None and found.verdict == "accept":
            rule = winner.rule
        return Explanation(
            peer=asked.peer,
            command=asked.question.command,
            key=asked.shown_key,
            verdict=found.verdict,
            reason=found.reason,
            entry=self.entry,
            rule=rule,
            special=tuple(special for report in found.stages for special in self._special(report)),
            losers=tuple(self._losers(decisive, winner)),
            notes=tuple(self._notes()),
            audited=found.audited,
            stages=tuple(self._stage(report) for report in found.stages),
        )

    def _decisive(self) -> "_core.StageReport | None":
        """The stage whose rules decided: the first with an objection by a rule, else `rule`."""
        objecting = (report for report in self.found.stages if report.verdict is not None)
        report = next(objecting, None)
        if report is not None and (report.rule is not None or self.asked.question.command == "otp_internal"):
            return report
        opened = self.reports.get("otp_internal")
        if self.asked.question.command == "otp_internal" and opened is not None and opened.considered:
            return opened
        return self.reports.get("rule")

    def _filter(self, considered: "_core.ConsideredRule") -> Filter:
        return self.ranked.filters[considered.rank]

    def _winner(self, report: "_core.StageReport | None") -> Filter | None:
        considered = report.considered if report else ()
        return next((self._filter(each) for each in considered if each.outcome == "decides"), None)

    def _depends(self, considered: "_core.ConsideredRule") -> bool:
        """True if whether the rule holds depends on what the question leaves open."""
        return considered.outcome == "unknown" or (considered.outcome == "scope" and self.asked.question.to is None)

    def _special(self, report: "_core.StageReport") -> Iterator[Special]:
        for each in report.considered:
            if each.outcome == "decides":
                return
            if self._depends(each):
                candidate = self._filter(each)
                when = None if candidate.pattern is None else str(candidate.pattern)
                yield Special(candidate.rule, candidate.scope, when)

    def _losers(self, report: "_core.StageReport | None", winner: Filter | None) -> Iterator[Loser]:
        if report is None or winner is None:
            return
        behind = False
        for each in report.considered:
            if behind and (each.outcome == "weaker" or self._depends(each)):
                candidate = self._filter(each)
                yield Loser(candidate.rule, _why_lost(self.ranked, winner, candidate))
            behind = behind or each.outcome == "decides"

    def _stage(self, report: "_core.StageReport") -> StageAnswer:
        rules = tuple((self._filter(each).rule, each.outcome) for each in report.considered)
        rule = None if report.rule is None else self.by_id[report.rule]
        return StageAnswer(
            report.stage, report.verdict, report.reason, rule, report.waived, _called(report.called), rules
        )

    def _notes(self) -> Iterator[str]:
        question, key = self.asked.question, self.asked.key
        command = question.command
        winner = self._winner(self.reports.get("rule"))
        if key is None and takes_key(command) and any(f.key and f.command == command for f in self.ranked):
            yield "rules with a key are left out: give a KEY to ask about one target"
        called = self.reports["call"].called if "call" in self.reports else None
        if called is not None and called[0] == "opaque" and question.term is None:
            yield f"{self.asked.shown_key} carries a call in its arguments; give them with --term"
        if not question.out:
            yield from self._notes_on_answers(winner)
            yield from self._note_on_requests(winner)
            yield from self._notes_on_ended_rules()

    def _notes_on_answers(self, winner: Filter | None) -> Iterator[str]:
        command = self.asked.question.command
        by_name = winner is not None and winner.command != "*"
        if command in ANSWERS_AND_ENDINGS and not by_name:
            yield "answers to the guarded node, and the ends of accepted links and monitors, pass without a rule"
        if command in ANSWERS_AND_ENDINGS and any(
            each.outcome == "not_meant" for each in self.reports["rule"].considered
        ):
            yield "`accept *` does not cover an answer or an ending that belongs to nothing"
        if command in _MESSAGES and not by_name and not (winner and winner.rule.verdict == "accept"):
            yield "replies to calls of the guarded node pass without a rule"

    def _note_on_requests(self, winner: Filter | None) -> Iterator[str]:
        asked = self.asked
        if asked.question.command not in _MESSAGES or asked.term is not None or winner is None:
            return
        if winner.rule.verdict != "accept" or winner.command == "*":
            return
        request = asked.put(self.rule_set.core, obeyed=True)
        if request.reason == "otp_internal":
            name = f" {asked.shown_key}" if asked.question.command == "reg_send" and asked.key else ""
            yield (
                "messages that make an OTP process run code are still refused;"
                f" `accept otp_internal{name}` would let them pass"
            )

    def _notes_on_ended_rules(self) -> Iterator[str]:
        now = utc()
        for rule in (rule for rules in (*self.entry.attached, self.asked.policy.defaults) for rule in rules):
            until = rule.statement.until
            if until is not None and not rule.holds(now) and self.asked.aims_at(rule):
                yield f"`{rule.text}` in line {rule.origin.line} has ended at {rfc3339(until)}"


def _called(called: tuple[str, str] | None) -> str | None:
    match called:
        case ("function", text):
            return text
        case ("fun", module):
            return f"a fun of {module}"
        case ("opaque", _):
            return "a function that can't be told"
        case _:
            return None


def _why_lost(ranked: Ranking, winner: Filter, loser: Filter) -> str:
    layer = ranked.layer(winner.rule)
    if layer < ranked.layer(loser.rule):
        if layer == 0:
            return "a granted table decides before all other rules"
        return "defaults decide only if no rule of the peer matches"
    if winner.command != loser.command and "*" not in (winner.command, loser.command):
        if winner.command == "call":
            return "a `call` rule decides before rules about the message or spawn request with the call"
        if loser.command in FUNCTION_COMMANDS:
            return "a rule that refuses a message refuses the call in it"
        return "a rule about a message does not decide about the call in it"
    ours, theirs = precision(winner), precision(loser)
    for place in (0, 1):
        if ours[place] != theirs[place]:
            return f"{_CLASSES[Specificity(ours[place])]} is more specific than {_CLASSES[Specificity(theirs[place])]}"
    if ours != theirs:
        if ours[2] != theirs[2]:
            return "its prefix is shorter"
        return "it has more `_`" if loser.scope is None else "`to any` is wider"
    if winner.rule.where != loser.rule.where:
        return f"equally specific, and {winner.rule.where} comes before {loser.rule.where}"
    return "equally specific, and written later"
