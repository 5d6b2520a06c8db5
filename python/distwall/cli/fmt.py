"""``distwall fmt``: formats rules."""

import stat
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from distwall.cli.output import CommandError, console
from distwall.cli.policy_file import find_config, unreadable
from distwall.files import regular_file
from distwall.files.replacement import replace_file
from distwall.policy import PolicyError
from distwall.policy.file.formatter import formatted
from distwall.policy.file.toml_source import Source

_SHOWN = 10
"""Most lines that a message names."""


def fmt(
    file: Annotated[Path | None, typer.Argument(help="The policy file.", show_default=False)] = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; exit 1 if something would change.")] = False,
) -> None:
    """Format the rules of a policy file; comments and layout stay."""
    path = find_config(file)
    try:
        text = regular_file.read(path).decode("utf-8")
        new = formatted(Source(text, path))
    except PolicyError as error:
        raise CommandError(str(error), exit_code=2) from None
    except UnicodeDecodeError:
        raise CommandError(f"{path}: not UTF-8; save the file as UTF-8", exit_code=2) from None
    except OSError as error:
        raise CommandError(unreadable(path, error), exit_code=2) from None
    old = text.replace("\r\n", "\n")
    if new == old:
        console().print(Text.assemble((str(path), "bold"), ": ", ("fine", "green")))
        return
    changed = [
        index for index, pair in enumerate(zip(old.split("\n"), new.split("\n"), strict=False), 1) if len(set(pair)) > 1
    ]
    shown = ", ".join(map(str, changed[:_SHOWN])) + (", ..." if len(changed) > _SHOWN else "")
    if check:
        raise CommandError(f"{path}: unformatted rules in line {shown}; run distwall fmt")
    try:
        _write(path, new.replace("\n", "\r\n") if "\r\n" in text else new)
    except OSError as error:
        raise CommandError(f"{path}: can't write the policy file: {error.strerror}; correct its permissions") from None
    console().print(Text.assemble((str(path), "bold"), ": ", ("formatted", "green"), f", line {shown}"))


def _write(path: Path, text: str) -> None:
    """Replaces the file that the path leads to; its owner and mode stay."""
    path = path.resolve()
    status = path.stat()
    replace_file(path, text.encode(), mode=stat.S_IMODE(status.st_mode), owner=(status.st_uid, status.st_gid))
