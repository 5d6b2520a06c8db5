"""Puts the parts of a running firewall together, and takes them apart again.

This is what ``distwall run`` does, and what a Python program does that has distwall inside::

    import asyncio

    import distwall


    async def main():
        policy = distwall.load("distwall.toml")
        async with distwall.running(policy) as firewall:
            firewall.add_filter("foo@10.0.0.7", "reg_send", "orders", "accept")
            await asyncio.sleep(3600)


    asyncio.run(main())
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from errno import EADDRINUSE

from distwall.audit.event import Event
from distwall.audit.log import AuditLog
from distwall.audit.log_file import InUseError, Rotation
from distwall.audit.schema import Start, Stop
from distwall.control import Firewall, StateFile, UnsafeStateError
from distwall.control.reload import Reloader
from distwall.gateway import Gateway
from distwall.http_api.server import HttpServer
from distwall.policy import Policy


class StartError(Exception):
    """The firewall can't start; the text says why, in one line. ``policy`` is true if the policy has errors."""

    def __init__(self, text: str, *, policy: bool = False) -> None:
        super().__init__(text)
        self.policy = policy


@asynccontextmanager
async def running(
    policy: Policy,
    *,
    shadow: Policy | None = None,
    on_event: Callable[[Event], None] | None = None,
    on_ready: Callable[[Reloader], None] | None = None,
) -> AsyncIterator[Firewall]:
    """The firewall of a policy, running in this event loop until the block is left. Raises StartError.

    ``shadow`` is a shadow policy; ``on_event`` gets each event; ``on_ready`` is called when everything serves.
    """
    async with AsyncExitStack() as stack:
        audit = _audit(policy)
        stack.push_async_callback(audit.close)
        if on_event is not None:
            audit.subscribe(on_event)
        try:
            firewall = Firewall(policy, audit, StateFile(policy.control.state))
        except UnsafeStateError as error:
            raise StartError(str(error)) from None
        try:
            gateway = Gateway(firewall)
        except (OSError, ValueError) as error:
            # Certificates, or the policy's own function that looks at them.
            raise StartError(f"{policy.path}: [guard.tls]: {error}", policy=True) from None
        reloader = Reloader(firewall)
        control = HttpServer(firewall, reloader, policy.control)
        started = False
        # In reverse: what channels have to say at their end is recorded before "stop".
        stack.callback(lambda: firewall.record(Stop()) if started else None)
        stack.callback(firewall.close)
        stack.push_async_callback(control.close)
        stack.push_async_callback(gateway.close)
        stack.push_async_callback(reloader.close)
        try:
            await control.start()
            firewall.start()
            await gateway.start()
        except OSError as error:
            remedy = (
                f"; stop the program that uses it, or change the address in {policy.path}"
                if error.errno == EADDRINUSE
                else ""
            )
            raise StartError(f"{error.strerror or error}{remedy}") from None
        reloader.start()
        started = True
        firewall.record(Start(policy=str(policy.path), guards=list(policy.guard.nodes)))
        if shadow is not None:
            firewall.set_shadow(shadow, actor="distwall run")
        if on_ready is not None:
            on_ready(reloader)
        yield firewall


def _audit(policy: Policy) -> AuditLog:
    settings = policy.audit
    rotation = Rotation(settings.rotate_size, settings.rotate_age, settings.keep)
    try:
        return AuditLog(settings.file, key=settings.key, rotation=rotation)
    except InUseError as error:
        raise StartError(str(error)) from None
    except OSError as error:
        raise StartError(
            f"{settings.file}: can't write the audit log: {error.strerror}; correct [audit] file or its permissions"
        ) from None
