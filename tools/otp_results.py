"""The last outcome of ``make test-otp`` for each pair of OTP releases, and the table of it in docs/testing.md.

``python -m tools.otp_results PAIR JUNIT-FILE`` keeps the outcome of one run; ``scripts/test-otp`` calls it.
"""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from tools.tables import filled, table

TOP = Path(__file__).resolve().parents[1]
KEPT = TOP / "tests" / "nodes" / "otp-results.json"
PAGE = TOP / "docs" / "testing.md"


def record(pair: str, junit: Path, kept: Path = KEPT) -> None:
    """Keep the outcome of a run: the pair's earlier one is forgotten."""
    suite = ET.parse(junit).getroot().find("testsuite")  # noqa: S314 - pytest wrote it a moment ago
    if suite is None:
        raise ValueError(f"{junit}: not a file of pytest's --junitxml")
    counts = {name: int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")}
    failed = counts["failures"] + counts["errors"]
    results = json.loads(kept.read_text(encoding="utf-8"))
    results[pair] = {
        "date": datetime.now(UTC).date().isoformat(),
        "passed": counts["tests"] - failed - counts["skipped"],
        "failed": failed,
    }
    kept.write_text(json.dumps(dict(sorted(results.items())), indent=2) + "\n", encoding="utf-8")


def page() -> str:
    """Return docs/testing.md with a new table."""
    return filled(PAGE, {"other releases": _table})


def _table() -> str:
    results = json.loads(KEPT.read_text(encoding="utf-8"))
    rows = ((pair, str(run["passed"]), str(run["failed"]), run["date"]) for pair, run in results.items())
    return table(("peer:guarded node", "passed", "failed", "on"), rows)


if __name__ == "__main__":
    record(sys.argv[1], Path(sys.argv[2]))
