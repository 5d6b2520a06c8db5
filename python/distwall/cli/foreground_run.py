"""Runs the firewall on the command line: until a signal ends it."""

import asyncio
import contextlib
import ctypes
import gc
import signal

import uvloop

from distwall.cli.event_printer import EventPrinter
from distwall.cli.output import CommandError, say
from distwall.control.reload import Reloader
from distwall.policy import Policy
from distwall.run import StartError, running

# From malloc.h of glibc.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


_ALWAYS_SHOWN = frozenset({"policy_refused"})
"""Kinds of events on stderr in any case: the author of the file believes that the change is in force."""


def serve(policy: Policy, *, shadow: Policy | None, show_events: bool) -> None:
    """Runs the firewall until SIGTERM or SIGINT. Raises CommandError if it can't start.

    ``shadow`` is a shadow policy.
    """
    printer = EventPrinter(None if show_events else _ALWAYS_SHOWN)
    try:
        uvloop.run(_serve(policy, shadow, printer))
    except StartError as error:
        raise CommandError(str(error), exit_code=2 if error.policy else 1) from None
    finally:
        printer.close()


async def _serve(policy: Policy, shadow: Policy | None, printer: EventPrinter) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def ready(reloader: Reloader) -> None:
        loop.add_signal_handler(signal.SIGHUP, reloader.reload, "SIGHUP")
        keep_for_good()
        keep_memory_of_reads()
        say(_ready(policy))

    async with running(policy, shadow=shadow, on_event=printer.show, on_ready=ready):
        await stop.wait()


def keep_for_good() -> None:
    """Takes all objects so far out of Python's garbage collection: the program itself, and the policy.

    Peers can cause a collection of all objects, and the loop waits for it. With these it takes forty milliseconds.
    """
    gc.collect()
    gc.freeze()


def keep_memory_of_reads() -> None:
    """Has the allocator keep up to 64 MiB of free memory, from which reads of up to 1 MiB come.

    Reads that wait for their turn are freed in any order. By itself glibc returns such memory to the system at once,
    and gets it back page by page: with 32 busy channels this doubled the system's time for a message.
    """
    with contextlib.suppress(AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_TRIM_THRESHOLD, 64 << 20)
        mallopt(_M_MMAP_THRESHOLD, 1 << 20)


def _ready(policy: Policy) -> str:
    guard = policy.guard
    register = "" if guard.one_epmd else f", register {guard.register}"
    return (
        f"distwall ready: epmd {guard.epmd}{register}, guarding {', '.join(guard.nodes)},"
        f" control {policy.control.socket}, audit {policy.audit.file}"
    )
