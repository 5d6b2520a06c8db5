"""Finds the cookie that a table of the policy file names: ``cookie``, ``cookie_env`` or ``cookie_file``.

No message quotes text that may be a cookie, not even in the place of a variable's or a file's name.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from distwall.files.permissions import readers, user_name
from distwall.files.regular_file import NotRegularError, opened
from distwall.files.settled_file import is_open_for_writing, look
from distwall.policy.cookie import Cookie, cookie_fault
from distwall.policy.file.table import Table
from distwall.policy.problem import Origin

COOKIE_KEYS = ("cookie", "cookie_env", "cookie_file")

# A cookie has at most 255 characters, and a line end. What is much longer is another file.
_MAX_FILE = 4096


def read_cookie(table: Table, env: Mapping[str, str]) -> Cookie | None:
    """The cookie that ``table`` names; None if it names no cookie, or it can't be read, which is noted."""
    named = [key for key in COOKIE_KEYS if key in table]
    for key in named[1:]:
        table.key_error(key, f"both `{key}` and `{named[0]}` are set", "keep one of them")
    if not named:
        return None
    key = named[0]
    text = table.string(key, "")
    if not isinstance(table.values[key], str):
        return None
    origin = table.at(key)
    file: Path | None = None
    if key == "cookie":
        what = "the cookie"
        file = table.source.path
        _warn_of_open_policy(table)
    elif key == "cookie_env":
        what = "the cookie in the environment variable"
        value = env.get(text)
        if value is None:
            table.error(
                key,
                "the environment variable that `cookie_env` names is not set",
                "set it to the cookie, or correct its name",
            )
            return None
        text = value
    else:
        file = expand(text, table.source.path, env)
        what = f"the cookie in {file}"
        content = _read_file(file, table, key)
        if content is None:
            return None
        text = content
    if fault := cookie_fault(text):
        table.problems.error(origin, f"{what} {fault}", "give a cookie of 1 to 255 printable characters")
        return None
    return Cookie(text.encode("latin-1"), origin=origin, file=file)


def expand(text: str, policy: Path, env: Mapping[str, str]) -> Path:
    """A path as written in a policy: ``~`` is the home directory; a relative path starts at the policy file."""
    if text == "~" or text.startswith("~/"):
        return Path(env.get("HOME") or Path.home(), text[2:])
    return policy.parent / text


def _read_file(path: Path, table: Table, key: str) -> str | None:
    try:
        before = look(path)
        with opened(path) as (file, status):
            content = file.read(_MAX_FILE + 1) if status.st_size <= _MAX_FILE else b""
        under_way = is_open_for_writing(path) or look(path) != before
    except NotRegularError as error:
        table.error(
            key, f"can't read the cookie file {path}: {error.strerror}", "name a file that contains only a cookie"
        )
        return None
    except OSError as error:
        if isinstance(error, FileNotFoundError) and table.values[key].isalnum():
            # It looks like a cookie more than like a file's name.
            where, remedy = f"named here, in {path.parent}", "write the path of a file with the cookie"
        else:
            where, remedy = str(path), "correct the path or its permissions"
        table.error(key, f"can't read the cookie file {where}: {error.strerror}", remedy)
        return None
    if under_way:
        # The first half of a cookie is a cookie, too.
        table.error(key, f"somebody is still writing the cookie file {path}", "read the policy again when that is over")
        return None
    if status.st_size > _MAX_FILE:
        what = f"can't read the cookie file {path}: it has {status.st_size} bytes, more than a cookie"
        table.error(key, what, "name a file that contains only a cookie")
        return None
    if len(content) > _MAX_FILE:
        table.error(key, f"{path} contains more than a cookie", "name a file that contains only a cookie")
        return None
    _warn_of_open_file(path, status, table, key)
    # Erlang's auth module ignores the line end, too.
    return content.decode("latin-1").rstrip("\r\n")


def _warn_of_open_file(path: Path, status: os.stat_result, table: Table, key: str) -> None:
    origin = table.at(key)
    if who := readers(status):
        table.problems.warn(origin, f"{who} can read the cookie file {path}", f"run chmod 600 {path}")
    # Root asks for others: whose distwall it will be is not known.
    if os.geteuid() and status.st_uid not in (0, os.geteuid()):
        owner = user_name(status.st_uid)
        table.problems.warn(origin, f"the cookie file {path} belongs to {owner}, who can change it", "change its owner")


def _warn_of_open_policy(table: Table) -> None:
    path = table.source.path
    try:
        status = path.stat()
    except OSError:
        return
    if who := readers(status):
        table.problems.warn(
            table.at("cookie"), f"{who} can read this cookie in {path}", f"run chmod 600 {path}, or use cookie_file"
        )


def cookie_origin(table: Table) -> Origin:
    """The place where the table names its cookie; the table itself if it names no cookie."""
    return next((table.at(key) for key in COOKIE_KEYS if key in table), table.origin)
