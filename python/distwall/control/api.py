"""The HTTP API of a running distwall: what ``distwall peers`` and ``distwall stats`` ask."""

from typing import Any

from fastapi import FastAPI

from distwall import __version__
from distwall.control.firewall import Firewall


def create_app(firewall: Firewall) -> FastAPI:
    """The API in front of ``firewall``. Who may call it is a matter of who can open the socket."""
    # The interactive pages would load scripts from elsewhere.
    app = FastAPI(title="distwall", version=__version__, docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json")

    @app.get("/v1/peers")
    async def peers() -> list[dict[str, Any]]:
        """The open channels."""
        return [info.to_json() for info in firewall.peers()]

    @app.get("/v1/statistics")
    async def statistics() -> dict[str, Any]:
        """Commands of all peers, counted by direction, command and verdict since the start."""
        return {"peer": None, **firewall.statistics()}

    @app.get("/v1/statistics/{peer:path}")
    async def peer_statistics(peer: str) -> dict[str, Any]:
        """Commands of one peer; zeros, and ``known`` false, for one that was never connected."""
        return {"peer": peer, "known": firewall.knows(peer), **firewall.statistics(peer)}

    return app
