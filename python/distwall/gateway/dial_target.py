"""The node that a guarded node wants to reach."""

from dataclasses import dataclass

from distwall.node_name import NodeName


@dataclass(frozen=True, slots=True)
class DialTarget:
    """One peer, and its address, as far as that is known."""

    node: str
    """The peer's full name, which it has to give in the handshake."""
    address: str | None = None
    """IP address; None: the addresses of the name's host part."""
    port: int | None = None
    """The peer's own port; None: ask its EPMD."""

    @property
    def alive(self) -> str:
        """The part before ``@``, the name that EPMD knows."""
        return NodeName.of(self.node).alive

    @property
    def host(self) -> str:
        """The part behind ``@``."""
        return NodeName.of(self.node).host
