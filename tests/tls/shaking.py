"""A TLS handshake in memory."""

import ssl

Shake = tuple[ssl.SSLObject, ssl.SSLObject]


def shake(
    server: ssl.SSLContext, client: ssl.SSLContext, host: str | None = None, session: ssl.SSLSession | None = None
) -> Shake:
    """The server's and the client's end of a connection in memory. Raises the server's error, else the client's."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = server.wrap_bio(to_server, to_client, server_side=True)
    other = client.wrap_bio(to_client, to_server, server_hostname=host, session=session)
    faults: dict[ssl.SSLObject, ssl.SSLError] = {}
    for _ in range(10):
        for end in (other, one):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError as error:
                faults.setdefault(end, error)
        if faults:
            # The other end reads the alert.
            continue
    for end in (one, other):
        if end in faults:
            raise faults[end]
    # What the client is told after its own handshake is over, as with TLS 1.3.
    one.write(b"server")
    other.write(b"client")
    assert (one.read(6), other.read(6)) == (b"client", b"server")
    return one, other
