"""The name of a node, NAME@HOST, in its two parts."""

from typing import NamedTuple, Self


class NodeName(NamedTuple):
    """A full name, or a glob that stands for full names."""

    alive: str
    """The part before ``@``, the name that EPMD knows."""
    host: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Return the parts of a text that was checked before; a text without ``@`` is all ``alive``."""
        alive, _, host = text.partition("@")
        return cls(alive, host)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return the parts of a full name; None if the text is not of the form NAME@HOST.

        The parts may have any characters: protocols and policies differ in what they allow.
        """
        name = cls.of(text)
        return name if name.alive and name.host and "@" not in name.host else None

    def __str__(self) -> str:
        return f"{self.alive}@{self.host}"
