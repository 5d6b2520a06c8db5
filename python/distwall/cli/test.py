"""``distwall test``: tests of a policy, kept beside it."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from distwall.cli.output import CommandError, ConfigOption, Output, OutputOption, console, print_json
from distwall.cli.policy_file import find_config, load_policy
from distwall.policy import Policy, PolicyError, rule_to_json
from distwall.policy.file.policy_tests import ExpectationFile, Outcome, files_in, outcome_to_json, read, run, untested


def test_(
    path: Annotated[Path, typer.Argument(help="A folder with tests, or one file.", show_default=False)],
    config: ConfigOption = None,
    coverage: Annotated[bool, typer.Option("--coverage", help="List the rules that decide in no test.")] = False,
    threshold: Annotated[
        int | None, typer.Option(min=0, max=100, help="Fail below this coverage, in percent.", show_default=False)
    ] = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Run the tests of a policy."""
    files = [_read(file) for file in files_in(path)]
    if not files:
        raise CommandError(f"{path}: no tests; write [[test]] tables into a file NAME.test.toml", exit_code=2)
    policies: dict[Path, Policy] = {}
    outcomes: dict[Path, list[Outcome]] = {}
    for file in files:
        named = find_config(config) if file.policy is None else file.path.parent / file.policy
        where = named.resolve()
        if where not in policies:
            policies[where] = load_policy(named)
        outcomes.setdefault(where, []).extend(run(policies[where], file.tests))
    missed = [(policies[where], untested(policies[where], found)) for where, found in outcomes.items()]
    every = [outcome for found in outcomes.values() for outcome in found]
    percent = _percent(missed)
    failed = any(outcome.trouble is not None for outcome in every)
    if output is Output.JSON:
        print_json(_json(every, missed, percent))
    else:
        _print(every, missed if coverage or threshold is not None else None, percent)
    if threshold is not None and percent < threshold:
        raise CommandError(f"the tests cover {percent} % of the rules, not {threshold} %; add tests for the others")
    if failed:
        raise typer.Exit(1)


def _read(path: Path) -> ExpectationFile:
    try:
        return read(path)
    except PolicyError as error:
        raise CommandError(str(error), exit_code=2) from None
    except OSError as error:
        raise CommandError(
            f"{path}: can't read the tests: {error.strerror}; correct the path or its permissions", exit_code=2
        ) from None


def _percent(missed: list[tuple[Policy, list[Any]]]) -> int:
    rules = sum(len(policy.rules) for policy, _ in missed)
    return 100 if not rules else 100 * (rules - sum(len(left) for _, left in missed)) // rules


def _print(outcomes: list[Outcome], missed: list[tuple[Policy, list[Any]]] | None, percent: int) -> None:
    out = console()
    for outcome in outcomes:
        if outcome.trouble is None:
            rule = outcome.answer.rule if outcome.answer else None
            by = "no rule matches it" if rule is None else f"{rule.origin}  {rule.text}"
            out.print(Text.assemble(("ok    ", "green"), outcome.test.name, (f"  {by}", "dim")), soft_wrap=True)
        else:
            where = outcome.test.origin
            line = Text.assemble(("FAIL  ", "bold red"), f"{where}  ", (outcome.test.name, "bold"))
            out.print(line.append(f": {outcome.trouble}"), soft_wrap=True)
    if missed is not None:
        for _, rules in missed:
            for rule in rules:
                out.print(Text.assemble(("untested  ", "yellow"), f"{rule.origin}  {rule.text}"), soft_wrap=True)
        out.print(f"coverage {percent} % of the rules")
    failed = sum(outcome.trouble is not None for outcome in outcomes)
    out.print(f"{len(outcomes) - failed} passed, {failed} failed")


def _json(outcomes: list[Outcome], missed: list[tuple[Policy, list[Any]]], percent: int) -> dict[str, Any]:
    failed = sum(outcome.trouble is not None for outcome in outcomes)
    return {
        "ok": not failed,
        "passed": len(outcomes) - failed,
        "failed": failed,
        "tests": [outcome_to_json(outcome) for outcome in outcomes],
        "coverage": {
            "percent": percent,
            "untested": [rule_to_json(rule) for _, rules in missed for rule in rules],
        },
    }
