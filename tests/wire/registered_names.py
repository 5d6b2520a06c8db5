"""The names that OTP registers for its own processes, read from its sources.

``python -m tests.wire.registered_names [ROOT...]`` reads the release of each root (``/``: this machine's), with its
sources installed (``erlang-src``). A name that is not known to `otp_internal` fails it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from distwall._core import OTP_NAME_PREFIXES, OTP_NAMES

_APPLICATIONS = "kernel stdlib sasl runtime_tools ssl mnesia os_mon tools observer inets snmp ssh diameter ftp tftp"
_REGISTERED = re.compile(r"(?:\{\s*local\s*,\s*|\bregister\(\s*)(\?[A-Za-z_]\w*|[a-z]\w*|'[^']+')\s*[,}]")
_DEFINED = re.compile(r"^-define\(\s*(\w+)\s*,\s*([a-z]\w*|'[^']+'|\?MODULE)\s*\)", re.MULTILINE)
_COMMENT = re.compile(r"%.*")
_DOC = re.compile(r'"""[^\n]*\n.*?"""', re.DOTALL)

OTHERS = {
    "undefined": "no name",
    "foo": "an example",
}
"""Words in such places that are not names, with a reason."""


def names(root: Path) -> Iterator[tuple[str, Path]]:
    """Each name, with the source that registers it."""
    library = root / "usr/lib/erlang/lib"
    for application in _APPLICATIONS.split():
        for source in sorted(library.glob(f"{application}-*/src/**/*.erl")):
            text = _COMMENT.sub("", _DOC.sub("", source.read_text(encoding="utf-8", errors="replace")))
            macros = dict(_DEFINED.findall(text)) | {"MODULE": source.stem}
            for word in _REGISTERED.findall(text):
                name = macros.get(word[1:], "") if word.startswith("?") else word
                name = source.stem if name == "?MODULE" else name
                if name:
                    yield name.strip("'"), source


def unknown(root: Path) -> dict[str, str]:
    """The names that `otp_internal` doesn't know, with their sources."""
    found = {name: str(source) for name, source in names(root)}
    assert len(found) > 100, "are the sources there?"
    known = {*OTP_NAMES, *OTHERS}
    return {name: file for name, file in found.items() if name not in known and not name.startswith(OTP_NAME_PREFIXES)}


def main(roots: list[str]) -> int:
    """Reads each release; returns 1 if a name is not known."""
    failed = 0
    for root in map(Path, roots or ["/"]):
        for name, source in unknown(root).items():
            sys.stdout.write(f"{source}: `{name}` is not known as a name of OTP's own\n")
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
