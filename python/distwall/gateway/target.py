"""Whom a guarded node wants to reach."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """One peer, and where it is, as far as that is known already."""

    node: str
    """The peer's full name: what it has to call itself in the handshake."""
    address: str | None = None
    """IP address; None: what the name's host part stands for."""
    port: int | None = None
    """The peer's own port; None: as its EPMD says."""

    @property
    def alive(self) -> str:
        """The part before ``@``, which EPMD knows it by."""
        return self.node.partition("@")[0]

    @property
    def host(self) -> str:
        """The part behind ``@``."""
        return self.node.partition("@")[2]
