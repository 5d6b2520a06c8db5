"""Transparent mode: the packet filter has to redirect connections of the guarded nodes to distwall."""

import shutil
import subprocess
from collections.abc import Iterator

from distwall.doctor.erlang import EPMD_MODULE
from distwall.doctor.finding import Finding, problem
from distwall.doctor.host import DistwallProcess, Host
from distwall.files.permissions import user_name
from distwall.policy import Policy
from distwall.redirect.ruleset import TABLE, UnknownUserError, user_id

_INSTALL = "run distwall redirect install as root"


def check(policy: Policy, host: Host) -> Iterator[Finding]:
    """Looks for the rules, and at the users of the nodes and of distwall."""
    redirect = policy.guard.redirect
    if redirect is None:
        return
    try:
        uid = user_id(redirect.user)
    except UnknownUserError as error:
        what, _, remedy = str(error).partition("; ")
        yield problem("redirect", what, policy.path, remedy)
        return
    if not _loaded():
        yield problem("redirect", "no rules redirect connections of guarded nodes", f"nft table {TABLE}", _INSTALL)
    for node in host.guarded(policy):
        if node.process.uid not in (None, uid) and node.epmd_module != EPMD_MODULE:
            user = user_name(node.process.uid)
            what = f"{node.name or 'a guarded node'} runs as {user}, whose connections are not redirected"
            yield problem(
                "redirect", what, node.where, f"run it as {redirect.user}, or name {user} in [guard.redirect]"
            )
    process = host.distwall(policy.control.socket)
    if isinstance(process, DistwallProcess) and process.uid == uid:
        what = f"distwall runs as {redirect.user}, too: its own connections come back to it"
        yield problem("redirect", what, f"pid {process.pid}", "run it as a user of its own")


def _loaded() -> bool:
    """True if the rules are loaded, or if this process may not look."""
    nft = shutil.which("nft", path="/usr/sbin:/sbin:/usr/local/sbin:/usr/bin")
    if nft is None:
        return False
    try:
        done = subprocess.run(  # noqa: S603
            [nft, "list", "table", *TABLE.split()], capture_output=True, text=True, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return True
    return done.returncode == 0 or "not permitted" in done.stderr
