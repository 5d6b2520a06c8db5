"""Tests of a policy, kept beside it: commands of peers, and the expected verdicts.

A file of tests is TOML with ``[[test]]`` tables. ``run`` asks ``explain`` about each. A test fails for another verdict,
or (with ``rule``) for another deciding rule.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from distwall.files import regular_file
from distwall.policy.explanation import Explanation, explain
from distwall.policy.file.table import Problems, Table
from distwall.policy.file.toml_source import Source
from distwall.policy.language.rules import Rule
from distwall.policy.model import Policy
from distwall.policy.problem import Origin, PolicyError, Problem
from distwall.policy.question import Question, QuestionError

_KEYS = {"name", "peer", "guard", "command", "key", "to", "term", "direction", "expect", "rule"}
_EXPECT = ("accept", "deny", "drop")
_DIRECTIONS = ("in", "out")


@dataclass(frozen=True, slots=True)
class Expectation:
    """One test: a question, and the expected answer."""

    name: str
    peer: str
    guard: str | None
    question: Question
    expect: Literal["accept", "deny", "drop"]
    rule: str | None
    """The text of the rule that has to decide; None: any rule."""
    origin: Origin


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a test. ``trouble`` is the reason of a failure; None: passed."""

    test: Expectation
    answer: Explanation | None
    trouble: str | None


@dataclass(frozen=True, slots=True)
class ExpectationFile:
    """A file of tests."""

    path: Path
    policy: str | None
    """The path of its policy, from the file; None: the policy that other commands use."""
    tests: tuple[Expectation, ...]


def files_in(path: Path) -> list[Path]:
    """The files of tests in a folder and its subfolders: all ``.toml`` with ``[[test]]``, or the one file itself."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*.toml") if file.name.endswith(".test.toml") or _has_tests(file))


def read(path: Path) -> ExpectationFile:
    """Reads a file of tests. Raises PolicyError and OSError."""
    try:
        text = regular_file.read(path).decode("utf-8")
    except UnicodeDecodeError:
        raise PolicyError((Problem(Origin(path, 1, 1), "not UTF-8", "save the file as UTF-8"),)) from None
    source = Source(text, path)
    problems = Problems()
    top = Table(source, (), source.values, problems, known={"policy", "test"})
    tests = top.values.get("test", [])
    if not isinstance(tests, list) or not tests:
        top.key_error("test", "no tests", "write each one as [[test]]")
        tests = []
    made = tuple(_test(top.table("test", index, known=_KEYS)) for index in range(len(tests)))
    policy = top.string("policy", "") or None
    if problems.errors:
        raise PolicyError(tuple(problems.errors))
    return ExpectationFile(path, policy, made)


def run(policy: Policy, tests: Sequence[Expectation]) -> Iterator[Outcome]:
    """Asks about each of ``tests``."""
    for test in tests:
        try:
            answer = explain(policy, test.peer, test.question, test.guard)
        except QuestionError as error:
            yield Outcome(test, None, str(error))
            continue
        yield Outcome(test, answer, _trouble(test, answer))


def untested(policy: Policy, outcomes: Sequence[Outcome]) -> list[Rule]:
    """The rules of the policy that decided in no test, in its order."""
    decided = {outcome.answer.rule for outcome in outcomes if outcome.answer is not None}
    return [rule for rule in sorted(policy.rules, key=lambda rule: rule.origin) if rule not in decided]


def _trouble(test: Expectation, answer: Explanation) -> str | None:
    decided = "no rule" if answer.rule is None else f"`{answer.rule.text}` in line {answer.rule.origin.line}"
    if answer.verdict != test.expect:
        return f"{answer.verdict}, not {test.expect}: {decided} decides"
    wanted = None if test.rule is None else " ".join(test.rule.split())
    if wanted is not None and (answer.rule is None or " ".join(answer.rule.text.split()) != wanted):
        return f"{decided} decides, not `{test.rule}`"
    return None


def _has_tests(path: Path) -> bool:
    try:
        return "[[test]]" in regular_file.read(path).decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return False


def _test(table: Table) -> Expectation:
    for key in ("name", "peer", "command", "expect"):
        if key not in table and table.usable:
            table.error(None, f"`{key}` is missing in this test", f'write {key} = "..."')
    expect = _choice(table, "expect", _EXPECT)
    return Expectation(
        name=table.string("name", ""),
        peer=table.string("peer", ""),
        guard=_optional(table, "guard"),
        question=Question(
            table.string("command", ""),
            _optional(table, "key"),
            _optional(table, "to"),
            _optional(table, "term"),
            out=_choice(table, "direction", _DIRECTIONS) == "out",
        ),
        expect=expect,  # type: ignore[arg-type]
        rule=_optional(table, "rule"),
        origin=table.origin,
    )


def _optional(table: Table, key: str) -> str | None:
    return table.string(key, "") if key in table else None


def _choice(table: Table, key: str, choices: tuple[str, ...]) -> str:
    text = table.string(key, choices[0])
    if text not in choices:
        table.error(key, f"`{key}` is `{text}`", f"write one of {', '.join(choices)}")
        return choices[0]
    return text


def outcome_to_json(outcome: Outcome) -> Mapping[str, Any]:
    """An outcome as JSON."""
    return {
        "name": outcome.test.name,
        "file": str(outcome.test.origin.path),
        "line": outcome.test.origin.line,
        "ok": outcome.trouble is None,
        "trouble": outcome.trouble,
        "expect": outcome.test.expect,
        "answer": None if outcome.answer is None else outcome.answer.to_json(),
    }
