"""Names of certificates, and whether they belong to a node."""

import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from distwall.policy.file.tls_keys import certificate_glob_fault
from distwall.tls import CertificateNames, describe, matches, names_of
from distwall.tls.certificate_names import MAX_NAMES
from tests.support.certificates import CA

KEY = ec.generate_private_key(ec.SECP256R1()).public_key()


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> CA:
    return CA(tmp_path_factory.mktemp("ca"))


@pytest.mark.parametrize(
    ("glob", "names", "node", "fits"),
    [
        # exact names of each type
        ("foo.example", {"dns": ["foo.example"]}, "foo@h", True),
        ("foo.example", {"dns": ["x.example", "foo.example"]}, "foo@h", True),
        ("foo.example", {"dns": ["foo.example.evil"]}, "foo@h", False),
        ("foo.example", {"dns": ["evil.foo.example"]}, "foo@h", False),
        ("spiffe://x/foo", {"uri": ["spiffe://x/foo"]}, "foo@h", True),
        ("10.0.0.7", {"ip": ["10.0.0.7"]}, "foo@h", True),
        ("foo", {"cn": "foo"}, "foo@h", True),
        # types
        ("DNS:foo.example", {"dns": ["foo.example"]}, "foo@h", True),
        ("DNS:foo.example", {"cn": "foo.example"}, "foo@h", False),
        ("CN:foo.example", {"cn": "foo.example"}, "foo@h", True),
        ("CN:foo.example", {"dns": ["foo.example"]}, "foo@h", False),
        ("URI:spiffe://x/foo", {"uri": ["spiffe://x/foo"]}, "foo@h", True),
        ("URI:*", {"dns": ["foo.example"]}, "foo@h", False),
        ("IP:10.0.0.7", {"dns": ["10.0.0.7"]}, "foo@h", False),
        # case
        ("Foo.example", {"dns": ["fOO.EXAMPLE"]}, "foo@h", True),
        ("{host}", {"dns": ["foo.example"]}, "foo@FOO.example", True),
        ("spiffe://x/Foo", {"uri": ["spiffe://x/foo"]}, "foo@h", False),
        ("Foo", {"cn": "foo"}, "foo@h", False),
        # placeholders
        ("{node}", {"cn": "foo@h"}, "foo@h", True),
        ("{node}", {"cn": "foo@h"}, "bar@h", False),
        ("{name}.nodes.example", {"dns": ["foo.nodes.example"]}, "foo@h", True),
        ("{name}.nodes.example", {"dns": ["foo.nodes.example"]}, "fo@h", False),
        ("URI:spiffe://x/{name}/{host}", {"uri": ["spiffe://x/foo/h"]}, "foo@h", True),
        ("{host}", {"ip": ["10.0.0.7"]}, "foo@10.0.0.7", True),
        ("{host}", {"ip": ["10.0.0.7"]}, "foo@10.0.0.8", False),
        ("IP:{host}", {"ip": ["fe80::1"]}, "foo@FE80:0::1", True),
        ("IP:FE80::0:1", {"ip": ["fe80::1"]}, "foo@h", True),
        ("IP:fe80::*", {"ip": ["fe80::1"]}, "foo@h", True),
        ("IP:10.0.*", {"ip": ["10.0.0.7"]}, "foo@h", True),
        ("IP:10.0.*", {"ip": ["10.1.0.7"]}, "foo@h", False),
        # globs of the policy
        ("*", {"dns": ["foo.example"]}, "foo@h", True),
        ("*", {}, "foo@h", False),
        ("*.example", {"dns": ["a.b.example"]}, "foo@h", True),
        ("*.example", {"dns": ["example"]}, "foo@h", False),
        ("a*c*e", {"cn": "abcde"}, "foo@h", True),
        ("a*c*e", {"cn": "aecce"}, "foo@h", True),
        ("a*c*e", {"cn": "ace"}, "foo@h", True),
        ("a*c*e", {"cn": "aec"}, "foo@h", False),
        ("ab*ba", {"cn": "aba"}, "foo@h", False),
        ("a**b", {"cn": "ab"}, "foo@h", True),
        ("a.c", {"cn": "abc"}, "foo@h", False),
        # wildcards of certificates are text
        ("{host}", {"dns": ["*.example"]}, "foo@a.example", False),
        ("a.example", {"dns": ["*.example"]}, "foo@h", False),
        ("*.example", {"dns": ["*.example"]}, "foo@h", True),
        # what a peer claims is text
        ("{name}", {"cn": "foo"}, "*@h", False),
        ("{name}", {"cn": "*"}, "*@h", False),
        ("{host}", {"dns": ["foo.example"]}, "foo@*", False),
        ("{host}", {"dns": ["foo.example"]}, "foo@*.example", False),
        ("URI:spiffe://x/{name}/*", {"uri": ["spiffe://x/a/b/c"]}, "a/b@h", False),
        ("URI:spiffe://x/{name}", {"uri": ["spiffe://x/a?b"]}, "a?b@h", False),
        ("{name}.*", {"dns": ["a.b.c"]}, "a.b@h", False),
        ("{name}", {"cn": "{host}"}, "{host}@h", False),
        ("{name}{host}", {"cn": "foo"}, "foo@", False),
        ("{name}", {"cn": "foo"}, "foo", False),
        ("{host}", {"cn": "h@i"}, "foo@h@i", False),
        ("{host}", {"dns": ["h"]}, "foo@h\0", False),
        ("{host}", {"dns": ["h"]}, "foo@h\n", False),
        ("{name}", {"cn": "foo"}, "foo\n@h", False),
        # the common name counts only without a SAN, and alone
        ("foo", {"cn": "foo", "dns": ["x.example"]}, "foo@h", False),
        ("CN:foo", {"cn": "foo", "uri": ["x:y"]}, "foo@h", False),
        ("foo", {"cn": ["foo", "bar"]}, "foo@h", False),
        ("bar", {"cn": ["foo", "bar"]}, "foo@h", False),
        # IDNA: names are as they stand in the certificate
        ("xn--bcher-kva.example", {"dns": ["xn--bcher-kva.example"]}, "foo@h", True),
        ("{host}", {"dns": ["xn--bcher-kva.example"]}, "foo@bücher.example", False),
    ],
)
def test_a_glob_matches_names_of_its_type(
    ca: CA, glob: str, names: dict[str, list[str]], node: str, fits: bool
) -> None:
    assert certificate_glob_fault(glob) is None
    certificate = ca.make(KEY, **names)  # type: ignore[arg-type]
    assert matches([glob], certificate, node) is fits
    assert matches(["DNS:nobody", glob], certificate, node) is fits


