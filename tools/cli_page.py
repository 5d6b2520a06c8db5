"""The reference of the command line, from the commands themselves."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import typer

from distwall.cli.app import app

HEAD = """<!-- Made from python/distwall/cli by `make pages`; do not edit. -->
# Command line

Every command of `distwall`, with its arguments and options; `distwall COMMAND --help` says the same.

Exit codes: 0 fine, 1 trouble, 2 wrong usage or a policy with errors.

"""
SHARED = 5
"""An option that at least this many commands have, with the same text, is described once."""

Command = Any
"""A command as Typer makes it. Typer brings its own copy of Click, whose classes it does not export."""


def page() -> str:
    """Return the page as Markdown."""
    commands = dict(_commands())
    uses = Counter(record for command in commands.values() for record in _options(command))
    shared = {record for record, count in uses.items() if count >= SHARED}
    rows = "".join(f"| [`{name}`](#{_anchor(name)}) | {_summary(command)} |\n" for name, command in commands.items())
    parts = [
        HEAD,
        f"| command | purpose |\n| --- | --- |\n{rows}",
        "\n## Options that many commands share\n\n",
        _table("option", [record for record in uses if record in shared]),
    ]
    parts.extend(_section(name, command, shared) for name, command in commands.items())
    return "".join(parts)


def _commands() -> Iterator[tuple[str, Command]]:
    """Yield all commands by the words that call them, such as ``distwall audit tail``."""
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        subcommands = getattr(command, "commands", None)
        if subcommands is None:
            yield f"distwall {name}", command
        else:
            for second, inner in subcommands.items():
                yield f"distwall {name} {second}", inner


def _section(name: str, command: Command, shared: set[tuple[str, str]]) -> str:
    usage = " ".join([name, *command.collect_usage_pieces(_context(command))])
    arguments = [parameter.get_help_record(_context(command)) for parameter in _parameters(command, "argument")]
    own = [record for record in _options(command) if record not in shared]
    rest = ", ".join(f"`{record[0]}`" for record in _options(command) if record in shared)
    parts = [f"\n## {name}\n\n```text\n{usage}\n```\n\n{_help(command)}\n"]
    if arguments:
        parts.append("\n" + _table("argument", arguments))
    if own:
        parts.append("\n" + _table("option", own))
    if rest:
        parts.append(f"\n[Shared](#options-that-many-commands-share): {rest}.\n")
    return "".join(parts)


def _options(command: Command) -> list[tuple[str, str]]:
    """Return name and help text of the command's options, without ``--help``."""
    context = _context(command)
    return [option.get_help_record(context) for option in _parameters(command, "option") if option.name != "help"]


def _parameters(command: Command, kind: str) -> list[Any]:
    return [parameter for parameter in command.params if parameter.param_type_name == kind]


def _context(command: Command) -> Any:
    return command.make_context(command.name, [], resilient_parsing=True)


def _help(command: Command) -> str:
    return _plain(str(command.help).strip())


def _summary(command: Command) -> str:
    """Return the first paragraph of the command's help."""
    return _help(command).partition("\n\n")[0].replace("\n", " ")


def _table(kind: str, records: list[tuple[str, str]]) -> str:
    rows = "".join(f"| `{name.replace('|', chr(92) + '|')}` | {_plain(text)} |\n" for name, text in records)
    return f"| {kind} | meaning |\n| --- | --- |\n{rows}"


def _plain(text: str) -> str:
    """Return the text with what Markdown would take for itself escaped."""
    return re.sub(r"([*|<])", r"\\\1", text)


def _anchor(heading: str) -> str:
    return heading.replace(" ", "-")
