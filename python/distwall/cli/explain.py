"""``distwall explain``: the verdict on one command of one peer, and the reason."""

from typing import Annotated

import typer
from rich.text import Text

from distwall.cli.output import CommandError, ConfigOption, Output, OutputOption, console, print_json
from distwall.cli.policy_file import load_policy
from distwall.policy import Explanation, Question, QuestionError, Rule, StageAnswer
from distwall.policy import explain as ask

_STYLES = {"accept": "bold green", "deny": "bold red", "drop": "bold magenta"}


def explain(  # noqa: PLR0917
    peer: Annotated[str, typer.Argument(help="A node name, as in foo@10.0.0.1.", show_default=False)],
    command: Annotated[str, typer.Argument(help="One of the 14 commands, call, or otp_internal.", show_default=False)],
    key: Annotated[
        str | None, typer.Argument(help="A registered name, or M:F/A for call and spawn_request.", show_default=False)
    ] = None,
    term: Annotated[
        str | None,
        typer.Option(help="The message, exit reason or list of arguments, as Erlang writes it.", show_default=False),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(help="How the peer knows its target: exposed, spawned or linked.", show_default=False),
    ] = None,
    out: Annotated[bool, typer.Option("--out", help="Ask about a command of the guarded node to the peer.")] = False,
    guard: Annotated[str | None, typer.Option(help="The guarded node, if entries differ by it.")] = None,
    config: ConfigOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Say which rule decides about a command, and why."""
    policy = load_policy(config)
    try:
        explanation = ask(policy, peer, Question(command, key, to, term, out), guard)
    except QuestionError as error:
        raise CommandError(str(error), exit_code=2) from None
    if output is Output.JSON:
        print_json(explanation.to_json())
        return
    for line in _lines(explanation):
        console().print(line, soft_wrap=True)


def _lines(explanation: Explanation) -> list[Text]:
    asked = " ".join(part for part in (explanation.peer, explanation.command, explanation.key) if part)
    lines = [Text.assemble((explanation.verdict.upper(), _STYLES[explanation.verdict]), f"  {asked}")]
    if explanation.audited:
        lines[0].append("  (it passes all the same, and is recorded: mode=audit)")
    lines.extend(_about("first", each.rule, f"decides where {each.condition}") for each in explanation.special)
    if explanation.rule:
        lines.append(_about("decides", explanation.rule))
    elif explanation.reason == "default":
        lines.append(Text.assemble(("  decides  ", "dim"), "no rule matches it, so it is denied"))
    elif explanation.reason not in ("no_entry", "no_rules"):
        lines.append(Text.assemble(("  decides  ", "dim"), f"the stage {explanation.reason}, by no rule"))
    lines.extend(_about("loses", loser.rule, loser.why) for loser in explanation.losers)
    said = {stage.stage: line for stage in explanation.stages if (line := _stage(stage))}
    # Where only the rules have something to say, it is said above.
    lines.extend(Text.assemble(("  stage    ", "dim"), line) for line in said.values() if said.keys() != {"rule"})
    if explanation.entry:
        entry = explanation.entry
        lines.append(Text.assemble(("  entry    ", "dim"), f"{entry.origin}  ", (entry.node, "bold")))
    lines.extend(Text.assemble(("  note     ", "dim"), note) for note in explanation.notes)
    return lines


def _stage(said: StageAnswer) -> str:
    """The answer of a stage in words; empty if it has nothing to say."""
    found = f"{said.stage}: {said.question}"
    if said.verdict is not None:
        by = f" by `{said.rule.text}`" if said.rule else ""
        recorded = ", which is only recorded" if said.waived else ""
        return f"{found} {said.verdict.upper()}{by} ({said.reason}){recorded}"
    if said.called is not None:
        return f"{found} {said.called}"
    return f"{found} `{said.decider.text}` accepts it" if said.decider else ""


def _about(role: str, rule: Rule, why: str = "") -> Text:
    text = Text.assemble((f"  {role:<9}", "dim"), f"{rule.origin}  ", (rule.text, "bold"), f"  ({rule.where})")
    if why:
        text.append(f": {why}")
    return text
