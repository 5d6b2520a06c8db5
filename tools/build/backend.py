"""The build backend: maturin, which is asked only once the compiled Erlang modules are there.

git and source archives lack them, and maturin silently leaves out missing files. A wheel without them would install and
start, and only then fail to guard any node.
"""

from pathlib import Path
from typing import Any

import maturin  # type: ignore[import-untyped]
from maturin import (
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    get_requires_for_build_wheel,
    prepare_metadata_for_build_editable,
    prepare_metadata_for_build_wheel,
)

__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
    "prepare_metadata_for_build_wheel",
]

ERLANG = Path("python/distwall/erlang")


def missing_beams(erlang: Path) -> list[Path]:
    """Return the compiled modules that ``erlang``, the folder with their sources, lacks."""
    beams = [erlang / "ebin" / source.relative_to(erlang).with_suffix(".beam") for source in erlang.rglob("*.erl")]
    return sorted(beam for beam in beams if not beam.is_file())


def _checked() -> None:
    if missing := missing_beams(ERLANG):
        files = ", ".join(map(str, missing))
        raise SystemExit(f"distwall: compiled Erlang modules are missing: {files}; run `make erlang`, then build again")


def build_wheel(*args: Any, **kwargs: Any) -> str:
    """Build a wheel, unless compiled modules are missing."""
    _checked()
    return str(maturin.build_wheel(*args, **kwargs))


def build_editable(*args: Any, **kwargs: Any) -> str:
    """Build what an editable install needs, unless compiled modules are missing."""
    _checked()
    return str(maturin.build_editable(*args, **kwargs))
