"""Builds the documentation site into ``site/``: ``python -m tools.site`` (``make docs``). Anything wrong fails it."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from tools.pages import TOP
from tools.site.check import broken, outside_the_nav
from tools.site.gather import gather, places

CONFIG = TOP / "zensical.toml"
WORK = TOP / "target" / "docs"
"""Folder of the build. The generator keeps a cache beside its configuration, and empties that folder at will."""


def build(work: Path) -> list[str]:
    """Gather the pages and build the site in ``work``; return what is wrong."""
    shutil.rmtree(work, ignore_errors=True)
    gather(work / "docs")
    shutil.copy(CONFIG, work)
    nav = tomllib.loads(CONFIG.read_text(encoding="utf-8"))["project"]["nav"]
    faults = outside_the_nav(nav, set(places().values()))
    zensical = [str(Path(sys.executable).with_name("zensical")), "build", "--strict"]
    built = subprocess.run(zensical, cwd=work, check=False, capture_output=True, text=True)
    if built.returncode:
        return [*faults, _plain(built.stderr)]
    return faults + broken(work / "site")


def _plain(output: str) -> str:
    """Return the generator's warnings without their colours, and without the traceback with which it gives up."""
    return re.sub(r"\x1b\[[0-9;]*m", "", output).partition("Traceback (most")[0].strip() or output


def main() -> int:
    """Build the site; replace ``site/`` by it if nothing is wrong."""
    faults = build(WORK)
    for fault in faults:
        sys.stderr.write(f"docs: {fault}\n")
    if faults:
        return 1
    shutil.rmtree(TOP / "site", ignore_errors=True)
    shutil.move(WORK / "site", TOP / "site")
    sys.stdout.write("docs: site/index.html\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
