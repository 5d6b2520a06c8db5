"""The registered nodes: their names, and the ports shown to peers."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

from distwall.epmd.messages import Alive2

MAX_REGISTRATIONS = 1024
"""Registrations held at a time. Only programs of this host can register; this bounds a runaway program."""


@dataclass(eq=False, slots=True)
class Registration:
    """One registered node. Ends with the connection that made it."""

    node: Alive2
    host: str
    """Loopback address at which to dial it, IPv4 or IPv6 as it registered."""

    public_port: int | None
    """Port at which peers reach it through distwall; None if it is not guarded."""

    creation: int
    """The creation that EPMD handed out. A node that registers again ignores it: it is not the node's real creation."""


@dataclass(frozen=True, slots=True)
class OpenListener:
    """Request of a guarded node to register: open distwall's listener for it, then call `Registry.opened` at once."""

    node: Alive2
    host: str


class Registry:
    """All registrations, by name."""

    def __init__(self, is_guarded: Callable[[str], bool], seed: int) -> None:
        """Begins without registrations.

        ``is_guarded`` is true for a name (the part before ``@``) to be guarded. ``seed`` is the first creation, a
        different number in every run.
        """
        self._is_guarded = is_guarded
        self._by_name: dict[str, Registration] = {}
        self._creations = itertools.count(seed)
        self.own: Alive2 | None = None
        """distwall's own node: nobody else may register its name, and clients with the right to register may find it.
        """

    def register(self, node: Alive2, host: str) -> Registration | OpenListener | str:
        """Registers ``node``, or returns a request to be served first, or the refusal: ``name_taken`` or ``full``."""
        if node.name in self._by_name or self._is_own(node.name):
            return "name_taken"
        if len(self._by_name) >= MAX_REGISTRATIONS:
            return "full"
        return OpenListener(node, host) if self._is_guarded(node.name) else self._add(node, host, None)

    def opened(self, asked: OpenListener, port: int | None) -> Registration | str:
        """Registers a guarded node that peers reach at ``port``; refuses it (``no_port``) if that is None."""
        return "no_port" if port is None else self._add(asked.node, asked.host, port)

    def _add(self, node: Alive2, host: str, public_port: int | None) -> Registration:
        # 0 to 3 are what nodes older than OTP 23 use; a node that is given one picks its own instead.
        creation = 4 + next(self._creations) % (2**32 - 4)
        registration = Registration(node, host, public_port, creation)
        self._by_name[node.name] = registration
        return registration

    def unregister(self, registration: Registration) -> None:
        """Ends ``registration``."""
        if self._by_name.get(registration.node.name) is registration:
            del self._by_name[registration.node.name]

    def get(self, name: str) -> Registration | None:
        """The registration of ``name``, guarded or not."""
        return self._by_name.get(name)

    def guarded(self, name: str) -> Registration | None:
        """The registration of ``name`` if it is guarded: no other is ever shown or resolved."""
        registration = self._by_name.get(name)
        return registration if registration is not None and registration.public_port is not None else None

    def own_node(self, name: str) -> Alive2 | None:
        """distwall's own node, if it has that name."""
        return self.own if self._is_own(name) else None

    def all_guarded(self) -> list[Registration]:
        """All registrations that are guarded, oldest first."""
        return [registration for registration in self._by_name.values() if registration.public_port is not None]

    def _is_own(self, name: str) -> bool:
        return self.own is not None and self.own.name == name
