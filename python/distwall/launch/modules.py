"""Finds the compiled Erlang modules."""

from pathlib import Path

from distwall.launch.error import NotGuardedError

_EBIN = Path(__file__).resolve().parents[1] / "erlang" / "ebin"


def erlang_folder() -> Path:
    """The folder with the compiled modules, for ``-pa``; its ``boot`` loads ``distwall_epmd`` early.

    Raises NotGuardedError if they were not compiled.
    """
    for name in ("distwall_epmd.beam", "boot/heart.beam", "distwall.beam", "distwall_shell.beam"):
        if not (_EBIN / name).is_file():
            raise NotGuardedError(f"{_EBIN / name} is not there; compile distwall's Erlang modules with: make erlang")
    return _EBIN
