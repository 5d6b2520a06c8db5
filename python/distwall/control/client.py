"""Asks a running distwall over its Unix socket."""

import socket
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx


class NotRunningError(Exception):
    """No distwall answers; the text says what to do."""


class Client:
    """The functions of the HTTP API."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def peers(self) -> list[dict[str, Any]]:
        """The open channels. Raises NotRunningError."""
        return self._get("/v1/peers")  # type: ignore[no-any-return]

    def statistics(self, peer: str | None = None) -> dict[str, Any]:
        """Counted commands, of one peer or of all. Raises NotRunningError."""
        path = "/v1/statistics" if peer is None else f"/v1/statistics/{quote(peer, safe='')}"
        return self._get(path)  # type: ignore[no-any-return]

    def _probe(self) -> None:
        """Tells a socket that nobody listens on from one that gives no sense."""
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.path))
            except OSError as error:
                what = f"{self.path}: no distwall answers: {error.strerror or error}"
                raise NotRunningError(f"{what}; start it with distwall run") from None

    def _get(self, path: str) -> Any:
        self._probe()
        transport = httpx.HTTPTransport(uds=str(self.path))
        try:
            with httpx.Client(transport=transport, base_url="http://distwall", timeout=10) as client:
                response = client.get(path)
                response.raise_for_status()
                return response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise NotRunningError(
                f"{self.path}: no usable answer ({error}); is it a distwall that listens there?"
            ) from None
