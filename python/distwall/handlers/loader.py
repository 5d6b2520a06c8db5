"""Handlers and module filters in Python, by name: ``module:Class`` or ``module:function``."""

from pathlib import Path
from typing import Any

from distwall.files.user_module import run_module


class UnloadableError(ValueError):
    """A handler can't be loaded; the text says why, in one line."""


def load(name: str, folder: Path) -> Any:
    """The handler called ``name``; the policy's ``folder`` is searched for the module first.

    A module of that folder runs afresh each time, so that loading it again takes up its changes. Raises
    UnloadableError.
    """
    module_name, _, attribute = name.partition(":")
    try:
        module = run_module(module_name, folder, "distwall_handler_")
        found = module
        for part in attribute.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:
        text = " ".join(str(error).split())[:200]
        raise UnloadableError(f"{name} can't be loaded: {type(error).__name__}: {text}") from error
    return found
