"""The HTTP API in front of a firewall, for tests."""

import asyncio
import socket
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from distwall._core import KNOWN_FLAGS
from distwall.audit.event import Event
from distwall.audit.log import AuditLog
from distwall.control import Firewall
from distwall.control.reload import Reloader
from distwall.http_api.server import HttpServer
from distwall.policy import Address, ControlSettings, Policy
from tests.support.policies import peer, policy

RULES = '[tables.admin]\nrules = ["accept *"]\n' + peer("foo@*", '["accept link", "deny *"]')


def settings(path: Path, **more: Any) -> ControlSettings:
    """The settings of a server with its socket at ``path``."""
    given: dict[str, Any] = {
        "socket_mode": 0o600,
        "socket_group": None,
        "http": None,
        "hosts": (),
        "tokens": path.with_name("tokens.json"),
        "state": path.with_name("state.json"),
        "node": None,
        "cookie": None,
        **more,
    }
    return ControlSettings(socket=path, **given)


class Served:
    """A firewall, and its API."""

    def __init__(self, folder: Path, made: Policy | None = None, **more: Any) -> None:
        self.settings = settings(folder / "s", **more)
        self.policy = made or replace(policy(RULES), control=self.settings)
        self.audit = AuditLog(Path(tempfile.mkdtemp(dir=folder), "audit.jsonl"), say=lambda _: None)
        self.events: list[Event] = []
        self.audit.subscribe(self.events.append)
        self.firewall = Firewall(self.policy, self.audit)
        self.reloader = Reloader(self.firewall)
        self.server = HttpServer(self.firewall, self.reloader, self.settings)

    def connect(self, name: str = "foo@h", close: Callable[[str], None] = lambda _: None) -> Any:
        """Opens a channel."""
        entry = self.policy.entry_for(name)
        assert entry is not None
        return self.firewall.open_channel(
            peer=name,
            peer_creation=1,
            guard="bar@127.0.0.2",
            guard_creation=2,
            flags=KNOWN_FLAGS,
            entry=entry,
            source="127.0.0.1",
            close=close,
        )

    def recorded(self, kind: str) -> list[Event]:
        """The events of a kind."""
        return [event for event in self.events if event["event"] == kind]

    def http(self, token: str | None = None, **headers: str) -> httpx.AsyncClient:
        """A client over TCP."""
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return httpx.AsyncClient(base_url=f"http://{self.settings.http}", headers=headers, timeout=20)

    def unix(self) -> httpx.AsyncClient:
        """A client over the socket."""
        transport = httpx.AsyncHTTPTransport(uds=str(self.settings.socket))
        return httpx.AsyncClient(transport=transport, base_url="http://distwall", timeout=20)


@asynccontextmanager
async def serving(folder: Path, made: Policy | None = None, **more: Any) -> AsyncIterator[Served]:
    """Serves for a while."""
    served = Served(folder, made, **more)
    await served.server.start()
    served.firewall.start()
    try:
        yield served
    finally:
        served.firewall.close()
        await served.server.close()
        await served.server.close()
        await served.audit.close()


def over_tcp() -> Address:
    """A free address."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return Address("127.0.0.1", sock.getsockname()[1])


def run(scenario: Any) -> Any:
    """Runs a scenario, and not for ever."""
    return asyncio.run(asyncio.wait_for(scenario, 60))
