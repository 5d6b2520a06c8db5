"""The nftables rules that redirect a user's dist connections to distwall.

It is one table with one chain. The chain hooks in where programs of this host open connections, so traffic from
elsewhere never passes it, and neither does forwarded traffic. Of the user's TCP connections it redirects two kinds: to
EPMD, at the port where the guarded nodes look for EPMD on all hosts, and to the ports that distwall makes up. It leaves
only 127.0.0.1 and ::1 alone, where guarded nodes register with distwall. Other addresses of this host are redirected:
nodes look there for their mates, which listen on loopback only. Otherwise any program that listens there could play
EPMD.

Rules for address translation see the first packet of a connection. Connections that are open when the table is loaded,
or removed, stay as they are.
"""

import pwd

from distwall.policy.model import Redirect

TABLE = "inet distwall_redirect"
"""Family and name of the table. The rest of the packet filter is never touched."""

REMOVAL = f"table {TABLE}\ndelete table {TABLE}\n"
"""Removes the table, if it exists: the first line makes it, so that the second can't fail."""

_RULESET = """\
# distwall: connections of user {user} to EPMD (port {epmd}) and to the ports that distwall makes up ({first}-{last})
# go to distwall, at port {port} of loopback. All other connections stay as they are.
{removal}
table {table} {{
    chain output {{
        type nat hook output priority -100; policy accept;
        meta skuid {uid} ip daddr != 127.0.0.1 tcp dport {{ {epmd}, {first}-{last} }} counter redirect to :{port}
        meta skuid {uid} ip6 daddr != ::1 tcp dport {{ {epmd}, {first}-{last} }} counter redirect to :{port}
    }}
}}
"""


class UnknownUserError(Exception):
    """The user whose connections are to be redirected does not exist."""


def user_id(user: str) -> int:
    """The number of the user called ``user``, which may also be a number.

    Raises UnknownUserError.
    """
    if user.isascii() and user.isdecimal():
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except (KeyError, ValueError):
        raise UnknownUserError(
            f"[guard.redirect] user: there is no user {user!r} here; name the user that runs the guarded nodes"
        ) from None


def ruleset(redirect: Redirect, epmd_port: int) -> str:
    """The input of ``nft -f``: replaces the table as a whole, in one step.

    ``epmd_port`` is the port where guarded nodes look for EPMD: of ``[guard] register``. Raises UnknownUserError.
    """
    first, last = redirect.ports
    return _RULESET.format(
        removal=REMOVAL,
        table=TABLE,
        user=redirect.user,
        uid=user_id(redirect.user),
        epmd=epmd_port,
        first=first,
        last=last,
        port=redirect.port,
    )
