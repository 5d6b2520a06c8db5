"""New certificates while distwall runs: open channels stay, the next connection gets the new one."""

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509

from distwall.gateway import certificates
from tests.gateway.gate import FakeGuard
from tests.nodes.harness.wall import Peer
from tests.nodes.tls import HOST, TlsGate, tls_gate
from tests.tls.certificates import make_ca

TICK = bytes(4)


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TlsGate]:
    monkeypatch.setattr(certificates, "CHECK_EVERY", 0.05)
    with tls_gate(tmp_path, [Peer(["accept *"])]) as gate:
        yield gate


@pytest.fixture(autouse=True)
def guard(gate: TlsGate) -> Iterator[FakeGuard]:
    with FakeGuard(gate.gate).registered() as guard:
        yield guard


def _shown(gate: TlsGate) -> int:
    """The serial number of the certificate that distwall shows."""
    peer = gate.dial()
    assert isinstance(peer.sock, ssl.SSLSocket)
    der = peer.sock.getpeercert(binary_form=True)
    peer.hang_up()
    assert der
    return x509.load_der_x509_certificate(der).serial_number


def _serial(file: Path) -> int:
    return x509.load_pem_x509_certificate(file.read_bytes()).serial_number


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_new_certificate(gate: TlsGate, guard: FakeGuard, version: ssl.TLSVersion) -> None:
    old = _serial(gate.identity.cert)
    assert _shown(gate) == old
    peer, inner = gate.join(guard, gate.peer.context(version))
    gate.pki.host("wall", HOST)
    new = _serial(gate.identity.cert)
    event = gate.gate.wait_event("certificate_loaded")
    assert str(gate.identity.cert) in event["files"]
    assert _shown(gate) == new != old
    for one, other in ((peer, inner), (inner, peer)):
        one.sock.sendall(TICK)
        assert other.sock.recv(10) == TICK


def test_broken_files_leave_the_old_ones_in_force(gate: TlsGate) -> None:
    old = _serial(gate.identity.cert)
    kept = gate.identity.cert.read_bytes()
    # A certificate to which the key does not belong.
    gate.pki.host("other", HOST)
    gate.identity.cert.write_bytes(gate.identity.cert.with_name("other.pem").read_bytes())
    event = gate.gate.wait_event("certificate_refused")
    assert "key" in event["detail"]
    assert _shown(gate) == old
    gate.identity.cert.write_text("no certificate at all")
    assert _shown(gate) == old
    gate.identity.cert.unlink()
    assert _shown(gate) == old
    gate.identity.cert.write_bytes(kept)
    gate.gate.wait_event("certificate_loaded")
    assert _shown(gate) == old


def test_another_ca(gate: TlsGate, guard: FakeGuard) -> None:
    """Whoever has a certificate of the old one keeps the channel it has, and gets no other."""
    peer, inner = gate.join(guard)
    folder = gate.pki.folder / "new"
    folder.mkdir()
    ca = make_ca(folder)
    gate.pki.ca.cert.write_bytes(ca.cert.read_bytes())
    gate.gate.wait_event("certificate_loaded")
    stranger = gate.dial(gate.peer.context(ssl.TLSVersion.TLSv1_3))
    assert stranger.is_closed()
    event = gate.gate.wait_event("handshake_refused", reason="tls")
    assert event["detail"] == "its certificate is signed by an unknown CA"
    gate.peer = gate.pki.host("newcomer", "127.0.0.1", ca=ca)
    peer.sock.sendall(TICK)
    assert inner.sock.recv(10) == TICK
    inner.close()
    gate.join(guard)
