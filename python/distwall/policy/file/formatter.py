"""Formats rules: ``distwall fmt`` rewrites the rules of a file, and leaves the rest as it is.

Only the strings in lists of rules are touched. Words are one space apart; in a list with one rule a line, the commands
are aligned. Patterns keep the spelling of their terms and get their spaces: ``{a, #{k := _}}``.
"""

import re
from collections.abc import Iterator
from typing import Any

from distwall._core import print_atom
from distwall.clock import rfc3339
from distwall.policy.file.rule_lists import LIST_KEYS, RuleLists
from distwall.policy.file.table import Problems, Table
from distwall.policy.file.toml_source import Source, TomlPath
from distwall.policy.language.cursor import RuleSyntaxError
from distwall.policy.language.grammar import Statement, parse_rule
from distwall.policy.language.names import key_text
from distwall.policy.problem import PolicyError

_TOKEN = re.compile(
    r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"            # quoted
      |\$(?:\\(?:x\{[0-9A-Fa-f]*\}|x..|\^.|[0-7]{1,3}|.)|.)  # a character
      |[0-9][0-9A-Za-z_\#]*(?:\.[0-9][0-9_]*(?:[eE][+-]?[0-9]+)?)?
      |[\w@]+|:=|=>|<<|>>|\#\{|\#Ref<|\S""",
    re.VERBOSE,
)
_SPACED = {":=", "=>", "|"}


def formatted(source: Source) -> str:
    """The text of a policy file with formatted rules. Raises PolicyError for rules that can't be read."""
    problems = Problems()
    top = Table(source, (), source.values, problems, known=source.values)
    lists = RuleLists()
    lists.read_services(top)
    edits: list[tuple[int, int, str]] = []
    for path in _lists(source.values):
        statements: list[tuple[int, Statement]] = []
        for index, text in _strings(source, path):
            try:
                said = parse_rule(text, lists.services)
            except RuleSyntaxError as error:
                problems.error(source.within((*path, index), error.index), error.what, error.remedy)
                continue
            statements.append((index, said))
        edits.extend(_edits(source, path, statements))
    if problems.errors:
        raise PolicyError(tuple(problems.errors))
    text = source.text
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def rule_text(said: Statement, *, width: int = 0) -> str:
    """A formatted rule; its verdict is padded to ``width``."""
    parts = [
        f"{said.verdict:<{width}}",
        said.command,
        None if said.key is None else key_text(said.key),
        None if said.argument is None else print_atom(said.argument),
        None if said.scope is None else f"to {said.scope}",
        None if said.application is None else f"of {print_atom(said.application)}",
        None if said.pattern is None else f"when {tidy(said.pattern.text)}",
        "mode=audit" if said.audit else None,
        None if said.until is None else f"until={rfc3339(said.until)}",
    ]
    return " ".join(part for part in parts if part is not None)


def tidy(pattern: str) -> str:
    """The text of a pattern with uniform spaces; its terms keep their spelling."""
    made = ""
    before = ""
    for match in _TOKEN.finditer(pattern):
        token = match[0]
        if token in _SPACED:
            made += f" {token} "
        elif before in (",", "fun") or before[:1] == token[:1] == '"':
            made += f" {token}"
        else:
            made += token
        before = token
    return made


def _lists(values: dict[str, Any]) -> Iterator[TomlPath]:
    """The paths of all lists of rules, except the lists of services, where words are placeholders."""
    tables, peers = values.get("tables"), values.get("peers")
    holders: dict[TomlPath, object] = {("defaults",): values.get("defaults")}
    if isinstance(tables, dict):
        holders |= {("tables", name): table for name, table in tables.items()}
    if isinstance(peers, list):
        holders |= {("peers", index): table for index, table in enumerate(peers)}
    for path, holder in holders.items():
        if isinstance(holder, dict):
            yield from ((*path, key) for key in sorted(LIST_KEYS) if isinstance(holder.get(key), list))


def _strings(source: Source, path: TomlPath) -> Iterator[tuple[int, str]]:
    values: Any = source.values
    for step in path:
        values = values[step]
    return ((index, text) for index, text in enumerate(values) if isinstance(text, str))


def _edits(source: Source, path: TomlPath, statements: list[tuple[int, Statement]]) -> Iterator[tuple[int, int, str]]:
    lines = {source.value((*path, index)).line for index, _ in statements}
    width = max((len(said.verdict) for _, said in statements), default=0) if len(lines) > 1 else 0
    for index, said in statements:
        start, end = source.literal((*path, index))
        yield start, end, _literal(rule_text(said, width=width), source.text[start:end])


def _literal(text: str, before: str) -> str:
    """``text`` as a TOML string, in quotes of the same kind as ``before`` if possible."""
    if before[0] == "'" and not before.startswith("'''") and "'" not in text:
        return f"'{text}'"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
