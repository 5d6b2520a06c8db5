"""Reads ``mode`` and ``until``: of the whole file, or of an entry."""

from distwall.clock import rfc3339, utc
from distwall.policy.file.table import Table
from distwall.policy.model import Mode

MODE_KEYS = {"mode", "until"}


def read_mode(table: Table) -> Mode | None:
    """The mode that ``table`` sets; None if it sets none."""
    until = table.time("until")
    if "mode" not in table:
        if "until" in table:
            table.key_error(
                "until", "`until` without `mode`", 'write mode = "audit"; rules have an until=TIME of their own'
            )
        return None
    text = table.string("mode", "enforce")
    if text not in ("audit", "enforce"):
        table.error("mode", f"unknown mode `{text}`", 'write mode = "audit" or mode = "enforce"')
    elif text == "enforce" and "until" in table:
        table.key_error("until", '`until` with mode = "enforce"', 'leave it out, or write mode = "audit"')
    mode = Mode(text == "audit", until)
    if mode.audit and until is not None and not mode.audits(utc()):
        what = f"the audit mode ended at {rfc3339(until)}: the rules are enforced"
        table.problems.warn(table.at("until"), what, "remove `mode` and `until`, or write a later time")
    return mode
