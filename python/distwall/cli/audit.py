"""``distwall audit``: checks the log, and shows its end."""

import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from distwall.audit.anchor import head_path
from distwall.audit.chain import Link, Seal
from distwall.audit.event_selection import EventSelection, SelectionError
from distwall.audit.tail import follow as following
from distwall.audit.tail import last as latest
from distwall.audit.verify import Report, UnreadableError, log_files
from distwall.audit.verify import verify as check
from distwall.cli.event_options import FollowOption, LastOption, selecting, show
from distwall.cli.output import CommandError, ConfigOption, Output, OutputOption, console, print_json
from distwall.cli.policy_file import load_policy, own_path
from distwall.files import regular_file

app = typer.Typer(name="audit", help="Check and read the audit log.", no_args_is_help=True)


@app.command()
def verify(
    files: Annotated[
        list[Path] | None, typer.Argument(help="All files of a log, in any order. Default: the policy's.")
    ] = None,
    *,
    head: Annotated[
        list[str] | None,
        typer.Option(
            "--head", metavar="SEQ:HASH", help="A line that the log has to contain, as an earlier check printed it."
        ),
    ] = None,
    start: Annotated[int | None, typer.Option("--from", min=1, help="The log begins with this line.")] = None,
    key_file: Annotated[Path | None, typer.Option("--key-file", help="The key of a log without a policy.")] = None,
    key_env: Annotated[str | None, typer.Option("--key-env", help="The environment variable with the key.")] = None,
    config: ConfigOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Find lines of the log that were changed, cut out, added or moved; exit code 1 if there are any."""
    anchors = [_link(text) for text in head or ()]
    key = _key(key_file, key_env)
    log: Path | None
    if files:
        # distwall writes the file with an anchor beside it.
        log = next((file for file in files if head_path(file).exists()), None)
    else:
        settings = load_policy(config).audit
        log = settings.file
        key = key or settings.key
        files = log_files(log)
    try:
        report = check(files, log=log, seal=Seal(key), anchors=anchors, start=start)
    except UnreadableError as error:
        raise CommandError(str(error)) from None
    _tell(report, output)


@app.command()
@selecting
def tail(
    *,
    wanted: dict[str, list[str]],
    unwanted: list[str],
    last: LastOption = 20,
    follow: FollowOption = False,
    config: ConfigOption = None,
    output: OutputOption = Output.HUMAN,
) -> None:
    """Show the end of the log. Several values of one option mean "or"; different options mean "and"."""
    path = own_path(config, "audit", "file")
    try:
        chosen = EventSelection(wanted, unwanted)
        events, seq = latest(path, last, chosen)
        for each in events:
            show(each, output)
        if follow:
            for each in following(path, seq, chosen):
                show(each, output)
    except SelectionError as error:
        raise CommandError(str(error), exit_code=2) from None
    except OSError as error:
        raise CommandError(f"{path}: can't read the log: {error.strerror}; correct its permissions") from None


def _link(text: str) -> Link:
    match = re.fullmatch(r"([1-9][0-9]{0,18}):([0-9a-f]{64})", text)
    if match is None:
        raise CommandError(f"`{text}` is not SEQ:HASH; copy it from an earlier check", exit_code=2)
    return Link(int(match[1]), match[2])


def _key(file: Path | None, variable: str | None) -> bytes | None:
    if file is not None:
        try:
            return regular_file.read(file).rstrip(b"\r\n")
        except OSError as error:
            raise CommandError(f"{file}: can't read the key: {error.strerror}; correct the path") from None
    if variable is not None:
        if variable not in os.environ:
            raise CommandError(f"the environment variable {variable} is not set; set it to the key", exit_code=2)
        return os.environb[variable.encode()]
    return None


def _tell(report: Report, output: Output) -> None:
    if output is Output.JSON:
        print_json(
            {
                "ok": report.ok,
                "files": report.files,
                "lines": report.lines,
                "first": report.first,
                "last": None if report.last is None else str(report.last),
                "findings": [asdict(finding) for finding in report.findings],
                "more": report.more,
                "notes": report.notes,
            }
        )
    else:
        out = console()
        for finding in report.findings:
            out.print(Text(str(finding)), soft_wrap=True)
        if report.more:
            out.print(f"and {report.more} more")
        for note in report.notes:
            out.print(Text.assemble(("note", "yellow"), f": {note}"), soft_wrap=True)
        if report.ok:
            files = f"{len(report.files)} {'file' if len(report.files) == 1 else 'files'}"
            what = f": {report.lines} lines in {files}, the last is {report.last or 'none'}"
            out.print(Text.assemble(("fine", "green"), what), soft_wrap=True)
    if not report.ok:
        raise typer.Exit(1)
