"""Gathers the pages of the site from ``docs`` and from the top of the repository."""

import posixpath
import shutil
from pathlib import Path

from tools.links import links, relinked, resolved
from tools.pages import TOP

HOME = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "RELEASING.md": "releasing.md",
    "SECURITY.md": "security.md",
}
"""Pages at the top of the repository, and their places on the site."""


def places() -> dict[str, str]:
    """Return the place on the site of each page of the repository."""
    pages = [path.relative_to(TOP / "docs").as_posix() for path in (TOP / "docs").rglob("*.md")]
    return HOME | {f"docs/{page}": page.replace("README.md", "index.md") for page in pages}


def gather(folder: Path) -> None:
    """Copy all pages into ``folder``, with links that fit there, and the files that they link to."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copy(Path(__file__).with_name("style.css"), _made(folder / "style.css"))
    site = places()
    for page, place in site.items():
        text = (TOP / page).read_text(encoding="utf-8")
        for target, _ in links(text):
            file = resolved(page, target)
            if file not in site and (TOP / file).is_file():
                _made(folder / _place(file, site)).write_bytes((TOP / file).read_bytes())
        _made(folder / place).write_text(_moved(text, page, site), encoding="utf-8")


def _moved(text: str, page: str, site: dict[str, str]) -> str:
    """Return the text of ``page`` with the links that it needs at its place on the site."""

    def place(target: str) -> str:
        return posixpath.relpath(_place(resolved(page, target), site), posixpath.dirname(site[page]) or ".")

    return relinked(text, place)


def _place(file: str, site: dict[str, str]) -> str:
    return site.get(file, file.removeprefix("docs/"))


def _made(path: Path) -> Path:
    """Return ``path``, whose folder is there now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
