"""``distwall check``: the errors of a policy, and warnings about settings that can't work."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.cells import cell_len
from rich.text import Text

from distwall.cli.output import (
    BadPolicyError,
    Output,
    OutputOption,
    complain,
    console,
    find_config,
    load_policy,
    print_json,
    say,
    unreadable,
    warn,
)
from distwall.policy import Policy, PolicyError, Problem, load

_AROUND = 50
"""Characters shown before and behind the place of a problem."""


def check(
    file: Annotated[Path | None, typer.Argument(help="The policy file.", show_default=False)] = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Check a policy file, and warn of settings that can't work."""
    if output is Output.JSON:
        _check_json(find_config(file))
        return
    try:
        policy = load_policy(file)
    except BadPolicyError as error:
        for problem in error.problems:
            complain(problem)
            if problem.rule is not None:
                _point(*problem.rule)
        raise typer.Exit(2) from None
    for warning in policy.warnings:
        warn(warning)
    console().print(Text.assemble((str(policy.path), "bold"), ": ", ("fine", "green"), f", {_summary(policy)}"))


def _point(text: str, at: int) -> None:
    """Prints a rule, and below it a mark at the problem."""
    # Of a long rule, what is around the place.
    start = max(0, at - _AROUND) if len(text) > 2 * _AROUND else 0
    shown = "".join(c if c.isprintable() else " " for c in text[start : start + 2 * _AROUND])
    say(Text(f"    {shown}", style="dim"))
    say(Text(f"    {' ' * cell_len(shown[: at - start])}^", style="bold red"))


def _summary(policy: Policy) -> str:
    parts = [
        f"guards {', '.join(policy.guard.nodes)}",
        _count(len(policy.entries), "entry", "entries"),
        _count(len(policy.rules), "rule", "rules"),
        _count(len(policy.warnings), "warning", "warnings"),
    ]
    return ", ".join(parts)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"


def _check_json(path: Path) -> None:
    errors: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    unread: str | None = None
    try:
        warnings = load(path).warnings
    except PolicyError as error:
        errors = error.problems
    except OSError as error:
        unread = unreadable(path, error)
    print_json(
        {
            "file": str(path),
            "ok": not errors and unread is None,
            "errors": [_problem(error) for error in errors] or ([{"what": unread}] if unread else []),
            "warnings": [_problem(warning) for warning in warnings],
        }
    )
    if errors or unread:
        raise typer.Exit(2)


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "file": str(problem.origin.path),
        "line": problem.origin.line,
        "column": problem.origin.column,
        "what": problem.what,
        "remedy": problem.remedy,
    }
