"""What a policy says of TLS: what it means, and errors with their places."""

import os
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID

from distwall.policy import InsideTls, Policy, PolicyError, Redirect, Tls, loads, warnings
from tests.support.certificates import make_ca
from tests.support.policies import ENV, GUARD, peer

TLS = '[guard.tls]\ncert = "wall.pem"\nkey = "wall.key"\nca = "ca.pem"\n'
LINES = GUARD.count("\n")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_ca(tmp_path).issue(tmp_path, "wall", dns=["wall.example"])
    return tmp_path


def _load(folder: Path, text: str) -> Policy:
    return loads(GUARD + text, folder / "distwall.toml", {**ENV, "HOME": str(folder)})


def _errors(folder: Path, text: str) -> list[tuple[int, int, str]]:
    with pytest.raises(PolicyError) as caught:
        _load(folder, text)
    return [(p.origin.line - LINES, p.origin.column, f"{p.what}; {p.remedy}") for p in caught.value.problems]


def _warnings(folder: Path, text: str) -> list[str]:
    return [f"{w.origin.line - LINES}:{w.origin.column} {w.what}; {w.remedy}" for w in warnings(_load(folder, text))]


def test_everything_that_can_be_said_is_read(folder: Path) -> None:
    (folder / "checks.py").write_text("def peer(certificate, node): ...")
    more = 'client_certificates = "optional"\nverify_peer = "checks:peer"\n'
    inside = '[guard.tls.inside]\ncert = "~/wall.pem"\nkey = "wall.key"\nca = "ca.pem"\n'
    redirect = '[guard.redirect]\nuser = "rabbitmq"\nport = 5000\nports = "6000-6010"\n'
    guard = _load(folder, TLS + more + inside + redirect + peer(more='certificate = "{host}"')).guard
    files = folder / "wall.pem", folder / "wall.key", folder / "ca.pem"
    assert guard.tls == Tls(*files, "optional", "checks:peer")
    assert guard.inside == InsideTls(*files)
    assert guard.redirect == Redirect("rabbitmq", 5000, (6000, 6010))


def test_what_is_not_said_has_safe_defaults(folder: Path) -> None:
    made = _load(folder, TLS + '[guard.redirect]\nuser = "rabbitmq"\n' + peer("foo@h"))
    assert made.guard.tls
    assert (made.guard.tls.clients, made.guard.tls.verify_peer, made.guard.inside) == ("required", None, None)
    assert made.guard.redirect == Redirect("rabbitmq", 4371, (64000, 64999))
    assert (made.entries[0].tls, made.entries[0].certificate) == (True, ())


def test_without_its_table_there_is_no_tls(folder: Path) -> None:
    made = _load(folder, peer() + peer("x@*", more='tls = "off"'))
    assert (made.guard.tls, made.guard.inside, made.guard.redirect) == (None, None, None)
    assert [entry.tls for entry in made.entries] == [False, False]


def test_entries_say_what_they_ask_for(folder: Path) -> None:
    entries = [
        peer("a@*", more='certificate = "{host}"'),
        peer("b@*", more='certificate = ["DNS:{host}", "URI:spiffe://x/{name}"]\ntls = "required"'),
        peer("c@*", more='tls = "off"'),
    ]
    made = _load(folder, TLS + "".join(entries))
    assert [(entry.tls, entry.certificate) for entry in made.entries] == [
        (True, ("{host}",)),
        (True, ("DNS:{host}", "URI:spiffe://x/{name}")),
        (False, ()),
    ]


