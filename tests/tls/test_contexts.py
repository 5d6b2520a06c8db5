"""Contexts: what they demand, what they say of what is wrong, and how they are loaded anew."""

import asyncio
import os
import shutil
import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from distwall.policy import InsideTls, Tls
from distwall.tls import Contexts, explain, names_of
from tests.support.certificates import CA, make_ca
from tests.tls.shaking import shake


@pytest.fixture
def ca(tmp_path: Path) -> CA:
    return make_ca(tmp_path)


@pytest.fixture
def tls(tmp_path: Path, ca: CA) -> Tls:
    cert, key = ca.issue(tmp_path, "wall", dns=["wall.example"], ip=["127.0.0.2"])
    return Tls(cert, key, ca.cert, "required", None)


@pytest.fixture
def peer(tmp_path: Path, ca: CA) -> Tls:
    """A peer's files, as if it were a distwall, too."""
    cert, key = ca.issue(tmp_path, "peer", dns=["peer.example"])
    return Tls(cert, key, ca.cert, "required", None)


def stranger(ca: CA | None, *, cert: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """A client that is no distwall; without ``ca`` it trusts everybody."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_REQUIRED if ca else ssl.CERT_NONE
    if ca:
        made.load_verify_locations(ca.cert)
    if cert:
        made.load_cert_chain(cert, key)
    return made


def fault(server: ssl.SSLContext, client: ssl.SSLContext, host: str | None = None) -> str:
    with pytest.raises(ssl.SSLError) as caught:
        shake(server, client, host)
    return explain(caught.value)


def dns(end: ssl.SSLObject) -> tuple[str, ...]:
    der = end.getpeercert(binary_form=True)
    assert der
    return names_of(x509.load_der_x509_certificate(der)).dns


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_show_their_certificates(tls: Tls, peer: Tls, version: ssl.TLSVersion) -> None:
    client = Contexts(peer).client(check_hostname=True)
    client.maximum_version = version
    one, other = shake(Contexts(tls).server(), client, "wall.example")
    assert (dns(one), dns(other)) == (("peer.example",), ("wall.example",))
    assert one.version() == ("TLSv1.2" if version == ssl.TLSVersion.TLSv1_2 else "TLSv1.3")
    cipher = one.cipher()
    assert cipher
    assert "GCM" in cipher[0] or "CHACHA20" in cipher[0]


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.* is deprecated:DeprecationWarning")
def test_versions_before_1_2_are_refused(tls: Tls) -> None:
    client = stranger(None)
    client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    client.set_ciphers("ALL:@SECLEVEL=0")
    assert "TLS 1.2" in fault(Contexts(tls).server(), client)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
class TestThePeerIsRefused:
    """Reasons for people, of certificates that peers show when they dial."""

    @staticmethod
    def _fault(server: Contexts, client: ssl.SSLContext, version: ssl.TLSVersion) -> str:
        client.maximum_version = version
        return fault(server.server(), client)

    def test_without_a_certificate_it_is_refused(self, tls: Tls, ca: CA, version: ssl.TLSVersion) -> None:
        assert self._fault(Contexts(tls), stranger(ca), version) == "it has no certificate"

    def test_a_certificate_of_another_ca_is_refused(self, tmp_path: Path, tls: Tls, version: ssl.TLSVersion) -> None:
        cert, key = make_ca(tmp_path, "other").issue(tmp_path, "mallory", cn="mallory")
        words = self._fault(Contexts(tls), stranger(None, cert=cert, key=key), version)
        assert words == "its certificate is signed by an unknown CA"

    def test_a_certificate_of_a_ca_of_the_same_name_is_refused(
        self, tmp_path: Path, tls: Tls, version: ssl.TLSVersion
    ) -> None:
        other = tmp_path / "other"
        other.mkdir()
        cert, key = make_ca(other).issue(other, "mallory", cn="mallory")
        words = self._fault(Contexts(tls), stranger(None, cert=cert, key=key), version)
        assert words == "its certificate is signed by an unknown CA"

    def test_an_expired_certificate_is_refused(self, tmp_path: Path, tls: Tls, ca: CA, version: ssl.TLSVersion) -> None:
        cert, key = ca.issue(tmp_path, "old", cn="old", not_after=datetime.now(UTC) - timedelta(days=1))
        words = self._fault(Contexts(tls), stranger(ca, cert=cert, key=key), version)
        assert words == "its certificate has expired"

    def test_a_certificate_that_is_not_valid_yet_is_refused(
        self, tmp_path: Path, tls: Tls, ca: CA, version: ssl.TLSVersion
    ) -> None:
        cert, key = ca.issue(tmp_path, "new", cn="new", not_before=datetime.now(UTC) + timedelta(hours=1))
        words = self._fault(Contexts(tls), stranger(ca, cert=cert, key=key), version)
        assert words == "its certificate is not valid yet"

    def test_a_certificate_for_another_use_is_refused(
        self, tmp_path: Path, tls: Tls, ca: CA, version: ssl.TLSVersion
    ) -> None:
        cert, key = ca.issue(tmp_path, "web", cn="web", usages=[ExtendedKeyUsageOID.SERVER_AUTH])
        words = self._fault(Contexts(tls), stranger(ca, cert=cert, key=key), version)
        assert words == "its certificate is not for this use (extendedKeyUsage)"

    def test_a_certificate_signed_by_one_that_is_no_ca_is_refused(
        self, tmp_path: Path, tls: Tls, ca: CA, version: ssl.TLSVersion
    ) -> None:
        cert, key = ca.issue(tmp_path, "peer", dns=["peer.example"])
        leaf = CA.__new__(CA)
        signer = serialization.load_pem_private_key(key.read_bytes(), None)
        certificate = x509.load_pem_x509_certificate(cert.read_bytes())
        leaf.key, leaf.subject = signer, certificate.subject  # type: ignore[assignment]
        forged, forged_key = leaf.issue(tmp_path, "forged", dns=["other.example"])
        forged.write_bytes(forged.read_bytes() + cert.read_bytes())
        words = self._fault(Contexts(tls), stranger(ca, cert=forged, key=forged_key), version)
        assert words == "its certificate is signed by a certificate that is not a CA"

    def test_certificates_that_are_too_large_are_refused(
        self, tmp_path: Path, tls: Tls, ca: CA, version: ssl.TLSVersion
    ) -> None:
        cert, key = ca.issue(tmp_path, "many", dns=[f"n{i}.example" for i in range(10_000)])
        words = self._fault(Contexts(tls), stranger(ca, cert=cert, key=key), version)
        assert words == "its certificates are too large"

    def test_who_does_not_trust_distwall_is_told(
        self, tmp_path: Path, tls: Tls, peer: Tls, version: ssl.TLSVersion
    ) -> None:
        client = stranger(make_ca(tmp_path, "other"), cert=peer.cert, key=peer.key)
        assert self._fault(Contexts(tls), client, version) == "it does not know the CA of distwall's certificate"


def test_an_optional_certificate_is_checked_if_there(tmp_path: Path, tls: Tls, peer: Tls, ca: CA) -> None:
    server = Contexts(replace(tls, clients="optional")).server()
    one, _ = shake(server, stranger(ca))
    assert one.getpeercert(binary_form=True) is None
    one, _ = shake(server, stranger(ca, cert=peer.cert, key=peer.key))
    assert dns(one) == ("peer.example",)
    cert, key = make_ca(tmp_path, "other").issue(tmp_path, "mallory", cn="mallory")
    assert "unknown CA" in fault(server, stranger(None, cert=cert, key=key))


def test_the_host_is_checked_where_that_is_asked(tls: Tls, peer: Tls) -> None:
    server, client = Contexts(tls).server(), Contexts(peer)
    for host in ("wall.example", "WALL.example", "127.0.0.2"):
        shake(server, client.client(check_hostname=True), host)
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        shake_client(server, client.client(check_hostname=True), "other.example")
    assert explain(caught.value) == "its certificate is for another host"
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        shake_client(server, client.client(check_hostname=True), "127.0.0.3")
    assert explain(caught.value) == "its certificate is for another address"
    shake(server, client.client(check_hostname=False), "other.example")


def shake_client(server: ssl.SSLContext, client: ssl.SSLContext, host: str) -> None:
    """Raises what the client raises."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = server.wrap_bio(to_server, to_client, server_side=True)
    other = client.wrap_bio(to_client, to_server, server_hostname=host)
    with pytest.raises(ssl.SSLWantReadError):
        other.do_handshake()
    with pytest.raises(ssl.SSLWantReadError):
        one.do_handshake()
    other.do_handshake()


def test_the_host_may_be_the_common_name_where_there_is_no_san(tmp_path: Path, tls: Tls, peer: Tls, ca: CA) -> None:
    """As OTP does it."""
    client = Contexts(peer).client(check_hostname=True)
    cert, key = ca.issue(tmp_path, "named", cn="wall.example")
    shake(Contexts(replace(tls, cert=cert, key=key)).server(), client, "wall.example")
    cert, key = ca.issue(tmp_path, "named", cn="wall.example", dns=["other.example"])
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_client(Contexts(replace(tls, cert=cert, key=key)).server(), client, "wall.example")


def test_wildcards_are_for_one_label(tmp_path: Path, tls: Tls, peer: Tls, ca: CA) -> None:
    client = Contexts(peer).client(check_hostname=True)
    cert, key = ca.issue(tmp_path, "wild", dns=["*.nodes.example"])
    server = Contexts(replace(tls, cert=cert, key=key)).server()
    shake(server, client, "wall.nodes.example")
    for host in ("a.wall.nodes.example", "nodes.example", "127.0.0.2"):
        with pytest.raises(ssl.SSLCertVerificationError):
            shake_client(server, client, host)


def test_a_server_without_trust_is_refused(tmp_path: Path, tls: Tls, peer: Tls) -> None:
    cert, key = make_ca(tmp_path, "other").issue(tmp_path, "mallory", dns=["wall.example"])
    server = Contexts(replace(tls, cert=cert, key=key, ca=tmp_path / "other.pem")).server()
    for checked in (True, False):
        with pytest.raises(ssl.SSLCertVerificationError) as caught:
            shake_client(server, Contexts(peer).client(check_hostname=checked), "wall.example")
        assert explain(caught.value) == "its certificate is signed by an unknown CA"


def test_an_intermediate_ca_is_trusted_by_itself(tmp_path: Path, tls: Tls, ca: CA) -> None:
    part = make_ca(tmp_path, "part", parent=ca)
    cert, key = part.issue(tmp_path, "peer", dns=["peer.example"])
    server = Contexts(replace(tls, ca=part.cert)).server()
    one, _ = shake(server, stranger(ca, cert=cert, key=key))
    assert dns(one) == ("peer.example",)
    # With the root alone, the peer has to bring the intermediate.
    server = Contexts(tls).server()
    assert "unknown CA" in fault(server, stranger(ca, cert=cert, key=key))
    cert.write_bytes(cert.read_bytes() + part.cert.read_bytes())
    shake(server, stranger(ca, cert=cert, key=key))


def test_guarded_nodes_need_no_certificate(tls: Tls, ca: CA) -> None:
    inside = Contexts(InsideTls(tls.cert, tls.key, tls.ca))
    one, _ = shake(inside.server(), stranger(ca))
    assert one.getpeercert(binary_form=True) is None
    shake(Contexts(replace(tls, clients="optional")).server(), inside.client(check_hostname=False), "other")


class TestResumption:
    """Sessions that are resumed, or not."""

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    def test_there_are_no_tickets(self, tls: Tls, peer: Tls, version: ssl.TLSVersion) -> None:
        client = Contexts(peer).client(check_hostname=False)
        client.maximum_version = version
        _, other = shake(Contexts(tls).server(), client)
        assert other.session is None or not other.session.has_ticket

    def test_a_session_from_memory_is_refused(self, tls: Tls, peer: Tls) -> None:
        server, client = Contexts(tls).server(), Contexts(peer).client(check_hostname=False)
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        _, other = shake(server, client)
        with pytest.raises(ssl.SSLError) as caught:
            shake(server, client, session=other.session)
        assert explain(caught.value) == "it resumes an older session, which is not allowed"
        shake(server, client)

    def test_a_session_of_other_contexts_is_not_resumed(self, tls: Tls, peer: Tls) -> None:
        contexts, client = Contexts(tls), Contexts(peer).client(check_hostname=False)
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        _, other = shake(contexts.server(), client)
        contexts.reload()
        one, _ = shake(contexts.server(), client, session=other.session)
        assert not one.session_reused

    def test_tls_1_3_resumes_nothing(self, tls: Tls, peer: Tls) -> None:
        server, client = Contexts(tls).server(), Contexts(peer).client(check_hostname=False)
        _, other = shake(server, client)
        one, _ = shake(server, client, session=other.session)
        assert not one.session_reused


def _issued_by(contexts: Contexts, ca: CA) -> bool:
    """Whether the server's certificate is of ``ca``."""
    try:
        shake(contexts.server(), stranger(ca))
    except ssl.SSLError as error:
        return "no certificate" in explain(error)
    return True


class TestReload:
    """Files that change while distwall runs."""

    @pytest.fixture
    def other(self, tmp_path: Path) -> Path:
        """A folder of new files of the same names, from another CA."""
        folder = tmp_path / "other"
        folder.mkdir()
        make_ca(folder).issue(folder, "wall", dns=["wall.example"])
        return folder

    def test_where_nothing_changed_nothing_is_loaded_anew_unless_asked(self, tls: Tls) -> None:
        contexts = Contexts(tls)
        assert not contexts.changed()
        before = contexts.server()
        contexts.reload()
        assert contexts.server() is not before

    @pytest.mark.parametrize("way", ["in place", "rename"])
    def test_new_files_are_loaded(self, tls: Tls, other: Path, way: str) -> None:
        contexts = Contexts(tls)
        for path in (tls.cert, tls.key, tls.ca):
            if way == "rename":
                (other / path.name).rename(path)
            else:
                path.write_bytes((other / path.name).read_bytes())
        assert contexts.changed()
        contexts.reload()
        assert not contexts.changed()
        assert contexts.server().get_ca_certs(binary_form=True) == [
            x509.load_pem_x509_certificate(tls.ca.read_bytes()).public_bytes(serialization.Encoding.DER)
        ]

    def test_each_state_between_keeps_the_old_ones(self, tls: Tls, ca: CA, other: Path) -> None:
        contexts = Contexts(tls)
        before = contexts.server()
        tls.cert.write_bytes((other / "wall.pem").read_bytes())
        with pytest.raises(ValueError, match=r"wall.key does not belong to the certificate in"):
            contexts.reload()
        key = (other / "wall.key").read_bytes()
        tls.key.write_bytes(key[: len(key) // 2])
        with pytest.raises(ValueError, match="is not a PEM file of a private key"):
            contexts.reload()
        tls.key.unlink()
        with pytest.raises(ValueError, match=r"can't read the key in .*: No such file"):
            contexts.reload()
        tls.key.write_bytes(b"")
        with pytest.raises(ValueError, match="is not a PEM file of a private key"):
            contexts.reload()
        assert contexts.server() is before
        assert _issued_by(contexts, ca)
        tls.key.write_bytes(key)
        contexts.reload()
        assert contexts.server() is not before
        assert not _issued_by(contexts, ca)

    def test_a_fault_is_looked_at_once(self, tls: Tls) -> None:
        contexts = Contexts(tls)
        tls.key.write_bytes(b"")
        assert contexts.changed()
        with pytest.raises(ValueError, match="not a PEM file"):
            contexts.reload()
        assert not contexts.changed()
        tls.key.unlink()
        assert contexts.changed()

    def test_a_link_to_a_folder_is_swapped(self, tmp_path: Path, tls: Tls, ca: CA, other: Path) -> None:
        """As Kubernetes does: the files are links into ..data, which is a link to a folder and is renamed over."""
        mount = tmp_path / "mount"
        (mount / "..1").mkdir(parents=True)
        for path in (tls.cert, tls.key, tls.ca):
            shutil.copy2(path, mount / "..1")
            (mount / path.name).symlink_to(Path("..data", path.name))
        (mount / "..data").symlink_to("..1")
        contexts = Contexts(replace(tls, cert=mount / "wall.pem", key=mount / "wall.key", ca=mount / "ca.pem"))
        assert _issued_by(contexts, ca)
        for round_ in range(2, 8):
            new = mount / f"..{round_}"
            shutil.copytree(
                other if round_ % 2 == 0 else tmp_path, new, ignore=shutil.ignore_patterns("mount", "other")
            )
            assert not contexts.changed()
            (mount / "..tmp").symlink_to(new.name)
            os.replace(mount / "..tmp", mount / "..data")  # noqa: PTH105
            shutil.rmtree(mount / f"..{round_ - 1}")
            assert contexts.changed()
            contexts.reload()
            assert not contexts.changed()
            assert _issued_by(contexts, ca) == (round_ % 2 == 1)

    def test_open_connections_stay(self, tls: Tls, peer: Tls, other: Path) -> None:
        contexts = Contexts(tls)
        one, end = shake(contexts.server(), Contexts(peer).client(check_hostname=False))
        for path in (tls.cert, tls.key, tls.ca):
            path.write_bytes((other / path.name).read_bytes())
        contexts.reload()
        end.write(b"still here")
        assert one.read(10) == b"still here"


def test_contexts_work_on_sockets_of_uvloop(tls: Tls, peer: Tls) -> None:
    """As the gateway does it: an accepted socket, whose first byte was peeked at."""

    async def main() -> tuple[str | None, str]:
        loop = asyncio.get_running_loop()
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        server, client = Contexts(tls).server(), Contexts(peer)

        async def accept() -> asyncio.Transport:
            accepted, _ = await loop.sock_accept(listener)
            made, _ = await loop.connect_accepted_socket(asyncio.Protocol, accepted, ssl=server)
            return made

        accepting = asyncio.create_task(accept())
        address = listener.getsockname()
        end, _ = await loop.create_connection(
            asyncio.Protocol, *address, ssl=client.client(check_hostname=True), server_hostname="wall.example"
        )
        accepted = await accepting
        version = accepted.get_extra_info("ssl_object").version()
        assert dns(accepted.get_extra_info("ssl_object")) == ("peer.example",)
        assert dns(end.get_extra_info("ssl_object")) == ("wall.example",)
        for each in (end, accepted):
            each.abort()

        accepting = asyncio.create_task(accept())
        with pytest.raises(ssl.SSLError) as caught:
            await loop.create_connection(
                asyncio.Protocol, *address, ssl=client.client(check_hostname=True), server_hostname="other.example"
            )
        with pytest.raises(OSError, match=r".*"):
            await accepting
        listener.close()
        return version, explain(caught.value)

    assert uvloop.run(main()) == ("TLSv1.3", "its certificate is for another host")
