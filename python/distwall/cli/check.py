"""``distwall check``: the errors of a policy, and warnings about settings that can't work."""

from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.text import Text

from distwall.cli.output import Output, OutputOption, complain, console, print_json, say, warn
from distwall.cli.policy_file import BadPolicyError, find_config, load_policy, unreadable
from distwall.policy import Policy, PolicyError, Problem, load, warnings
from distwall.policy.attacks import Success, offline_attacks, successes
from distwall.policy.explanation import rule_to_json
from distwall.policy.model import Entry
from distwall.policy.powers import listed, powers

_AROUND = 50
"""Characters shown before and behind the place of a problem."""


def check(
    file: Annotated[Path | None, typer.Argument(help="The policy file.", show_default=False)] = None,
    attack: Annotated[bool, typer.Option(help="Also try known attacks on each entry, offline.")] = False,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Check a policy file: errors, warnings, and what each entry's peers can do.

    With --attack, list the known attacks that would take effect. The core judges them; nothing is sent.
    """
    if output is Output.JSON:
        _check_json(find_config(file), attack=attack)
        return
    try:
        policy = load_policy(file)
    except BadPolicyError as error:
        for problem in error.problems:
            complain(problem)
            if problem.rule is not None:
                _point(*problem.rule)
        raise typer.Exit(2) from None
    found = warnings(policy)
    for warning in found:
        warn(warning)
    for entry in policy.entries:
        console().print(Text(powers(policy, entry).sentence(entry.node)))
        if attack:
            _print_successes(policy, entry)
    console().print(
        Text.assemble((str(policy.path), "bold"), ": ", ("fine", "green"), f", {_summary(policy, len(found))}")
    )


def _print_successes(policy: Policy, entry: Entry) -> None:
    """Prints the attacks that would take effect, one line for each effect."""
    by_effect: defaultdict[str, list[Success]] = defaultdict(list)
    found = list(successes(policy, entry))
    for success in found:
        by_effect[success.attack.effect].append(success)
    if not found:
        console().print(Text(f"    none of {len(offline_attacks())} known attacks takes effect", style="green"))
    for effect, those in by_effect.items():
        names = listed([success.attack.name for success in those])
        rules = listed(["audit mode" if success.rule is None else f"`{success.rule.text}`" for success in those])
        console().print(Text.assemble("    ", (effect, "bold red"), f": {names}; by {rules}"))


def _point(text: str, at: int) -> None:
    """Prints a rule, and below it a mark at the problem."""
    # Of a long rule, what is around the place.
    start = max(0, at - _AROUND) if len(text) > 2 * _AROUND else 0
    shown = "".join(c if c.isprintable() else " " for c in text[start : start + 2 * _AROUND])
    say(Text(f"    {shown}", style="dim"))
    say(Text(f"    {' ' * cell_len(shown[: at - start])}^", style="bold red"))


def _summary(policy: Policy, warned: int) -> str:
    parts = [
        f"guards {', '.join(policy.guard.nodes)}",
        _count(len(policy.entries), "entry", "entries"),
        _count(len(policy.rules), "rule", "rules"),
        _count(warned, "warning", "warnings"),
    ]
    return ", ".join(parts)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _check_json(path: Path, *, attack: bool) -> None:
    errors: tuple[Problem, ...] = ()
    found: list[Problem] = []
    unread: str | None = None
    policy: Policy | None = None
    try:
        policy = load(path)
        found = warnings(policy)
    except PolicyError as error:
        errors = error.problems
    except OSError as error:
        unread = unreadable(path, error)
    print_json(
        {
            "file": str(path),
            "ok": not errors and unread is None,
            "errors": [_problem(error) for error in errors] or ([{"what": unread}] if unread else []),
            "warnings": [_problem(warning) for warning in found],
            "entries": [] if policy is None else [_entry(policy, entry, attack=attack) for entry in policy.entries],
        }
    )
    if errors or unread:
        raise typer.Exit(2)


def _entry(policy: Policy, entry: Entry, *, attack: bool) -> dict[str, Any]:
    found = powers(policy, entry)
    shown = {
        "node": entry.node,
        "line": entry.origin.line,
        "can": found.sentence(entry.node),
        "any_code": list(found.any_code),
        "audited": found.audited,
    }
    return {**shown, "attacks": [_success(each) for each in successes(policy, entry)]} if attack else shown


def _success(success: Success) -> dict[str, Any]:
    attack, asked = success.attack, success.attack.question
    return {
        "name": attack.name,
        "kind": attack.kind,
        "effect": attack.effect,
        "command": asked.command,
        "key": asked.key,
        "term": asked.term,
        "rule": None if success.rule is None else rule_to_json(success.rule),
    }


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "file": str(problem.origin.path),
        "line": problem.origin.line,
        "column": problem.origin.column,
        "what": problem.what,
        "remedy": problem.remedy,
    }
