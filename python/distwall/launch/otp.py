"""Finds the OTP release of a program, if its files tell."""

import shutil
from collections.abc import Mapping
from pathlib import Path

OLDEST_OTP = 25
_ERTS_OF_OLDEST = 13
"""Runtime version of the oldest release; it has grown by one with each release since then."""


_RUN_BY_ERL = frozenset({"iex", "elixir", "mix", "escript", "rebar3", "rabbitmq-server", "rabbitmqctl", "ejabberdctl"})


def otp_of(program: str, environment: Mapping[str, str]) -> int | None:
    """The OTP release of ``program`` itself, or of the ``erl`` that it is known to look for; None if unknown.

    Releases and installations of Erlang both have ``releases/start_erl.data``, with the runtime's version first.
    """
    for name in (program, "erl") if Path(program).name in _RUN_BY_ERL else (program,):
        found = shutil.which(name, path=environment.get("PATH"))
        if found is None:
            continue
        for folder in (Path(found), Path(found).resolve()):
            release = _read(folder.parent.parent / "releases" / "start_erl.data")
            if release is not None:
                return release
    return None


def _read(file: Path) -> int | None:
    try:
        version = file.read_text(encoding="utf-8").split()[0]
        return int(version.partition(".")[0]) - _ERTS_OF_OLDEST + OLDEST_OTP
    except (OSError, ValueError, IndexError):
        return None