def test_defaults_with_a_cookie_ask_for_tls_too(folder: Path) -> None:
    assert _load(folder, TLS + '[defaults]\ncookie_env = "FOO"\n').entries[0].tls
    assert not _load(folder, '[defaults]\ncookie_env = "FOO"\n').entries[0].tls


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("[guard.tls]\n", 1, 1, "no `cert`, no `key`, no `ca`; write cert ="),
        (TLS.replace("ca =", "cas ="), 1, 1, "no `ca`"),
        ("tls = 3\n", 1, 7, "guard.tls is an integer, not a table"),
        (TLS.replace('"wall.pem"', "3"), 2, 8, "`cert` is an integer, not a string"),
        (TLS.replace('"wall.pem"', '""'), 2, 8, "`cert` is empty"),
        (TLS.replace('"wall.pem"', '"a\\u0000"'), 2, 8, "`cert` contains a NUL character"),
        (TLS.replace("wall.pem", "no.pem"), 2, 8, "no.pem: No such file"),
        (TLS.replace("wall.key", "no.key"), 3, 7, "no.key: No such file"),
        (TLS.replace("ca.pem", "no.pem"), 4, 6, "no.pem: No such file"),
        (TLS.replace("ca.pem", "."), 4, 6, "it is a directory"),
        (TLS.replace("ca.pem", "/dev/zero"), 4, 6, "it is a device"),
        (TLS.replace("wall.pem", "wall.key"), 2, 8, "not a PEM file of certificates"),
        (TLS.replace("wall.key", "wall.pem"), 3, 7, "not a PEM file of a private key"),
        (TLS + 'client_certificates = "no"\n', 5, 23, "`no` is not a valid choice"),
        (TLS + 'verify_peer = "checks"\n', 5, 15, "write verify_peer"),
        (TLS + 'verify_peer = "a b:c"\n', 5, 15, "`a b:c` is not a function"),
        (TLS + "verify_peer = 3\n", 5, 15, "`verify_peer` is an integer, not a string"),
        (TLS + 'verify_peer = "nowhere_to_be_found:f"\n', 5, 15, "no module `nowhere_to_be_found`; write it as"),
        (TLS + 'verfy_peer = "a:b"\n', 5, 1, "did you mean `verify_peer`?"),
        (TLS + "[guard.tls.inside]\n", 5, 1, "no `cert`, no `key`, no `ca`"),
        (TLS + "inside = 3\n", 5, 10, "guard.tls.inside is an integer, not a table"),
        ('[guard.redirect]\nport = 1\n', 1, 1, "`user` is missing"),
        ('[guard.redirect]\nuser = ""\n', 2, 8, "`user` is empty"),
        ('[guard.redirect]\nuser = "x"\nport = 0\n', 3, 8, "a number from 1 to 65535"),
        ('[guard.redirect]\nuser = "x"\nports = "9-8"\n', 3, 9, "write FIRST-LAST"),
        (peer(more='tls = "required"'), 5, 7, "without [guard.tls]"),
        (peer(more="tls = true"), 5, 7, "`tls` is a boolean; write tls ="),
        (TLS + peer(more='tls = "on"'), 9, 7, "`tls` is `on`; write tls ="),
        (peer(more='certificate = "*"'), 5, 1, "for peers that don't speak TLS"),
        (TLS + peer(more='tls = "off"\ncertificate = "*"'), 10, 1, "for peers that don't speak TLS"),
        (TLS + peer(more="certificate = 3"), 9, 15, "`certificate` is an integer, not a string or a list"),
        (TLS + peer(more="certificate = []"), 9, 15, "`certificate` is empty"),
        (TLS + peer(more='certificate = ["a", 3]'), 9, 21, "an integer where `certificate` needs strings"),
        (TLS + peer(more='certificate = ["a", ""]'), 9, 21, "is empty"),
        (TLS + peer(more='certificate = "DNS:"'), 9, 15, "is empty"),
        (TLS + peer(more='certificate = "dns:a"'), 9, 15, "write DNS:a"),
        (TLS + peer(more='certificate = "a\\nb"'), 9, 15, "a control character"),
        (TLS + peer(more='certificate = "{peer}"'), 9, 15, "use {node}, {name} and {host} only"),
        (TLS + peer(more='certificate = "{node"'), 9, 15, "use {node}, {name} and {host} only"),
        (TLS + peer(more='certificate = "{{node}}"'), 9, 15, "use {node}, {name} and {host} only"),
        (TLS + peer(more='certificate = "DNS:bücher.example"'), 9, 15, "no DNS name can have; write a host name (IDNs"),
        (TLS + peer(more='certificate = "DNS:{node}"'), 9, 15, "perhaps with {name} and {host}"),
        (TLS + peer(more='certificate = "IP:10.0.0.0/8"'), 9, 15, "no IP name can have; write an address, 10.0.*"),
        (TLS + peer(more='certificate = "IP:{name}"'), 9, 15, "no IP name can"),
        (TLS + peer(more='certificate = "URI:spiffe://x/a b"'), 9, 15, "no URI name can have; write other"),
        ('[guard.redirect]\nuser = "x"\nports = "4000-5000"\n', 3, 9, "EPMD's port 4369 is in the range"),
    ],
)  # fmt: skip
def test_each_error_has_its_place(folder: Path, text: str, line: int, column: int, words: str) -> None:
    errors = _errors(folder, text)
    assert (line, column) in [(at_line, at_column) for at_line, at_column, _ in errors]
    assert any(words in error for _, _, error in errors)
    assert len(errors) == (2 if "cas =" in text else 1)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def peer(c, n): ...", None),
        ("async def peer(c, n): ...", None),
        ("if True:\n    peer = print", None),
        ("from other import peer", None),
        ("from other import x as peer", None),
        ("from other import *", None),
        ("def per(c, n): ...", "no `peer` in "),
        ("from other import peer as x", "no `peer` in "),
        ("print(peer)", "no `peer` in "),
        ("\ndef peer(:", "checks.py:2 is not Python: "),
        ("\0", "is not Python: "),
        ("raise SystemExit\n", "no `peer` in "),
    ],
)
def test_functions_are_looked_for_without_running_anything(folder: Path, code: str, words: str | None) -> None:
    (folder / "checks.py").write_text(code)
    text = TLS + 'verify_peer = "checks:peer"\n'
    if words is None:
        assert _load(folder, text).guard.tls
        return
    (error,) = _errors(folder, text)
    assert error[:2] == (5, 15)
    assert words in error[2]
    assert error[2].endswith("; write def peer(certificate, node) there")


