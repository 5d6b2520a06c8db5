"""New certificates while distwall runs: open channels stay, the next connection gets the new one."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from distwall.gateway import certificates
from tests.support.certificates import make_ca
from tests.support.in_process_wall import FakeGuard
from tests.support.tls import HOST, TlsWall, tls_wall
from tests.support.wall import Peer

TICK = bytes(4)


@pytest.fixture
def wall(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TlsWall]:
    monkeypatch.setattr(certificates, "CHECK_EVERY", 0.05)
    with tls_wall(tmp_path, [Peer(["accept *"])]) as wall:
        yield wall


@pytest.fixture(autouse=True)
def guard(wall: TlsWall) -> Iterator[FakeGuard]:
    with FakeGuard(wall.wall).registered() as guard:
        yield guard


def _shown(wall: TlsWall) -> int:
    """The serial number of the certificate that distwall shows."""
    peer = wall.dial()
    assert isinstance(peer.sock, ssl.SSLSocket)
    der = peer.sock.getpeercert(binary_form=True)
    peer.hang_up()
    assert der
    return x509.load_der_x509_certificate(der).serial_number


def _serial(file: Path) -> int:
    return x509.load_pem_x509_certificate(file.read_bytes()).serial_number


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_new_certificate_is_shown_and_open_channels_stay(
    wall: TlsWall, guard: FakeGuard, version: ssl.TLSVersion
) -> None:
    old = _serial(wall.identity.cert)
    assert _shown(wall) == old
    peer, inner = wall.join(guard, wall.peer.context(version))
    wall.pki.host("wall", HOST)
    new = _serial(wall.identity.cert)
    event = wall.wall.wait_event("certificate_loaded")
    assert str(wall.identity.cert) in event["files"]
    assert _shown(wall) == new != old
    for one, other in ((peer, inner), (inner, peer)):
        one.sock.sendall(TICK)
        assert other.sock.recv(10) == TICK


def test_broken_files_leave_the_old_ones_in_force(wall: TlsWall) -> None:
    old = _serial(wall.identity.cert)
    kept = wall.identity.cert.read_bytes()
    # A certificate to which the key does not belong.
    wall.pki.host("other", HOST)
    wall.identity.cert.write_bytes(wall.identity.cert.with_name("other.pem").read_bytes())
    event = wall.wall.wait_event("certificate_refused")
    assert "key" in event["detail"]
    assert _shown(wall) == old
    wall.identity.cert.write_text("no certificate at all")
    assert _shown(wall) == old
    wall.identity.cert.unlink()
    assert _shown(wall) == old
    wall.identity.cert.write_bytes(kept)
    wall.wall.wait_event("certificate_loaded")
    assert _shown(wall) == old


def test_another_ca_keeps_open_channels_and_lets_no_old_certificate_in(wall: TlsWall, guard: FakeGuard) -> None:
    """Whoever has a certificate of the old one keeps the channel it has, and gets no other."""
    peer, inner = wall.join(guard)
    folder = wall.pki.folder / "new"
    folder.mkdir()
    ca = make_ca(folder)
    wall.pki.ca.cert.write_bytes(ca.cert.read_bytes())
    wall.wall.wait_event("certificate_loaded")
    stranger = wall.dial(wall.peer.context(ssl.TLSVersion.TLSv1_3))
    assert stranger.is_closed()
    event = wall.wall.wait_event("handshake_refused", reason="tls")
    assert event["detail"] == "its certificate is signed by an unknown CA"
    wall.peer = wall.pki.host("newcomer", "127.0.0.1", ca=ca)
    peer.sock.sendall(TICK)
    assert inner.sock.recv(10) == TICK
    inner.close()
    wall.join(guard)
