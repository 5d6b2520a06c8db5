"""The buffer of one of a handshake's two connections: bytes with lengths outside, messages inside."""

from distwall.handshake.messages import MAX_MESSAGE, MessageError

PLAIN = 2
"""Bytes of the length before each message outside TLS."""

TLS = 0x1603
"""The first two bytes of a TLS connection. As a length, they are more than any message has."""


class LegBuffer:
    """Bytes received on one connection and not yet read, and bytes due to it."""

    def __init__(self, framing: int) -> None:
        """``framing``: bytes of the length before each message: 4 inside TLS, else `PLAIN`."""
        self.framing = framing
        self._incoming = bytearray()
        self._outgoing = bytearray()

    @property
    def unread(self) -> int:
        """Number of bytes behind the last message read."""
        return len(self._incoming)

    def receive(self, data: bytes) -> None:
        """Adds received bytes."""
        self._incoming += data

    def next_message(self) -> bytes | None:
        """The next whole message, or None. Raises `MessageError` for an impossible length."""
        start = self.framing
        if len(self._incoming) < start:
            return None
        length = int.from_bytes(self._incoming[:start])
        if length == TLS and start == PLAIN:
            raise MessageError("TLS, where plain TCP is expected,")
        if not 0 < length <= MAX_MESSAGE:
            raise MessageError(f"message of {length} bytes")
        if len(self._incoming) < start + length:
            return None
        message = bytes(self._incoming[start : start + length])
        del self._incoming[: start + length]
        return message

    def rest(self) -> bytes:
        """Returns the bytes behind the last message read, and forgets them."""
        data, self._incoming = bytes(self._incoming), bytearray()
        return data

    def send(self, message: bytes) -> None:
        """Adds a message to the bytes due."""
        self._outgoing += len(message).to_bytes(self.framing) + message

    def due(self) -> bytes:
        """Returns the bytes due, and forgets them."""
        data, self._outgoing = bytes(self._outgoing), bytearray()
        return data
