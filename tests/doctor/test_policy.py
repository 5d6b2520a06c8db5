"""What a policy and its files give away: cookies, modes and owners, wires without TLS, old certificates."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from distwall.doctor import Finding, Host
from distwall.doctor.checks import cookies, files, wire
from distwall.policy import Cookie, Policy, load

CLUSTER = "QWERZUIOPASDFGHJKLYX"
FOO = "PLMOKNIJBUHVYGCTFXRD"
BAZ = "MNBVCXYLKJHGFDSAPOIU"
GUARD = '[guard]\nnodes = ["bar@127.0.0.2"]\nlisten = "127.0.0.2"\ncookie_file = "cluster.cookie"\n'


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    """A folder with cookies that are fine."""
    for name, text in (("cluster", CLUSTER), ("foo", FOO), ("baz", BAZ)):
        path = tmp_path / f"{name}.cookie"
        path.write_text(text)
        path.chmod(0o400)
    return tmp_path


def entry(node: str = "foo@*", cookie: str = 'cookie_file = "foo.cookie"', more: str = "") -> str:
    """A [[peers]] entry."""
    return f'[[peers]]\nnode = "{node}"\n{cookie}\n{more}\n'


def policy(folder: Path, entries: str = entry(), *, guard: str = GUARD) -> Policy:
    """A policy, from a file that nobody else can read."""
    path = folder / "distwall.toml"
    path.write_text(guard + entries)
    path.chmod(0o600)
    return load(path, {})


class TestWeakCookies:
    def test_strong_ones_are_no_finding(self, folder: Path) -> None:
        assert list(cookies.weak(policy(folder))) == []

    @pytest.mark.parametrize(
        ("cookie", "fault"),
        [
            ("monster", "is a well-known default"),
            ("Monster", "is a well-known default"),
            ("SWQOKODSQALRPCLNMEQG", "is a well-known default"),
            ("emqxsecretcookie", "is a well-known default"),
            ("ZQJXKVBPYGFWMUC", "has fewer than 16 characters"),
            ("AAAAAAAAAAAAAAAAAAAA", "has too little variety"),
            ("abcdabcdabcdabcdabcd", "has too little variety"),
            ("hunter2-hunter2-hunter2-", "has too little variety"),
            ("ABCDEFGHIJKLMNOPQRST", "has too little variety"),
            ("98765432109876543210", "has too little variety"),
            ("0000000000000000000000000000001", "has too little variety"),
            ("8237492837492374", "has too little variety"),
        ],
    )
    def test_each_kind_is_found_and_not_shown(self, folder: Path, cookie: str, fault: str) -> None:
        (folder / "foo.cookie").chmod(0o600)
        (folder / "foo.cookie").write_text(cookie)
        (finding,) = cookies.weak(policy(folder))
        assert finding.severity == "problem"
        assert finding.what == f"the cookie of foo@* {fault}"
        assert finding.where == f"{folder}/distwall.toml:7:15"
        assert cookie not in str(finding.to_json()).replace(str(folder), "")

    def test_that_of_the_cluster_is_found_too(self, folder: Path) -> None:
        guard = GUARD.replace('cookie_file = "cluster.cookie"', 'cookie = "secret"')
        (finding,) = cookies.weak(policy(folder, guard=guard))
        assert finding.what == "the cookie of the cluster is a well-known default"
        assert finding.where.endswith("distwall.toml:4:10")

    def test_that_of_the_defaults_is_found_once(self, folder: Path) -> None:
        text = '[defaults]\ncookie = "monster"\n' + entry(cookie="") + entry("baz@*", cookie="")
        assert len(list(cookies.weak(policy(folder, text)))) == 1

    @pytest.mark.parametrize(
        "cookie", [CLUSTER, FOO, BAZ, "0123456789abcdef0d93", "6634704401569b83116cc481f1b2a2e0", "p4§µ ... öäü-1Zq"]
    )
    def test_good_ones_have_no_weakness(self, cookie: str) -> None:
        assert cookies.weakness(Cookie(cookie.encode("latin-1"))) is None


class TestSharedCookies:
    def test_one_for_each_is_no_finding(self, folder: Path) -> None:
        both = entry() + entry("baz@*", 'cookie_file = "baz.cookie"')
        assert list(cookies.shared(policy(folder, both))) == []

    def test_a_peer_with_the_clusters_is_a_problem(self, folder: Path) -> None:
        (finding,) = cookies.shared(policy(folder, entry(cookie='cookie_file = "cluster.cookie"')))
        assert (finding.severity, finding.check) == ("problem", "shared_cookie")
        assert finding.what.startswith("foo@* has the cluster's cookie")
        assert finding.where == f"{folder}/distwall.toml:6:8"

    def test_a_mate_with_the_clusters_is_a_warning(self, folder: Path) -> None:
        mate = entry(cookie='cookie_file = "cluster.cookie"', more='visible = true\nrules = ["accept *"]')
        (finding,) = cookies.shared(policy(folder, mate))
        assert finding.severity == "warning"
        assert "distwalls" in finding.remedy
        (finding,) = cookies.shared(policy(folder, mate.replace("accept *", "deny *")))
        assert finding.severity == "problem"

    def test_mates_may_share_one_of_their_own(self, folder: Path) -> None:
        more = 'visible = true\nrules = ["accept *"]'
        assert list(cookies.shared(policy(folder, entry(more=more) + entry("baz@*", more=more)))) == []

    def test_two_entries_with_one_are_a_warning(self, folder: Path) -> None:
        (finding,) = cookies.shared(policy(folder, entry() + entry("baz@*")))
        assert finding.severity == "warning"
        assert finding.what.endswith("can pose as another: foo@*, baz@*")
        assert finding.where == f"{folder}/distwall.toml:6:8, {folder}/distwall.toml:10:8"

    def test_two_entries_for_one_node_may(self, folder: Path) -> None:
        text = entry(more='guards = ["bar@*"]') + entry(more='guards = ["baz@*"]')
        assert list(cookies.shared(policy(folder, text))) == []


class TestFiles:
    def _found(self, folder: Path, entries: str = entry(), **more: str) -> list[Finding]:
        made = policy(folder, entries, **more)
        return [*files.secrets(made, Host()), *files.policy_of(made, Host())]

    def test_private_files_are_no_finding(self, folder: Path) -> None:
        assert self._found(folder) == []

    def test_a_cookie_that_others_can_read_is_a_problem(self, folder: Path) -> None:
        (folder / "foo.cookie").chmod(0o444)
        (finding,) = self._found(folder)
        assert (finding.severity, finding.check) == ("problem", "readable")
        assert finding.what == f"every user can read the cookie in {folder}/foo.cookie"
        assert finding.remedy == f"chmod 600 {folder}/foo.cookie"

    def test_a_policy_with_a_cookie_that_others_can_read_is_found(self, folder: Path) -> None:
        made = policy(folder, entry(cookie=f'cookie = "{FOO}"'))
        assert list(files.secrets(made, Host())) == []
        made.path.chmod(0o644)
        (finding,) = files.secrets(made, Host())
        assert finding.what == f"every user can read the cookie in {made.path}"

    def test_a_policy_without_cookies_may_be_read(self, folder: Path) -> None:
        made = policy(folder)
        made.path.chmod(0o644)
        assert [*files.secrets(made, Host()), *files.policy_of(made, Host())] == []

    def test_a_policy_that_others_can_change_is_a_problem(self, folder: Path) -> None:
        made = policy(folder)
        made.path.chmod(0o666)
        (finding,) = files.policy_of(made, Host())
        assert (finding.severity, finding.check) == ("problem", "writable")

    def test_a_folder_that_others_can_change_is_found(self, folder: Path) -> None:
        made = policy(folder)
        folder.chmod(0o777)
        (finding,) = files.policy_of(made, Host())
        assert finding.what == f"every user can replace {folder}/distwall.toml"
        assert finding.where == str(folder)
        folder.chmod(0o1777)
        assert list(files.policy_of(made, Host())) == []

    def test_another_owner_is_a_warning(self, folder: Path) -> None:
        if os.geteuid():
            pytest.skip("only root can give files away")
        made = policy(folder)
        os.chown(folder / "foo.cookie", 4242, 4242)
        (finding,) = files.secrets(made, Host())
        assert (finding.severity, finding.check) == ("warning", "owner")
        assert "belongs to 4242" in finding.what
        assert finding.remedy == f"chown root {folder}/foo.cookie"


class TestWire:
    def _hosts(self, folder: Path, listen: str, *entries: str) -> list[str]:
        guard = GUARD.replace('listen = "127.0.0.2"', f'listen = "{listen}"')
        return [finding.where for finding in wire.plain(policy(folder, "".join(entries), guard=guard), Host())]

    def test_loopback_is_no_finding(self, folder: Path) -> None:
        assert self._hosts(folder, "127.0.0.2", entry(), entry("foo@127.0.0.1"), entry("foo@localhost")) == []
        assert self._hosts(folder, "::1", entry()) == []

    def test_a_listener_on_a_network_is_found(self, folder: Path) -> None:
        assert self._hosts(folder, "10.1.2.3", entry()) == [f"{folder}/distwall.toml:6:8"]

    def test_many_entries_are_one_finding(self, folder: Path) -> None:
        entries = [entry(f"n{number}@10.0.0.7") for number in range(8)]
        guard = GUARD.replace('listen = "127.0.0.2"', 'listen = "127.0.0.1"')
        (finding,) = wire.plain(policy(folder, "".join(entries), guard=guard), Host())
        assert finding.what.endswith("n3@10.0.0.7, n4@10.0.0.7 and 3 more")
        assert finding.where.endswith("and 3 more")

    def test_peers_of_this_host_only_are_no_finding(self, folder: Path) -> None:
        assert self._hosts(folder, "10.1.2.3", entry(more='from = ["127.0.0.0/8"]')) == []
        assert self._hosts(folder, "10.1.2.3", entry(more='from = ["127.0.0.1", "10.0.0.0/8"]')) != []

    def test_a_peer_elsewhere_is_found(self, folder: Path) -> None:
        assert self._hosts(folder, "127.0.0.2", entry("foo@10.0.0.7")) == [f"{folder}/distwall.toml:6:8"]


class TestCertificates:
    def _found(self, folder: Path, days: int) -> list[Finding]:
        certificate(folder, days)
        guard = GUARD + 'tls = { cert = "cert.pem", key = "key.pem", ca = "cert.pem" }\n'
        return list(wire.certificates(policy(folder, guard=guard)))

    def test_one_that_lasts_is_no_finding(self, folder: Path) -> None:
        assert self._found(folder, 40) == []

    def test_one_that_expires_soon_is_a_warning(self, folder: Path) -> None:
        today = datetime.now(UTC)
        (finding,) = self._found(folder, 20)
        assert (finding.severity, finding.where) == ("warning", f"{folder}/cert.pem")
        # Midnight may come between the two.
        ends = {f"{day + timedelta(days=20):%Y-%m-%d}" for day in (today, datetime.now(UTC))}
        assert finding.what in {f"the certificate CN=distwall expires on {end}" for end in ends}

    def test_one_that_has_expired_is_a_problem(self, folder: Path) -> None:
        (finding,) = self._found(folder, -1)
        assert finding.severity == "problem"
        assert "CN=distwall expired on" in finding.what

    def test_entries_with_tls_are_not_plain(self, folder: Path) -> None:
        certificate(folder, 40)
        guard = GUARD.replace('listen = "127.0.0.2"', 'listen = "10.1.2.3"')
        guard += 'tls = { cert = "cert.pem", key = "key.pem", ca = "cert.pem" }\n'
        entries = entry("foo@10.0.0.7") + entry("baz@*", 'cookie_file = "baz.cookie"', 'tls = "off"')
        (finding,) = wire.plain(policy(folder, entries, guard=guard), Host())
        assert finding.what.endswith("change everything: baz@*")

    def test_a_key_that_others_can_read_is_found(self, folder: Path) -> None:
        certificate(folder, 40)
        (folder / "key.pem").chmod(0o644)
        guard = GUARD + 'tls = { cert = "cert.pem", key = "key.pem", ca = "cert.pem" }\n'
        (finding,) = files.secrets(policy(folder, guard=guard), Host())
        assert finding.what == f"every user can read the key in {folder}/key.pem"


def certificate(folder: Path, days: int) -> None:
    """Writes a certificate that expires in so many days, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "distwall")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "key.pem").chmod(0o600)
