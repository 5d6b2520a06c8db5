"""The doctor: finds ways round the firewall, and says how to close them.

``examine`` looks at a policy and at this host (``Host``), and gives a list of ``Finding``; the checks are in
``checks``. Nothing is changed, and no finding shows a cookie.
"""

from pathlib import Path

from distwall.doctor.checks import bypassable, cookies, distwall_process, epmds, files, guarded_nodes, redirect, wire
from distwall.doctor.finding import Finding
from distwall.doctor.host import Host
from distwall.policy import Policy

__all__ = ["Finding", "Host", "examine", "examine_without_policy"]


def examine(policy: Policy, host: Host | None = None) -> list[Finding]:
    """All findings, the problems first."""
    host = host or Host()
    guarded = host.guarded(policy)
    found = [
        *distwall_process.running(policy, host),
        *bypassable.check(policy, host),
        *epmds.check(policy, host),
        *guarded_nodes.unregistered(policy, host),
        *guarded_nodes.outgoing(policy, host),
        *redirect.check(policy, host),
        *guarded_nodes.mesh(policy, host),
        *guarded_nodes.cookie_argument(guarded),
        *cookies.weak(policy),
        *cookies.shared(policy),
        *files.secrets(policy, host),
        *files.policy_of(policy, host),
        *wire.certificates(policy),
        *wire.plain(policy, host),
        *guarded_nodes.release(guarded),
        *distwall_process.as_root(policy, host),
    ]
    return _sorted(found)


def examine_without_policy(path: Path | None, host: Host | None = None) -> list[Finding]:
    """The findings of checks that need no policy. They look at all nodes, guarded or not."""
    host = host or Host()
    return _sorted(
        [
            *(files.policy_file(path) if path else ()),
            *guarded_nodes.cookie_argument(host.nodes),
            *guarded_nodes.release(host.nodes),
        ]
    )


def _sorted(found: list[Finding]) -> list[Finding]:
    # Where one check says the same twice, as of a file that two entries name, once is enough.
    return sorted(dict.fromkeys(found), key=lambda finding: finding.severity)
