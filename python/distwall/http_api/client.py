"""Asks a running distwall: over its Unix socket, or over TCP with a token."""

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

Query = Mapping[str, str | int | bool | Sequence[str]]


class NotRunningError(Exception):
    """No distwall answers; the text says what to do."""


class CallError(Exception):
    """distwall refused the call; the text is distwall's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Client:
    """The functions of the HTTP API."""

    def __init__(self, where: Path | str, token: str | None = None) -> None:
        """``where``: the path of the Unix socket, or a URL, which needs a token."""
        self.where = where
        self._token = token

    def peers(self) -> list[dict[str, Any]]:
        """The open channels. Raises NotRunningError and CallError, as all methods."""
        return self.get("peers")  # type: ignore[no-any-return]

    def statistics(self, peer: str | None = None) -> dict[str, Any]:
        """Counted commands, of one peer or of all."""
        return self.get("statistics" if peer is None else f"statistics/{quote(peer, safe='')}")  # type: ignore[no-any-return]

    def get(self, what: str, **query: str | None) -> Any:
        """The answer to ``GET /v1/WHAT``."""
        with self._asking() as client:
            return _result(client.get(f"/v1/{what}", params={k: v for k, v in query.items() if v is not None}))

    def call(self, function: str, **arguments: Any) -> dict[str, Any]:
        """Calls a function of the runtime API; returns its result."""
        with self._asking() as client:
            return _result(client.post(f"/v1/{function}", json=arguments))  # type: ignore[no-any-return]

    def events(self, query: Query) -> Iterator[dict[str, Any]]:
        """Events of the live stream, until it ends."""
        with self._asking(read_timeout=60) as client, client.stream("GET", "/v1/events", params=query) as response:
            if response.is_error:
                response.read()
            _check(response)
            for line in response.iter_lines():
                if line:
                    yield json.loads(line)

    @contextmanager
    def _asking(self, read_timeout: float = 10) -> Iterator[httpx.Client]:
        timeout = httpx.Timeout(10, read=read_timeout)
        if isinstance(self.where, Path):
            self._probe(self.where)
            made = httpx.Client(
                transport=httpx.HTTPTransport(uds=str(self.where)), base_url="http://distwall", timeout=timeout
            )
        else:
            headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
            made = httpx.Client(base_url=self.where, headers=headers, timeout=timeout)
        try:
            with made as client:
                yield client
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise NotRunningError(f"{self.where}: no valid answer ({error}); does distwall listen there?") from None

    @staticmethod
    def _probe(path: Path) -> None:
        """Tells a socket without a listener from a listener that doesn't speak the API."""
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except OSError as error:
                what = f"{path}: no distwall answers: {error.strerror or error}"
                raise NotRunningError(f"{what}; start it with distwall run") from None


def _result(response: httpx.Response) -> Any:
    _check(response)
    return response.json()


def _check(response: httpx.Response) -> None:
    if response.is_success:
        return
    try:
        what = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        response.raise_for_status()
        raise httpx.HTTPError(f"status {response.status_code}") from None
    raise CallError(response.status_code, str(what))
