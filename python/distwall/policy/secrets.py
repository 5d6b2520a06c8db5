"""Finds the cookie that a table of the policy file names: ``cookie``, ``cookie_env`` or ``cookie_file``."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from distwall.policy.cookie import Cookie, cookie_fault
from distwall.policy.problem import Origin
from distwall.policy.reader import Table

COOKIE_KEYS = ("cookie", "cookie_env", "cookie_file")


def read_cookie(table: Table, env: Mapping[str, str]) -> Cookie | None:
    """The cookie that ``table`` names; None if it names none or the cookie can't be had, which is then noted."""
    named = [key for key in COOKIE_KEYS if key in table]
    for key in named[1:]:
        table.key_error(key, f"`{key}` beside `{named[0]}`", "keep one of them")
    if not named:
        return None
    key = named[0]
    text = table.string(key, "")
    if not isinstance(table.values[key], str):
        return None
    origin = table.at(key)
    if key == "cookie":
        what = "the cookie"
        _warn_of_open_policy(table)
    elif key == "cookie_env":
        what = f"the cookie in the environment variable {text}"
        value = env.get(text)
        if value is None:
            table.error(key, f"the environment variable {text} is not set", "set it to the cookie")
            return None
        text = value
    else:
        path = expand(text, table.source.path, env)
        what = f"the cookie in {path}"
        content = _read_file(path, table, key)
        if content is None:
            return None
        text = content
    if fault := cookie_fault(text):
        table.problems.error(origin, f"{what} {fault}", "give a cookie of 1 to 255 printable characters")
        return None
    return Cookie(text.encode("latin-1"))


def expand(text: str, policy: Path, env: Mapping[str, str]) -> Path:
    """A path as written in a policy: ``~`` is the home directory, a relative one starts at the policy file."""
    if text == "~" or text.startswith("~/"):
        return Path(env.get("HOME") or Path.home(), text[2:])
    return policy.parent / text


def _read_file(path: Path, table: Table, key: str) -> str | None:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            # More than a cookie can hold, so that a wrong path to something huge does no harm.
            content = file.read(4096)
    except OSError as error:
        table.error(key, f"can't read the cookie file {path}: {error.strerror}", "correct the path or its permissions")
        return None
    if mode & stat.S_IROTH:
        table.problems.warn(table.at(key), f"every user can read the cookie file {path}", f"run chmod 600 {path}")
    # Erlang's auth module ignores the line end, too.
    return content.decode("latin-1").rstrip("\r\n")


def _warn_of_open_policy(table: Table) -> None:
    path = table.source.path
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if mode & stat.S_IROTH:
        table.problems.warn(
            table.at("cookie"),
            f"every user can read this cookie in {path}",
            f"run chmod 600 {path}, or use cookie_file",
        )


def cookie_origin(table: Table) -> Origin:
    """Where the table names its cookie; the table itself if it names none."""
    return next((table.at(key) for key in COOKIE_KEYS if key in table), table.origin)
