"""``distwall doctor``: ways round the firewall, and how to close them."""

from pathlib import Path

import typer
from rich.text import Text

from distwall.cli.output import CommandError, ConfigOption, Output, OutputOption, console, print_json
from distwall.cli.policy_file import find_config, unreadable
from distwall.doctor import Finding, examine, examine_without_policy
from distwall.policy import Policy, PolicyError, load

_STYLES = {"problem": "bold red", "warning": "yellow"}


def doctor(config: ConfigOption = None, output: OutputOption = Output.HUMAN) -> None:
    """Find ways round the firewall, and say how to close them."""
    path, policy, fault = _policy(config)
    found = examine(policy) if policy else examine_without_policy(path)
    problems = sum(finding.severity == "problem" for finding in found)
    if output is Output.JSON:
        print_json(
            {
                "file": str(path) if path else None,
                "policy_error": fault,
                "problems": problems,
                "warnings": len(found) - problems,
                "findings": [finding.to_json() for finding in found],
            }
        )
    else:
        _show(found, problems, whole=policy is not None)
    if fault is not None:
        if output is Output.JSON:
            raise typer.Exit(2)
        raise CommandError(fault, exit_code=2)
    if problems:
        raise typer.Exit(1)


def _policy(config: Path | None) -> tuple[Path | None, Policy | None, str | None]:
    """The policy file, the policy, and the error if it can't be used."""
    try:
        path = find_config(config)
    except CommandError as error:
        return None, None, str(error)
    try:
        return path, load(path), None
    except PolicyError as error:
        return path, None, str(error)
    except OSError as error:
        return path, None, unreadable(path, error)


def _show(found: list[Finding], problems: int, *, whole: bool) -> None:
    out = console()
    for finding in found:
        style = _STYLES[finding.severity]
        out.print(Text.assemble((f"{finding.severity:<7}", style), f"  {finding.what}"), soft_wrap=True)
        out.print(Text.assemble(("  where  ", "dim"), finding.where), soft_wrap=True)
        out.print(Text.assemble(("  do     ", "dim"), finding.remedy), soft_wrap=True)
    warnings = len(found) - problems
    summary = f"{_count(problems, 'problem')}, {_count(warnings, 'warning')}" if found else "nothing found"
    if not whole:
        summary += "; the policy has errors, so only some checks were made"
    out.print(Text(summary, "green" if not problems and whole else "bold"))


def _count(number: int, one: str) -> str:
    return f"{number} {one}{'' if number == 1 else 's'}"
