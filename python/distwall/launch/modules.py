"""Finds the compiled Erlang modules."""

from pathlib import Path

from distwall.launch.error import NotGuardedError

_EBIN = Path(__file__).resolve().parents[1] / "erlang" / "ebin"

MODULES = (
    *("boot/heart", "distwall", "distwall_account", "distwall_ask", "distwall_bits", "distwall_budget"),
    *("distwall_calls", "distwall_epmd", "distwall_eval", "distwall_gate", "distwall_match", "distwall_shell"),
    "distwall_text",
)
"""All modules of distwall for guarded nodes."""


def erlang_folder() -> Path:
    """The folder with the compiled modules, for ``-pa``; its ``boot`` loads ``distwall_epmd`` early.

    Raises NotGuardedError if they were not compiled.
    """
    for name in MODULES:
        if not (_EBIN / f"{name}.beam").is_file():
            raise NotGuardedError(
                f"{_EBIN / name}.beam is not there; compile distwall's Erlang modules with: make erlang"
            )
    return _EBIN
