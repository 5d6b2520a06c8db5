"""The certificates in force: loaded when distwall starts, and again when their files change.

Each new connection asks for its context, so a new certificate is used from the next connection on; open channels stay.
If the files can't be used, the previous certificates stay in force, and an event has the error.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

from distwall.audit.schema import CertificateLoaded, CertificateRefused, EventBase
from distwall.policy import Policy
from distwall.tls import Contexts, Verifier

if TYPE_CHECKING:
    from collections.abc import Sequence

CLOSE_TIMEOUT = 60.0
"""Most seconds that a closing TLS connection has to write its pending bytes. The owner of a connection without progress
cuts it sooner."""

CHECK_EVERY = 5.0
"""Seconds between two looks at the files."""


class Certificates:
    """Certificates and trusted CAs: outside, towards peers, and inside, towards guarded nodes."""

    def __init__(self, policy: Policy, record: Callable[[EventBase], None]) -> None:
        """``record`` records an event. Raises OSError and ValueError for files that can't be used."""
        tls, inside = policy.guard.tls, policy.guard.inside
        self._outside = Contexts(tls) if tls else None
        self._inside = Contexts(inside) if inside else None
        self.verifier = Verifier(tls.verify_peer, policy.path.parent) if tls and tls.verify_peer else None
        """The policy's own check of certificates."""
        self._record = record
        self._watching: asyncio.TimerHandle | None = None

    @property
    def for_peers(self) -> Callable[[], ssl.SSLContext] | None:
        """Makes the context for a peer that dials; None if distwall speaks no TLS to peers."""
        return self._outside.server if self._outside else None

    @property
    def for_guards(self) -> Callable[[], ssl.SSLContext] | None:
        """Makes the context for a guarded node that dials; None if distwall speaks no TLS to guarded nodes."""
        return self._inside.server if self._inside else None

    def peer_client(self, *, check_hostname: bool) -> ssl.SSLContext:
        """The context for dialling a peer over TLS."""
        if self._outside is None:
            raise RuntimeError("the policy lets no entry ask for TLS without [guard.tls]")
        return self._outside.client(check_hostname=check_hostname)

    def guard_client(self) -> ssl.SSLContext | None:
        """The context for dialling a guarded node; None: plain TCP."""
        return self._inside.client(check_hostname=False) if self._inside else None

    def watch(self) -> None:
        """Looks at the files every `CHECK_EVERY` seconds."""
        self._watching = asyncio.get_running_loop().call_later(CHECK_EVERY, self._look)

    def reload(self) -> None:
        """Loads the files again, if they have changed."""
        for contexts in self._all():
            if not contexts.changed():
                continue
            try:
                contexts.reload()
            except (OSError, ValueError) as error:
                self._record(CertificateRefused(files=contexts.files, detail=str(error), folded=0))
            else:
                self._record(CertificateLoaded(files=contexts.files))

    def close(self) -> None:
        """Ends the watch."""
        if self._watching is not None:
            self._watching.cancel()

    def _look(self) -> None:
        self.reload()
        self.watch()

    def _all(self) -> "Sequence[Contexts]":
        return [contexts for contexts in (self._outside, self._inside) if contexts is not None]
