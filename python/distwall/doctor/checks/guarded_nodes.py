"""The flags and releases of running guarded nodes."""

from collections.abc import Iterator

from distwall.doctor.checks.cookies import trusted
from distwall.doctor.erlang import EPMD_MODULE, Node
from distwall.doctor.finding import Finding, problem, warning
from distwall.doctor.host import Host
from distwall.node_name import NodeName
from distwall.policy import Policy

OLDEST_OTP, NEWEST_OTP = 25, 29


def mesh(policy: Policy, host: Host) -> Iterator[Finding]:
    """Nodes that connect by themselves to all nodes of a visible peer."""
    pulling = [entry.node for entry in policy.entries if entry.visible and not trusted(policy, entry)]
    if not pulling:
        return
    for node in host.guarded(policy):
        if node.kernel("connect_all") != "false":
            what = f"{_name(node)} joins the mesh of visible peers with restricted rules: {', '.join(pulling)}"
            yield problem("mesh", what, node.where, "start it with -connect_all false, or make these peers hidden")


def outgoing(policy: Policy, host: Host) -> Iterator[Finding]:
    """Nodes whose own connections don't go through distwall."""
    if not policy.entries or policy.guard.redirect:
        return
    for node in host.guarded(policy):
        if node.epmd_module != EPMD_MODULE and node.kernel("dist_auto_connect") != "never":
            what = f"connections that {_name(node)} opens go round distwall"
            yield problem("outgoing", what, node.where, "start it with distwall exec, or use [guard.redirect]")


def unregistered(policy: Policy, host: Host) -> Iterator[Finding]:
    """Nodes that this distwall does not know."""
    known = host.known(policy)
    if known is None:
        return
    for node in host.guarded(policy):
        if NodeName.of(_name(node)).alive not in known and node.flags.get("dist_listen") != [["false"]]:
            what = f"{_name(node)} runs, and is not registered with distwall"
            remedy = (
                f"start it with distwall exec, or with ERL_EPMD_PORT={policy.guard.register.port} -start_epmd false"
            )
            yield problem("unregistered", what, node.where, remedy)


def cookie_argument(nodes: list[Node]) -> Iterator[Finding]:
    """Nodes with their cookie on the command line."""
    for node in nodes:
        if node.has_cookie_argument:
            what = f"the cookie of {_name(node)} is on its command line: every user of this host sees it in ps"
            yield problem("cookie_argument", what, node.where, "put it in ~/.erlang.cookie, and leave -setcookie out")


def release(nodes: list[Node]) -> Iterator[Finding]:
    """Nodes of an OTP release that distwall does not know."""
    for node in nodes:
        if node.otp is None:
            continue
        words = node.otp.split()
        if len(words) > 1 or int(words[0]) < OLDEST_OTP:
            what = f"{_name(node)} runs on OTP {node.otp}"
            yield problem("otp", what, node.where, f"use OTP {OLDEST_OTP} to {NEWEST_OTP}")
        elif int(words[0]) > NEWEST_OTP:
            what = f"{_name(node)} runs on OTP {node.otp}, which this distwall was not tested with"
            yield warning("otp", what, node.where, "look for a newer distwall")


def _name(node: Node) -> str:
    return node.name or "a guarded node"
