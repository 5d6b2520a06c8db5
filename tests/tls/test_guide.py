"""What docs/tls.md tells to do: certificates made with openssl, the configuration of OTP, a function of one's own."""

import asyncio
import re
import subprocess
from pathlib import Path

import pytest
from cryptography import x509

from distwall.policy import Tls
from distwall.policy.file.certificate_files import faults
from distwall.tls import CertificateNames, Contexts, Verifier, matches, names_of
from tests.tls.shaking import shake

PAGE = (Path(__file__).parents[2] / "docs" / "tls.md").read_text()


def _block(language: str, holds: str) -> str:
    texts: list[str] = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return next(text for text in texts if holds in text)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    subprocess.run(["sh", "-e", "-c", _block("sh", "openssl req")], cwd=folder, check=True, capture_output=True)
    return folder


def _tls(folder: Path, name: str) -> Tls:
    return Tls(folder / f"{name}.pem", folder / f"{name}.key", folder / "ca.pem", "required", None)


def test_the_pages_certificates_are_sound(made: Path) -> None:
    assert faults(_tls(made, "wall")) == []
    foo = x509.load_pem_x509_certificate((made / "foo.pem").read_bytes())
    assert names_of(foo) == CertificateNames(dns=("10.0.0.7",), ip=("10.0.0.7",))
    assert matches(["{host}"], foo, "foo@10.0.0.7")
    wall, peer = Contexts(_tls(made, "wall")), Contexts(_tls(made, "foo"))
    shake(wall.server(), peer.client(check_hostname=True), "10.0.0.5")
    shake(peer.server(), wall.client(check_hostname=True), "10.0.0.7")


def test_the_pages_function_is_asked(made: Path) -> None:
    (made / "checks.py").write_text(_block("python", "def peer"))
    certificate = x509.load_pem_x509_certificate((made / "foo.pem").read_bytes())
    assert asyncio.run(Verifier("checks:peer", made).fault(certificate, "foo@10.0.0.7")) is None


def test_the_configuration_of_otp_is_a_term(made: Path) -> None:
    (made / "ssl_dist.conf").write_text(_block("erlang", "certfile"))
    code = '{ok, [T]} = file:consult("ssl_dist.conf"), io:format("~p", [proplists:get_keys(T)]), halt().'
    flags = ["-noshell", "-noinput", "-boot", "start_clean"]
    said = subprocess.run(["erl", *flags, "-eval", code], cwd=made, check=True, capture_output=True, timeout=30)
    assert b"client" in said.stdout
    assert b"server" in said.stdout
