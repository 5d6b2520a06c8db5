"""OTP's own `ssl` against distwall's contexts."""

import asyncio
import socket
import ssl
import threading
from pathlib import Path
from typing import cast

import pytest
import uvloop

from distwall.policy import Tls
from distwall.tls import Contexts, explain
from tests.support.certificates import CA, make_ca

# Sends 60 times 1,000 bytes and has each come back.
_TALK = """
R = (catch lists:foreach(fun(_) ->
    ok = ssl:send(S, binary:copy(<<1>>, 1000)),
    {ok, B} = ssl:recv(S, 1000, 5000),
    1000 = byte_size(B)
end, lists:seq(1, 60))),
io:format("~p~n", [R]), halt().
"""
_OPTIONS = """
[{{certfile,"{0}.pem"}},{{keyfile,"{0}.key"}},{{cacertfile,"ca.pem"}},{{verify,verify_peer}},{{active,false}},binary,{1}]
"""


class Echo(asyncio.Protocol):
    """Sends all back."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        cast("asyncio.Transport", self.transport).write(data)


@pytest.fixture
def ca(tmp_path: Path) -> CA:
    made = make_ca(tmp_path)
    made.issue(tmp_path, "peer", dns=["peer.example"])
    return made


@pytest.fixture
def contexts(tmp_path: Path, ca: CA) -> Contexts:
    cert, key = ca.issue(tmp_path, "wall", dns=["wall.example"])
    return Contexts(Tls(cert, key, ca.cert, "required", None))


async def _erl(folder: Path, code: str) -> asyncio.subprocess.Process:
    flags = ["-noshell", "-noinput", "-boot", "start_clean"]
    command = ["erl", *flags, "-eval", f"ssl:start(), {code}"]
    return await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=asyncio.subprocess.PIPE)


@pytest.mark.parametrize(
    "options",
    [
        # What they do after 2**28 records.
        "{versions,['tlsv1.2']},{renegotiate_at,20}",
        "{versions,['tlsv1.3']},{key_update_at,20000}",
    ],
)
class TestKeysAreMadeAnew:
    """Nodes take new keys now and then; the connection goes on."""

    def test_a_peer_that_dials_may_make_them_anew(self, tmp_path: Path, contexts: Contexts, options: str) -> None:
        async def main() -> str:
            loop = asyncio.get_running_loop()
            server = await loop.create_server(Echo, "127.0.0.1", 0, ssl=contexts.server())
            port = server.sockets[0].getsockname()[1]
            some = _OPTIONS.format("peer", '{server_name_indication,"wall.example"},' + options)
            node = await _erl(tmp_path, f'{{ok, S}} = ssl:connect("127.0.0.1", {port}, {some}), {_TALK}')
            said, _ = await node.communicate()
            server.close()
            return said.decode().strip()

        assert uvloop.run(main()) == "ok"

    def test_a_peer_that_is_dialled_may_make_them_anew(self, tmp_path: Path, contexts: Contexts, options: str) -> None:
        async def main() -> str:
            some = _OPTIONS.format("peer", "{fail_if_no_peer_cert,true}," + options)
            code = f"""
                {{ok, L}} = ssl:listen(0, {some}), {{ok, {{_, P}}}} = ssl:sockname(L), io:format("~p~n", [P]),
                {{ok, A}} = ssl:transport_accept(L), {{ok, S}} = ssl:handshake(A), {_TALK}
            """
            node = await _erl(tmp_path, code)
            assert node.stdout
            port = int(await node.stdout.readline())
            context = contexts.client(check_hostname=True)
            await asyncio.get_running_loop().create_connection(
                Echo, "127.0.0.1", port, ssl=context, server_hostname="peer.example"
            )
            said, _ = await node.communicate()
            return said.decode().strip()

        assert uvloop.run(main()) == "ok"


def test_a_resumed_session_is_refused_on_sockets(tmp_path: Path, ca: CA, contexts: Contexts) -> None:
    client = ssl.create_default_context(cafile=ca.cert)
    client.load_cert_chain(tmp_path / "peer.pem", tmp_path / "peer.key")
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    sizes: list[int] = []
    faults: list[str] = []

    def dial(port: int) -> None:
        session = None
        for _ in range(2):
            with (
                socket.create_connection(("127.0.0.1", port)) as raw,
                client.wrap_socket(raw, server_hostname="wall.example", session=session) as end,
            ):
                end.send(b"hello")
                sizes.append(len(end.recv(5)))
                session = end.session
                if sizes[-1]:
                    # Sessions of connections that end otherwise are forgotten.
                    end.unwrap()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        dialling = threading.Thread(target=dial, args=(listener.getsockname()[1],))
        dialling.start()
        for _ in range(2):
            accepted, _ = await loop.sock_accept(listener)
            try:
                await loop.connect_accepted_socket(Echo, accepted, ssl=contexts.server())
            except ssl.SSLError as error:
                faults.append(explain(error))
        await asyncio.to_thread(dialling.join)
        listener.close()

    uvloop.run(main())
    assert sizes == [5, 0]
    assert faults == ["it resumes an older session, which is not allowed"]