def test_no_glob_matches_nothing(ca: CA) -> None:
    assert not matches([], ca.make(KEY, dns=["foo.example"]), "foo@h")


@pytest.mark.parametrize(
    "name", ["foo.example\0.evil", "foo.example\n", "foo .example", "foo.example/", "foo.example," + "x" * 3000]
)
def test_names_that_no_host_has_do_not_count(ca: CA, name: str) -> None:
    certificate = ca.make(KEY, dns=[name], cn="foo")
    assert names_of(certificate) == CertificateNames()
    assert not matches(["*", "foo.example*"], certificate, "foo@h")


@pytest.mark.parametrize("name", ["spiffe://x/\0", "spiffe://x/ y", "spiffe://x/\n"])
def test_uris_that_are_none_do_not_count(ca: CA, name: str) -> None:
    assert names_of(ca.make(KEY, uri=[name])) == CertificateNames()


def test_common_names_that_can_not_be_printed_do_not_count(ca: CA) -> None:
    assert names_of(ca.make(KEY, cn="foo\0bar")) == CertificateNames()


def test_a_san_of_other_names_hides_the_common_name(ca: CA) -> None:
    assert names_of(ca.make(KEY, cn="foo", names=[x509.RFC822Name("foo@h")])) == CertificateNames()


def _with_extension(ca: CA, extension: x509.UnrecognizedExtension, *, dns: str | None = None) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(ca.subject)
        .issuer_name(ca.subject)
        .public_key(KEY)
        .serial_number(1)
        .not_valid_before(ca.certificate.not_valid_before_utc)
        .not_valid_after(ca.certificate.not_valid_after_utc)
        .add_extension(extension, critical=False)
    )
    if dns:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(dns)]), critical=False)
    return builder.sign(ca.key, hashes.SHA256())


