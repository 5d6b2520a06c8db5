"""Reads lists of rules, in ``[defaults]``, ``[tables.NAME]`` and entries, and the services of the file."""

import re
from collections.abc import Mapping
from difflib import get_close_matches

from distwall._core import COMMANDS
from distwall.policy.file.table import Table
from distwall.policy.language.grammar import RuleSyntaxError
from distwall.policy.language.rules import Rule, make_rule
from distwall.policy.language.services import Service, argument_fault, built_in, filter_fault

LIST_KEYS = {"rules", "rules_out"}

_TABLE_NAME = re.compile(r"[A-Za-z0-9_-]+")
_SERVICE_NAME = re.compile(r"[a-z][a-z0-9_]*")


class RuleLists:
    """All rules of a file so far, the tables that entries may attach, and the services that rules may name."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.tables: dict[str, tuple[Rule, ...]] = {}
        self.tables_out: dict[str, tuple[Rule, ...]] = {}
        self.services: Mapping[str, Service] = built_in()
        self.attached: set[str] = set()

    def read(self, table: Table, where: str) -> tuple[Rule, ...]:
        """The ``rules`` of a table."""
        return self._list(table, "rules", where)

    def read_out(self, table: Table, where: str) -> tuple[Rule, ...] | None:
        """The ``rules_out`` of a table; None if it has no such list."""
        return self._list(table, "rules_out", where) if "rules_out" in table else None

    def _list(self, table: Table, key: str, where: str) -> tuple[Rule, ...]:
        rules: list[Rule] = []
        first: dict[tuple[object, ...], Rule] = {}
        for index, text in table.strings(key):
            path = (*table.path, key, index)
            origin = table.source.within(path, len(text) - len(text.lstrip()))
            try:
                rule = make_rule(len(self.rules), text, origin, where, self.services)
            except RuleSyntaxError as error:
                at = table.source.within(path, error.index)
                table.problems.error(at, error.what, error.remedy, (text, error.index))
                continue
            if earlier := first.get(rule.identity):
                what = f"`{rule.text}` repeats `{earlier.text}` in line {earlier.origin.line}"
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
            table = top.table("tables", name, known=LIST_KEYS)
            self.tables[name] = self.read(table, f"table {name}")
            out = self.read_out(table, f"table {name}")
            if out is not None:
                self.tables_out[name] = out

    def read_services(self, top: Table) -> None:
        """Reads ``[services]``: the services that the file adds."""
        services = top.values.get("services", {})
        if not isinstance(services, dict):
            top.error("services", "`services` is not a table", "write each one as [services.NAME]")
            return
        own: dict[str, Service] = {}
        for name in services:
            if fault := _name_fault(name):
                top.problems.error(top.source.key(("services", name)), *fault)
            own[name] = _service(name, top.table("services", name, known={"rules", "argument", "default"}))
        self.services = {**self.services, **own}

    def attach(self, entry: Table) -> tuple[str, ...]:
        """The names of the tables that an entry attaches."""
        names: list[str] = []
        for index, name in entry.strings("tables"):
            if name not in self.tables:
                close = get_close_matches(name, self.tables, n=1)
                remedy = f"did you mean `{close[0]}`?" if close else f"add [tables.{name}], or remove the name"
                entry.error("tables", f"no table `{name}`", remedy, index=index)
            elif name in names:
                entry.error("tables", f"the table `{name}` is named twice", "name it once", index=index)
            else:
                names.append(name)
        self.attached.update(names)
        return tuple(names)

    def warn_of_idle_tables(self, top: Table) -> None:
        """Notes the tables that no entry attaches."""
        for name in self.tables.keys() - self.attached:
            top.problems.warn(
                top.source.key(("tables", name)),
                f"no entry attaches the table `{name}`: its rules hold only while it is granted or attached",
                "name it in the `tables` of an entry, unless it is meant for grants",
            )


def _name_fault(name: str) -> tuple[str, str] | None:
    """The reason why a service can't have that name, and the remedy."""
    if not _SERVICE_NAME.fullmatch(name):
        return f"`{name}` can't name a service", "use small letters, digits and `_`, a letter first"
    if name in COMMANDS or name in ("otp_internal", "call"):
        return f"`{name}` is a command", "give the service another name"
    if name in built_in():
        return f"distwall has a service `{name}`", "give this one another name"
    return None


def _service(name: str, table: Table) -> Service:
    argument = table.string("argument", "", fault=argument_fault) or None
    default = table.string("default", "") if "default" in table else None
    if "default" in table and "argument" not in table:
        table.key_error("default", "`default` without `argument`", 'name the word in `rules`, as in argument = "NAME"')
    texts = table.strings("rules")
    if not texts and table.usable and table.values.get("rules", []) == []:
        table.error(
            "rules" if "rules" in table else None,
            "`rules` is missing in this service",
            'write rules = ["reg_send NAME"]',
        )
    service = Service(name, tuple(text for _, text in texts), argument, default)
    for number, (index, text) in enumerate(texts):
        if error := filter_fault(service, number):
            at = table.source.within((*table.path, "rules", index), error.index)
            table.problems.error(at, error.what, error.remedy, (text, error.index))
    return service
