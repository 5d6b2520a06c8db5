"""distwall itself: is it running, and with more rights than it needs?"""

from collections.abc import Iterator

from distwall.doctor.finding import Finding, problem, warning
from distwall.doctor.host import DistwallProcess, Host
from distwall.http_api.client import Client, NotRunningError
from distwall.policy import Policy

_FIRST_FREE_PORT = 1024


def running(policy: Policy, host: Host) -> Iterator[Finding]:
    """A distwall has to answer on the control socket."""
    if host.distwall(policy.control.socket) == "hidden":
        what = "can't see whether distwall runs"
        yield warning("not_running", what, policy.control.socket, "run distwall doctor as root, or as distwall's user")
        return
    try:
        Client(policy.control.socket).peers()
    except NotRunningError as error:
        what, _, remedy = str(error).partition("; ")
        yield problem("not_running", what.removeprefix(f"{policy.control.socket}: "), policy.control.socket, remedy)


def as_root(policy: Policy, host: Host) -> Iterator[Finding]:
    """distwall should not have rights that it does not need."""
    process = host.distwall(policy.control.socket)
    guard = policy.guard
    ports = {guard.epmd.port, guard.register.port, *(guard.ports or ())}
    if isinstance(process, DistwallProcess) and process.uid == 0 and min(ports) >= _FIRST_FREE_PORT:
        what = "distwall runs as root, and does not need to"
        yield warning("root", what, f"pid {process.pid}", "run it as a user of its own that can read the cookies")