@pytest.mark.parametrize(
    "value",
    [
        b"\x30\x03\x82\x01\xff",
        b"\x30\x02\xa3\x00",
        b"\x30\x03\x87\x01\x00",
        b"\x30\x0a\x87\x08\x0a\0\0\0\xff\0\0\0",
        b"",
        b"\x05\x00",
    ],
)
def test_a_san_that_can_not_be_read_has_no_name(ca: CA, value: bytes) -> None:
    certificate = _with_extension(ca, x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, value))
    assert names_of(certificate) == CertificateNames()
    assert not matches(["*"], certificate, "foo@h")
    assert describe(certificate) == "no valid name (serial 1)"


def test_two_sans_have_no_name(ca: CA) -> None:
    other = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.99"), b"\x30\x03\x82\x01h")
    der = _with_extension(ca, other, dns="foo.example").public_bytes(serialization.Encoding.DER)
    certificate = x509.load_der_x509_certificate(der.replace(b"\x55\x1d\x63", b"\x55\x1d\x11"))
    assert names_of(certificate) == CertificateNames()
    assert not matches(["*"], certificate, "foo@h")


def test_certificates_with_too_many_names_match_nothing(ca: CA) -> None:
    some = ca.make(KEY, dns=[f"n{i}.example" for i in range(MAX_NAMES)])
    assert matches(["n999.example"], some, "foo@h")
    many = ca.make(KEY, dns=[f"n{i}.example" for i in range(10_000)])
    started = time.process_time()
    assert not matches(["*"], many, "foo@h")
    assert not matches(["*n*.*.*x*"] * 10, some, "foo@h")
    assert time.process_time() - started < 2


def test_a_glob_of_many_stars_takes_no_time(ca: CA) -> None:
    certificate = ca.make(KEY, uri=["a" * 2000])
    started = time.process_time()
    assert not matches(["*a" * 100 + "b"], certificate, "foo@h")
    assert time.process_time() - started < 1


def test_a_certificate_is_described_in_one_line(ca: CA) -> None:
    certificate = ca.make(KEY, dns=["a.example", "b.example"], uri=["spiffe://x/foo"], ip=["::1"])
    text = describe(certificate)
    assert text.startswith("DNS:a.example, DNS:b.example, URI:spiffe://x/foo, IP:::1 (serial ")
    many = describe(ca.make(KEY, dns=[f"n{i}.example" for i in range(7)]))
    assert "DNS:n4.example and 2 more (serial " in many


@given(st.text(alphabet="ab*", max_size=8), st.text(alphabet="ab", max_size=8))
def test_globs_are_as_those_of_node_names(glob: str, name: str) -> None:
    from distwall.policy.language.names import glob_matches
    from distwall.tls.certificate_names import _in_order

    assert _in_order(glob.split("*"), name) == glob_matches(glob, name)


@given(st.text(max_size=12))
def test_a_claimed_name_matches_itself_or_nothing(node: str) -> None:
    from distwall.tls.certificate_names import _fits

    for glob in ("{node}", "{name}", "{host}"):
        for name in ("foo@h.example", "foo", "h.example"):
            if _fits(glob, "CN", name, node):
                assert name in (node, node.partition("@")[0], node.partition("@")[2])
