"""The nftables rules that lead a user's dist connections to distwall.

One table of our own, with one chain: it hooks in where programs of this host open connections, so nothing that comes
from elsewhere, or is only forwarded, ever passes it. Of the one user's TCP connections it turns two kinds round: those
to EPMD, at the port that the guarded nodes take for EPMD's everywhere, and those to the ports that distwall makes up.
Only 127.0.0.1 and ::1 are left alone, where guarded nodes register with distwall. Other addresses of this host are not:
nodes look for their mates there, which listen on loopback only, and else whoever listens there could play EPMD.

Rules for address translation see the first packet of a connection. Connections that are open when the table is
loaded, or removed, stay as they are.
"""

import pwd

from distwall.policy.model import Redirect

TABLE = "inet distwall_redirect"
"""Family and name of the table. Nothing else in the packet filter is ever touched."""

REMOVAL = f"table {TABLE}\ndelete table {TABLE}\n"
"""Removes the table whether or not it is there: the first line adds what the second one needs."""

_RULESET = """\
# distwall: connections of user {user} to EPMD (port {epmd}) and to the ports that distwall makes up ({first}-{last})
# go to distwall, at port {port} of loopback. Everything else stays as it is.
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
    """The number of the user called ``user``, who may also be given by number.

    Raises UnknownUserError.
    """
    if user.isascii() and user.isdecimal():
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except (KeyError, ValueError):
        raise UnknownUserError(
            f"[guard.redirect] user: there is no user {user!r} here; name the one that runs the guarded nodes"
        ) from None


def ruleset(redirect: Redirect, epmd_port: int) -> str:
    """What ``nft -f`` loads: replaces the table as a whole, in one step.

    ``epmd_port`` is where guarded nodes take EPMD to be: the port of ``[guard] register``. Raises UnknownUserError.
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
