"""Puts the parts of a running firewall together, and takes them apart again."""

import asyncio
import signal
from errno import EADDRINUSE

import uvloop

from distwall.audit import AuditLog, InUseError, Rotation
from distwall.cli.output import CommandError, say
from distwall.cli.show import EventPrinter
from distwall.control import Firewall, StateFile, UnsafeStateError
from distwall.control.reload import Reloader
from distwall.control.server import ControlServer
from distwall.gateway import Gateway
from distwall.policy import Policy


def serve(policy: Policy, *, shadow: Policy | None, show_events: bool) -> None:
    """Runs the firewall until SIGTERM or SIGINT. Raises CommandError if it can't start.

    ``shadow`` is a candidate that judges beside the policy.
    """
    uvloop.run(_serve(policy, shadow, show_events=show_events))


async def _serve(policy: Policy, shadow: Policy | None, *, show_events: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        audit = AuditLog(policy.audit.file, key=policy.audit.key, rotation=_rotation(policy))
    except InUseError as error:
        raise CommandError(str(error)) from None
    except OSError as error:
        raise CommandError(
            f"{policy.audit.file}: can't write the audit log: {error.strerror}; correct [audit] file or its permissions"
        ) from None
    printer = EventPrinter() if show_events else None
    if printer:
        audit.subscribe(printer.show)
    try:
        firewall = Firewall(policy, audit, StateFile(policy.control.state))
    except UnsafeStateError as error:
        await audit.close()
        raise CommandError(str(error)) from None
    reloader = Reloader(firewall)
    control = ControlServer(firewall, reloader, policy.control)
    try:
        gateway = Gateway(firewall)
    except (OSError, ValueError) as error:
        # Certificates, or the policy's own function that looks at them.
        await audit.close()
        raise CommandError(f"{policy.path}: [guard.tls]: {error}", exit_code=2) from None
    started = False
    try:
        await control.start()
        firewall.start()
        await gateway.start()
        reloader.start()
        loop.add_signal_handler(signal.SIGHUP, reloader.reload, "SIGHUP")
        firewall.notice("start", policy=str(policy.path), guards=list(policy.guard.nodes))
        started = True
        if shadow is not None:
            firewall.set_shadow(shadow, actor="distwall run")
        say(_ready(policy))
        await stop.wait()
    except OSError as error:
        remedy = f"; stop what uses it, or change the address in {policy.path}" if error.errno == EADDRINUSE else ""
        raise CommandError(f"{error.strerror or error}{remedy}") from None
    finally:
        await reloader.close()
        await gateway.close()
        await control.close()
        firewall.close()
        if started:
            firewall.notice("stop")
        await audit.close()
        if printer:
            printer.close()


def _rotation(policy: Policy) -> Rotation:
    audit = policy.audit
    return Rotation(audit.rotate_size, audit.rotate_age, audit.keep)


def _ready(policy: Policy) -> str:
    guard = policy.guard
    register = "" if guard.one_epmd else f", register {guard.register}"
    return (
        f"distwall ready: epmd {guard.epmd}{register}, guarding {', '.join(guard.nodes)},"
        f" control {policy.control.socket}, audit {policy.audit.file}"
    )
