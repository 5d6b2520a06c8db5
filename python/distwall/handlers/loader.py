"""Handlers and module filters in Python, by name: ``module:Class`` or ``module:function``."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


class UnloadableError(ValueError):
    """A handler can't be loaded; the text says why, in one line."""


def load(name: str, folder: Path) -> Any:
    """The handler called ``name``; the policy's ``folder`` is searched for the module first.

    A module of that folder runs afresh each time, so that loading it again takes up its changes. Raises
    UnloadableError.
    """
    module_name, _, attribute = name.partition(":")
    try:
        module = _module(module_name, folder)
        found = module
        for part in attribute.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:
        text = " ".join(str(error).split())[:200]
        raise UnloadableError(f"{name} can't be loaded: {type(error).__name__}: {text}") from error
    return found


def _module(name: str, folder: Path) -> ModuleType:
    file = folder / f"{name}.py"
    if not file.is_file():
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(f"distwall_handler_{name}", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
