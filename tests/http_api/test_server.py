"""The HTTP API on its Unix socket, and the client that asks it."""

import asyncio
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from distwall._core import COMMANDS, KNOWN_FLAGS
from distwall.audit.log import AuditLog
from distwall.control import Firewall
from distwall.control.reload import Reloader
from distwall.http_api.client import Client, NotRunningError
from distwall.http_api.server import HttpServer, bind
from tests.http_api.serving import settings
from tests.support.policies import with_rules


def _ask(tmp_path: Path, question: Callable[[Client], Any], names: tuple[str, ...] = ()) -> Any:
    """Runs a server in front of a firewall with these peers, and asks it one question from another thread."""
    path = tmp_path / "distwall.sock"

    async def scenario() -> Any:
        made = with_rules(["accept *"])
        audit = AuditLog(tmp_path / "audit.jsonl")
        firewall = Firewall(made, audit)
        for name in names:
            firewall.open_channel(
                peer=name,
                peer_creation=1,
                guard="bar@127.0.0.2",
                guard_creation=2,
                flags=KNOWN_FLAGS,
                entry=made.entries[0],
                source="127.0.0.1",
                close=lambda _: None,
            )
        server = HttpServer(firewall, Reloader(firewall), settings(path))
        await server.start()
        try:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            return await asyncio.to_thread(question, Client(path))
        finally:
            await server.close()
            await server.close()
            await audit.close()
            assert not path.exists()

    return asyncio.run(asyncio.wait_for(scenario(), 20))


def test_the_client_reads_peers(tmp_path: Path) -> None:
    assert _ask(tmp_path, Client.peers) == []
    (peer,) = _ask(tmp_path, Client.peers, ("foo@h",))
    assert peer["peer"] == "foo@h"
    assert peer["guard"] == "bar@127.0.0.2"
    assert (peer["accept"], peer["deny"], peer["drop"]) == (0, 0, 0)


def test_the_client_reads_statistics(tmp_path: Path) -> None:
    found = _ask(tmp_path, Client.statistics)
    assert tuple(found["inbound"]) == COMMANDS
    assert found["outbound"]["link"] == {"accept": 0, "deny": 0, "drop": 0}


@pytest.mark.parametrize("name", ["foo@h", "foo/../x@h", "fo?o#%@h", "füü@h"])
def test_the_client_reads_statistics_of_a_peer_with_any_name(tmp_path: Path, name: str) -> None:
    found = _ask(tmp_path, lambda client: client.statistics(name), (name,))
    assert (found["peer"], found["known"]) == (name, True)


def test_a_stranger_is_told_as_not_known(tmp_path: Path) -> None:
    found = _ask(tmp_path, lambda client: client.statistics("x@h"))
    assert (found["peer"], found["known"]) == ("x@h", False)


def test_where_nobody_answers_it_says_how_to_start_distwall(tmp_path: Path) -> None:
    with pytest.raises(NotRunningError, match="start it with distwall run"):
        Client(tmp_path / "none.sock").peers()


def test_an_answer_of_somebody_else_is_an_error(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "s"))
        other.listen()
        other.settimeout(5)

        async def scenario() -> None:
            asked = asyncio.to_thread(Client(tmp_path / "s").peers)

            def hang_up() -> None:
                for _ in range(2):  # the probe, then the question
                    other.accept()[0].close()

            results = await asyncio.gather(asked, asyncio.to_thread(hang_up), return_exceptions=True)
            assert isinstance(results[0], NotRunningError)
            assert "no valid answer" in str(results[0])

        asyncio.run(scenario())


class TestBind:
    def test_a_socket_left_behind_is_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "s"
        bind(path).close()
        assert path.exists()
        with bind(path) as sock, socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            sock.accept()[0].close()

    def test_a_socket_in_use_is_an_error(self, tmp_path: Path) -> None:
        with bind(tmp_path / "s"), pytest.raises(OSError, match="in use by another distwall; stop that one"):
            bind(tmp_path / "s")

    @pytest.mark.parametrize("target", [None, "elsewhere"])
    def test_something_else_is_left_alone(self, tmp_path: Path, target: str | None) -> None:
        path = tmp_path / "s"
        if target:
            path.symlink_to(target)
        else:
            path.write_text("mine")
        with pytest.raises(FileExistsError, match="is not a socket"):
            bind(path)

    def test_a_folder_that_is_not_there_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match="can't make the control socket"):
            bind(tmp_path / "none" / "s")
