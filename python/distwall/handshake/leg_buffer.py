"""One of a handshake's two connections, as messages: lengths are added and taken away here."""

from distwall.handshake.messages import MAX_MESSAGE, MessageError


class LegBuffer:
    """What came in on one connection and was not read yet, and what is due to go out on it."""

    def __init__(self, framing: int) -> None:
        """``framing``: bytes of the length in front of each message, 4 inside TLS, else 2."""
        self.framing = framing
        self._incoming = bytearray()
        self._outgoing = bytearray()

    @property
    def unread(self) -> int:
        """Bytes that came in behind the last message read."""
        return len(self._incoming)

    def receive(self, data: bytes) -> None:
        """Bytes have come in."""
        self._incoming += data

    def next_message(self) -> bytes | None:
        """The next message that came in whole. Raises `MessageError` for a length that no message has."""
        start = self.framing
        if len(self._incoming) < start:
            return None
        length = int.from_bytes(self._incoming[:start])
        if not 0 < length <= MAX_MESSAGE:
            raise MessageError(f"message of {length} bytes")
        if len(self._incoming) < start + length:
            return None
        message = bytes(self._incoming[start : start + length])
        del self._incoming[: start + length]
        return message

    def rest(self) -> bytes:
        """What came in behind the last message read; forgets it."""
        data, self._incoming = bytes(self._incoming), bytearray()
        return data

    def send(self, message: bytes) -> None:
        """``message`` is due to go out."""
        self._outgoing += len(message).to_bytes(self.framing) + message

    def due(self) -> bytes:
        """What is due to go out; forgets it."""
        data, self._outgoing = bytes(self._outgoing), bytearray()
        return data
