"""Files that others can read or change: cookies, keys, the policy."""

import os
from collections.abc import Iterator
from pathlib import Path

from distwall.doctor.finding import Finding, problem, warning
from distwall.doctor.host import Host
from distwall.files.permissions import readers, user_name, writers
from distwall.policy import Policy


def secrets(policy: Policy, host: Host) -> Iterator[Finding]:
    """Cookie files, the policy if it contains cookies, and keys of TLS: readable by others, or owned by others."""
    owners = _owners(policy, host)
    cookies = [policy.guard.cookie, *(entry.cookie for entry in policy.entries)]
    files = {cookie.file: "the cookie" for cookie in cookies if cookie.file}
    files.update(dict.fromkeys(_keys(policy), "the key"))
    for path, what in files.items():
        try:
            status = path.stat()
            folder = path.resolve().parent.stat()
        except OSError:
            continue
        if who := readers(status):
            yield problem("readable", f"{who} can read {what} in {path}", path, f"chmod 600 {path}")
        # The policy's own are looked at below, cookies or not.
        if path != policy.path:
            yield from _changeable(path, status, folder, owners)


def policy_file(path: Path, owners: frozenset[int] | None = None) -> Iterator[Finding]:
    """The policy file: a user who can change it can open everything."""
    try:
        status, folder = path.stat(), path.resolve().parent.stat()
    except OSError:
        return
    yield from _changeable(path, status, folder, frozenset({0, os.geteuid()}) if owners is None else owners)


def policy_of(policy: Policy, host: Host) -> Iterator[Finding]:
    """The policy file of a policy without errors."""
    yield from policy_file(policy.path, _owners(policy, host))


def _changeable(
    path: Path, status: os.stat_result, folder: os.stat_result, owners: frozenset[int]
) -> Iterator[Finding]:
    if who := writers(status):
        yield problem("writable", f"{who} can change {path}", path, f"chmod go-w {path}")
    parent = path.resolve().parent
    if who := writers(folder):
        yield problem("writable", f"{who} can replace {path}", parent, f"chmod go-w {parent}")
    if status.st_uid not in owners:
        what = f"{path} belongs to {user_name(status.st_uid)}, who can change it"
        yield warning("owner", what, path, f"chown {user_name(min(owners))} {path}")


def _owners(policy: Policy, host: Host) -> frozenset[int]:
    """The users who may own such files: root, the caller, distwall's user, and the users of guarded nodes."""
    distwall_uid = host.distwall_uid(policy.control.socket)
    users = {0, os.geteuid(), distwall_uid, *(node.process.uid for node in host.guarded(policy))}
    return frozenset(uid for uid in users if uid is not None)


def _keys(policy: Policy) -> list[Path]:
    return [each.key for each in (policy.guard.tls, policy.guard.inside) if each]
