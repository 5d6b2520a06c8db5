"""Reads lists of rules: those of ``[defaults]``, of ``[tables.NAME]`` and of entries."""

import re
from difflib import get_close_matches

from distwall.policy.grammar import RuleSyntaxError
from distwall.policy.reader import Table
from distwall.policy.rules import Rule, make_rule

_TABLE_NAME = re.compile(r"[A-Za-z0-9_-]+")


class RuleLists:
    """All rules of a file so far, and the tables that entries may attach."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.tables: dict[str, tuple[Rule, ...]] = {}
        self.attached: set[str] = set()

    def read(self, table: Table, where: str) -> tuple[Rule, ...]:
        """The ``rules`` of a table."""
        rules: list[Rule] = []
        first: dict[tuple[object, ...], Rule] = {}
        for index, text in table.strings("rules"):
            path = (*table.path, "rules", index)
            origin = table.source.within(path, len(text) - len(text.lstrip()))
            try:
                rule = make_rule(len(self.rules), text, origin, where)
            except RuleSyntaxError as error:
                table.problems.error(table.source.within(path, error.index), error.what, error.remedy)
                continue
            if earlier := first.get(rule.identity):
                what = f"`{rule.text}` judges the same as `{earlier.text}` in line {earlier.origin.line}"
                table.problems.error(origin, what, "keep one of them")
                continue
            first[rule.identity] = rule
            self.rules.append(rule)
            rules.append(rule)
        return tuple(rules)

    def read_tables(self, top: Table) -> None:
        """All of ``[tables]``."""
        tables = top.values.get("tables", {})
        if not isinstance(tables, dict):
            top.error("tables", "`tables` is not a table", "write each one as [tables.NAME]")
            return
        for name in tables:
            if not _TABLE_NAME.fullmatch(name):
                origin = top.source.key(("tables", name))
                top.problems.error(origin, f"`{name}` can't name a table", "use letters, digits, `_` and `-`")
            table = top.table("tables", name, known={"rules"}, later={"rules_out", "mode"})
            self.tables[name] = self.read(table, f"table {name}")

    def attach(self, entry: Table) -> tuple[str, ...]:
        """The names of the tables that an entry attaches."""
        names: list[str] = []
        for index, name in entry.strings("tables"):
            if name not in self.tables:
                close = get_close_matches(name, self.tables, n=1)
                remedy = f"did you mean `{close[0]}`?" if close else f"add [tables.{name}], or remove the name"
                entry.error("tables", f"no table `{name}`", remedy, index=index)
            elif name in names:
                entry.error("tables", f"the table `{name}` twice", "name it once", index=index)
            else:
                names.append(name)
        self.attached.update(names)
        return tuple(names)

    def warn_of_idle_tables(self, top: Table) -> None:
        """Notes the tables that no entry attaches."""
        for name in self.tables.keys() - self.attached:
            top.problems.warn(
                top.source.key(("tables", name)),
                f"no entry attaches the table `{name}`",
                "name it in the `tables` of an entry",
            )
