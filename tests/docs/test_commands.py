"""Command lines in README and docs: distwall must accept each of them."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.exceptions import TyperException

from distwall.cli.app import app
from tests.docs.pages import PAGES, TOP, blocks

ROOT: Any = typer.main.get_command(app)
ENDS = {"|", "||", "&", "&&", ";", ">", "<", "(", ")"}


def lines(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each call of ``distwall`` in a shell block."""
    text = text.replace("\\\n", " ").replace('"$(', "( ").replace(')"', " )")
    for line in text.splitlines():
        if not re.search(r"(^|[ (])distwall ", line.partition("#")[0]):
            continue
        words = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
        words.whitespace_split = True
        rest = list(words)
        while "distwall" in rest:
            rest = rest[rest.index("distwall") + 1 :]
            end = next((at for at, word in enumerate(rest) if word in ENDS), len(rest))
            # Brackets mark what may be left out.
            yield [word.strip("[]") for word in rest[:end]]


def parse(args: list[str], command: Any = ROOT) -> None:
    """Parse the arguments as the command line does, without running anything."""
    if subcommands := getattr(command, "commands", None):
        assert args, "a command is missing"
        assert args[0] in subcommands, f"no such command: {args[0]}"
        parse(args[1:], subcommands[args[0]])
    else:
        command.make_context(command.name, list(args))


SHOWN = [(page, shlex.join(args)) for page, text in blocks("sh") for args in lines(text)]


@pytest.mark.parametrize(("page", "args"), SHOWN)
def test_commands_of_shell_blocks_parse(page: str, args: str) -> None:
    parse(shlex.split(args))


@pytest.mark.parametrize("args", ["fly", "stats --fly", "explain foo@h", "audit fly", "observe -n x"])
def test_what_is_no_command_line_does_not_parse(args: str) -> None:
    with pytest.raises((AssertionError, TyperException)):
        parse(args.split())


def spans() -> Iterator[tuple[str, str]]:
    """Yield page and words of every ``distwall ...`` in running text, each of ``attach|detach`` by itself."""
    for page in PAGES:
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        for names, rest in re.findall(r"`distwall ([a-z][\w|\\-]*)((?: [^`]*)?)`", text):
            for name in names.replace("\\", "").split("|"):
                yield page.relative_to(TOP).as_posix(), name + rest


def options_of(words: list[str]) -> set[str]:
    """Return the options that the command of these words has."""
    command = ROOT.commands[words[0]]
    if words[1:] and (subcommands := getattr(command, "commands", None)):
        command = subcommands[words[1].partition("|")[0].rstrip("\\")]
    return {"--help"} | {name for parameter in command.params for name in parameter.opts}


@pytest.mark.parametrize(("page", "text"), sorted(set(spans())))
def test_commands_in_running_text_exist_and_have_these_options(page: str, text: str) -> None:
    """Arguments may be missing there."""
    words = text.split(" -- ", maxsplit=1)[0].split()
    given = {word.strip("[]").partition("=")[0] for word in words if word.strip("[").startswith("-")}
    assert given <= options_of(words)
