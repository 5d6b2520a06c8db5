"""Common functions of the commands that need a policy file: to find it, to read it, and to read values of its kinds."""

import os
from pathlib import Path
from typing import Literal

from distwall.cli.output import CommandError
from distwall.policy import Policy, PolicyError, load
from distwall.policy.file.own_paths import find_path
from distwall.policy.language.units import seconds

CONFIG_VARIABLE = "DISTWALL_CONFIG"
CONFIG_PLACES = (Path("distwall.toml"), Path("/etc/distwall/distwall.toml"))


class BadPolicyError(CommandError):
    """A policy with errors."""

    def __init__(self, error: PolicyError) -> None:
        super().__init__(str(error), exit_code=2)
        self.problems = error.problems


def find_config(config: Path | None) -> Path:
    """The policy file: as given, else by the environment, else in one of the usual places. Raises CommandError."""
    if config is None and (named := os.environ.get(CONFIG_VARIABLE)):
        config = Path(named)
    if config is not None:
        return config
    for place in CONFIG_PLACES:
        if place.exists():
            return place
    raise CommandError(
        f"no policy file at {' or '.join(str(place) for place in CONFIG_PLACES)}; write one with distwall init,"
        f" or name it with --config or {CONFIG_VARIABLE}",
        exit_code=2,
    )


def load_policy(config: Path | None) -> Policy:
    """The policy. Raises CommandError if it is missing, can't be read or has errors."""
    path = find_config(config)
    try:
        return load(path)
    except PolicyError as error:
        raise BadPolicyError(error) from None
    except OSError as error:
        raise CommandError(unreadable(path, error), exit_code=2) from None


def own_path(
    config: Path | None, section: Literal["control", "audit"], key: Literal["socket", "tokens", "file"]
) -> Path:
    """A path of distwall's own, even if the policy file has errors elsewhere. Raises CommandError."""
    path = find_config(config)
    try:
        return find_path(path, section, key)
    except PolicyError as error:
        raise BadPolicyError(error) from None
    except OSError as error:
        raise CommandError(unreadable(path, error), exit_code=2) from None


def given_seconds(text: str) -> float:
    """The seconds of a span of time that a command was given. Raises CommandError."""
    found = seconds(text)
    if found is None:
        raise CommandError(f"`{text}` is not a span of time; write it as 90s, 15m, 12h or 30d", exit_code=2)
    return found


def unreadable(path: Path, error: OSError) -> str:
    """The reason why a policy file can't be read."""
    return f"{path}: can't read the policy file: {error.strerror}; correct the path or its permissions"
