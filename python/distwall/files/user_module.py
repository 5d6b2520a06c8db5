"""Runs modules of users: handlers, module filters, and the policy's own check of certificates."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def run_module(name: str, folder: Path, prefix: str) -> ModuleType:
    """Return the module called ``name``: a file of ``folder``, or else an installed module.

    A file runs afresh each time, so that loading it again takes up its changes. It is known to Python by a name that
    begins with ``prefix``, and so never stands for another module. Raises whatever the module raises, and ImportError if
    ``name`` is not a name: a path would lead out of the folder.
    """
    if not all(part.isidentifier() for part in name.split(".")):
        raise ImportError(f"{name!r} is not the name of a module")
    file = folder / f"{name}.py"
    if not file.is_file():
        return importlib.import_module(name)
    spec = importlib.util.spec_from_file_location(prefix + name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