def test_a_key_of_another_certificate_is_an_error(folder: Path) -> None:
    make_ca(folder, "other").issue(folder, "other", dns=["other.example"])
    (error,) = _errors(folder, TLS.replace("wall.key", "other.key"))
    assert error[:2] == (3, 7)
    assert "other.key does not belong to the certificate in" in error[2]


def test_a_chain_in_the_wrong_order_is_an_error(folder: Path) -> None:
    wall = folder / "wall.pem"
    wall.write_bytes((folder / "ca.pem").read_bytes() + wall.read_bytes())
    (error,) = _errors(folder, TLS)
    assert "put distwall's own certificate first" in error[2]


def test_a_key_with_a_passphrase_is_an_error(folder: Path) -> None:
    path = folder / "wall.key"
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hush"),
        )
    )
    (error,) = _errors(folder, TLS)
    assert error[:2] == (3, 7)
    assert "has a passphrase; remove it with openssl pkey" in error[2]


@pytest.mark.parametrize("name", ["wall.pem", "wall.key", "ca.pem"])
def test_files_that_were_half_written_are_errors(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    for size in range(0, len(whole) - 1, 37):
        (folder / name).write_bytes(whole[:size])
        assert len(_errors(folder, TLS)) == 1


def test_a_fifo_is_not_waited_for(folder: Path) -> None:
    (folder / "wall.key").unlink()
    os.mkfifo(folder / "wall.key")
    (error,) = _errors(folder, TLS)
    assert "it is a FIFO" in error[2]


def test_a_key_that_openssl_finds_too_weak_is_an_error(folder: Path) -> None:
    command = "openssl req -x509 -newkey rsa:1024 -noenc -keyout wall.key -out wall.pem -subj /CN=weak"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    (folder / "wall.key").chmod(0o600)
    (error,) = _errors(folder, TLS)
    assert error[:2] == (2, 8)
    assert "OpenSSL does not take the certificate in" in error[2]
    assert "ee key too small; make a new one" in error[2]


@pytest.mark.parametrize("key", ["rsa:2048", "ed25519"])
def test_rsa_and_ed25519_keys_are_fine(folder: Path, key: str) -> None:
    command = f"openssl req -x509 -newkey {key} -noenc -keyout wall.key -out wall.pem -subj /CN=wall"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    assert _warnings(folder, TLS + peer("foo@h")) == []


def test_certificates_out_of_their_time_are_worth_a_warning(folder: Path) -> None:
    now = datetime.now(UTC)
    make_ca(folder).issue(folder, "wall", cn="wall", not_after=now - timedelta(days=1))
    (warning,) = _warnings(folder, TLS + peer("foo@h"))
    assert warning.startswith("2:8 the certificate CN=wall in ")
    assert "expired on" in warning
    make_ca(folder).issue(folder, "wall", cn="wall", not_before=now + timedelta(hours=1))
    (warning,) = _warnings(folder, TLS + peer("foo@h"))
    assert "is not valid before" in warning


def test_a_certificate_that_is_not_for_both_directions_is_a_warning(folder: Path) -> None:
    make_ca(folder).issue(folder, "wall", cn="wall", usages=[ExtendedKeyUsageOID.SERVER_AUTH])
    (warning,) = _warnings(folder, TLS + peer("foo@h"))
    assert "is not for use with peers that are dialled" in warning
    make_ca(folder).issue(folder, "wall", cn="wall", usages=None)
    assert _warnings(folder, TLS + peer("foo@h")) == []


def test_a_key_that_others_can_read_is_a_warning(folder: Path) -> None:
    (folder / "wall.key").chmod(0o644)
    (warning,) = _warnings(folder, TLS + peer("foo@h"))
    assert warning.startswith("3:7 every user can read the key ")


def test_names_that_certificates_are_not_bound_to_are_a_warning(folder: Path) -> None:
    (warning,) = _warnings(folder, TLS + peer())
    assert warning.startswith("6:8 any certificate of `ca` is accepted for every name that fits foo@*; bind each")
    (warning,) = _warnings(folder, TLS + '[defaults]\ncookie_env = "FOO"\n')
    assert "every name that fits *;" in warning
    for more in ('certificate = "{host}"', 'tls = "off"'):
        assert _warnings(folder, TLS + peer(more=more)) == []
    (folder / "checks.py").write_text("def peer(certificate, node): ...")
    assert _warnings(folder, TLS + 'verify_peer = "checks:peer"\n' + peer()) == []


def test_hidden_peers_with_the_cookie_of_the_cluster_are_a_warning(folder: Path) -> None:
    def warned(more: str, head: str = TLS) -> list[str]:
        text = peer("mate@h", more=more).replace("FOO", "CLUSTER")
        return [warning.partition(" ")[2] for warning in _warnings(folder, head + text)]

    assert warned("visible = true") == []
    (hidden,) = warned("")
    assert hidden == (
        "these peers know the cookie of the cluster; give them a cookie of their own, or they can go round distwall"
    )
    (visible,) = warned("visible = true", "")
    assert visible.startswith("guarded nodes can't dial them without TLS, since these peers know the cookie of the")
    assert visible.endswith("; add [guard.tls], or give them a cookie of their own")
    (hidden,) = warned('tls = "off"')
    assert hidden.startswith("guarded nodes can't dial them without TLS, since these peers know")
    assert hidden.endswith("or they can go round distwall")
