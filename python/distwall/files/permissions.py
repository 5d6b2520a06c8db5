"""Finds the users who can read or write a file: by mode, owner and group, and the members of the group."""

import grp
import os
import pwd
import stat


def readers(status: os.stat_result) -> str | None:
    """The users who can read a file, besides its owner and root, in words; None: nobody.

    The group counts only if its members can read the file. A file of root's has to be readable by one more user: the
    user that runs distwall.
    """
    return _others(status, stat.S_IRGRP, stat.S_IROTH)


def writers(status: os.stat_result) -> str | None:
    """The users who can change a file, or the names in a folder, besides its owner and root; None: nobody."""
    if stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX:
        return None
    return _others(status, stat.S_IWGRP, stat.S_IWOTH)


def user_name(uid: int) -> str:
    """The name of a user, or its number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _others(status: os.stat_result, group_bit: int, other_bit: int) -> str | None:
    if status.st_mode & other_bit:
        return "every user"
    if not status.st_mode & group_bit:
        return None
    # The user of distwall must be able to read files of root's.
    needed = 1 if status.st_uid == 0 and group_bit == stat.S_IRGRP else 0
    name, members = _group(status.st_gid)
    members -= {"root", user_name(status.st_uid)}
    return f"the group {name}" if len(members) > needed else None


def _group(gid: int) -> tuple[str, set[str]]:
    """The name of a group, and the names of all users in it."""
    try:
        group = grp.getgrgid(gid)
    except KeyError:
        name, members = str(gid), set[str]()
    else:
        name, members = group.gr_name, set(group.gr_mem)
    return name, members | {user.pw_name for user in pwd.getpwall() if user.pw_gid == gid}
