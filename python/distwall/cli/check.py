"""``distwall check``: does the policy check, and does it mean what it says?"""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from distwall.cli.output import Output, OutputOption, console, find_config, load_policy, print_json, unreadable, warn
from distwall.policy import Policy, PolicyError, Problem, load


def check(
    file: Annotated[Path | None, typer.Argument(help="The policy file.", show_default=False)] = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Check a policy file, and warn of what can't work."""
    if output is Output.JSON:
        _check_json(find_config(file))
        return
    policy = load_policy(file)
    for warning in policy.warnings:
        warn(warning)
    console().print(Text.assemble((str(policy.path), "bold"), ": ", ("fine", "green"), f", {_summary(policy)}"))


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
