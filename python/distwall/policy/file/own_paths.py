"""Reads one path of distwall's own from a policy file that may have errors elsewhere.

While distwall runs, the file on the disk may be half edited. Commands still have to find the socket of the running
firewall, its log and its tokens. They also need no cookies, which other users can't read.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from distwall.files import regular_file
from distwall.policy.file.control_section import read_path
from distwall.policy.file.table import Problems, Table
from distwall.policy.file.toml_source import Source
from distwall.policy.problem import PolicyError

_HEADER = re.compile(r"\s*\[")


def find_path(
    path: Path,
    section: Literal["control", "audit"],
    key: Literal["socket", "tokens", "file"],
    env: Mapping[str, str] | None = None,
) -> Path:
    """Return the path that the policy file ``path`` has at ``key`` of ``[section]``, or its default.

    Raises OSError if the file can't be read, and PolicyError if that section has errors.
    """
    text = regular_file.read(path).decode("utf-8", errors="replace")
    try:
        source = Source(text, path)
    except PolicyError:
        source = Source("\n".join(_only(section, text)), path)
    problems = Problems()
    values = source.values.get(section, {})
    table = Table(source, (section,), values, problems, known=values if isinstance(values, dict) else ())
    found = read_path(table, key, os.environ if env is None else env)
    if problems.errors:
        raise PolicyError(tuple(problems.errors))
    return found


def _only(section: str, text: str) -> Iterator[str]:
    """Yield the lines of a section, and an empty line for each line around it: places stay the same."""
    own = re.compile(rf"\s*\[\s*{section}\s*\]")
    inside = False
    for line in text.split("\n"):
        if _HEADER.match(line):
            inside = own.match(line) is not None
        yield line if inside else ""
