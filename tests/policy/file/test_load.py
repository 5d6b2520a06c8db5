"""What a policy file means."""

import os
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest

from distwall._core import DEFAULT_LIMITS
from distwall.policy import Address, Cookie, PolicyError, load, loads, warnings
from distwall.policy.model import ControlSettings
from tests.support.policies import ENV, GUARD, PATH, peer, policy

FULL = """
[guard]
nodes       = ["bar@127.0.0.2", "baz*@127.0.0.2"]
listen      = "127.0.0.2"
epmd        = "127.0.0.2:4369"
register    = "127.0.0.1:4370"
ports       = "9100-9199"
cookie_env  = "CLUSTER"
peer_epmd_port = 4444

[defaults]
rules = ["deny *", "accept ping"]

[tables.gateway_clients]
rules = ["accept reg_send node_b_gateway", "accept monitor node_b_gateway"]

[[peers]]
node   = "foo@*"
cookie_env = "FOO"
visible = true
tables = ["gateway_clients"]
rules  = ["accept spawn_request inventory:lookup/1"]
limits = { new_atoms = 2000 }
third_nodes = ["qux@*"]
funs = false
guards = ["bar@*"]
from = ["10.0.0.0/8", "::1"]

[audit]
file = "log/audit.jsonl"
on_full = "continue"

[control]
socket = "/run/distwall.sock"
node = "distwall@127.0.0.1"
cookie_env = "OPERATORS"
"""


def test_everything_that_can_be_said_is_read() -> None:
    made = loads(FULL, Path("/etc/distwall/distwall.toml"), ENV)
    guard = made.guard
    assert guard.nodes == ("bar@127.0.0.2", "baz*@127.0.0.2")
    assert (guard.listen, guard.epmd, guard.register) == (
        "127.0.0.2",
        Address("127.0.0.2", 4369),
        Address("127.0.0.1", 4370),
    )
    assert (guard.ports, guard.peer_epmd_port, guard.one_epmd) == ((9100, 9199), 4444, False)
    assert guard.cookie == Cookie(b"cluster-secret")
    (entry,) = made.entries
    assert (entry.node, entry.visible, entry.tables, entry.funs) == ("foo@*", True, ("gateway_clients",), False)
    assert entry.cookie.reveal() == b"foo-secret"
    assert entry.limits == {"new_atoms": 2000}
    assert entry.third_nodes == ("qux@*",)
    assert entry.guards == ("bar@*",)
    assert entry.sources == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert [[rule.text for rule in rules] for rules in entry.attached] == [
        ["accept spawn_request inventory:lookup/1"],
        ["accept reg_send node_b_gateway", "accept monitor node_b_gateway"],
    ]
    assert [(rule.where, rule.origin.line) for rule in made.rules] == [
        ("defaults", 12),
        ("defaults", 12),
        ("table gateway_clients", 15),
        ("table gateway_clients", 15),
        ("entry", 22),
    ]
    assert all(made.rule(rule.id) is rule for rule in made.rules)
    assert made.audit.file == Path("/etc/distwall/log/audit.jsonl")
    assert made.audit.on_full == "continue"
    assert made.control.socket == Path("/run/distwall.sock")
    assert made.control.node == "distwall@127.0.0.1"
    assert made.control.cookie == Cookie(b"operators-secret")


def test_nobody_connects_by_the_name_of_distwalls_own_node() -> None:
    made = policy('[control]\nnode = "distwall@h"\n' + peer(node="*"))
    assert made.entry_for("foo@h") is not None
    assert made.entry_for("distwall@h") is None


def test_what_is_not_said_has_safe_defaults() -> None:
    made = policy(peer())
    guard = made.guard
    assert (guard.listen, guard.epmd, guard.register) == (
        "127.0.0.1",
        Address("127.0.0.1", 4369),
        Address("127.0.0.1", 4369),
    )
    assert (guard.ports, guard.peer_epmd_port, guard.one_epmd) == (None, 4369, True)
    (entry,) = made.entries
    assert (entry.visible, entry.funs, entry.third_nodes, entry.guards, entry.sources) == (False, None, (), None, ())
    assert (made.audit.file, made.audit.on_full) == (Path("distwall-audit.jsonl"), "deny")
    assert (made.audit.key, made.audit.rotate_size, made.audit.rotate_age, made.audit.keep) == (None, 10**8, None, 20)
    assert made.control == ControlSettings(
        socket=Path("distwall.sock"),
        socket_mode=0o600,
        socket_group=None,
        http=None,
        hosts=(),
        tokens=Path("tokens.json"),
        state=Path("distwall-state.json"),
        node=None,
        cookie=None,
    )


@pytest.mark.parametrize(
    ("settings", "epmd", "register", "one"),
    [
        ('listen = "127.0.0.2"', "127.0.0.2:4369", "127.0.0.1:4369", False),
        ('listen = "127.0.0.2"\nepmd = "127.0.0.3:5000"', "127.0.0.3:5000", "127.0.0.1:5000", False),
        ('epmd = "0.0.0.0:5000"', "0.0.0.0:5000", "127.0.0.1:5000", True),
        ('epmd = "0.0.0.0:5000"\nregister = "127.0.0.1:5001"', "0.0.0.0:5000", "127.0.0.1:5001", False),
        ('epmd = "[::]:5000"', "[::]:5000", "127.0.0.1:5000", True),
        ('listen = "::1"', "[::1]:4369", "127.0.0.1:4369", False),
        ('epmd = "epmd.example:5000"', "epmd.example:5000", "127.0.0.1:5000", False),
    ],
)
def test_addresses_that_are_not_said_follow_from_others(settings: str, epmd: str, register: str, one: bool) -> None:
    guard = policy(peer(), guard=GUARD + settings + "\n").guard
    assert (str(guard.epmd), str(guard.register), guard.one_epmd) == (epmd, register, one)


def test_limits_are_those_of_the_core() -> None:
    limits = ", ".join(f"{name} = 7" for name in DEFAULT_LIMITS)
    assert policy(peer(more=f"limits = {{ {limits} }}")).entries[0].limits == dict.fromkeys(DEFAULT_LIMITS, 7)


def test_visible_entries_may_name_each_others_processes() -> None:
    made = policy(
        peer("a@*", more="visible = true")
        + peer("b@*", more="visible = true")
        + peer("c@*")
        + peer("d@*", more='visible = true\nthird_nodes = ["e@h"]')
    )
    assert [entry.third_nodes for entry in made.entries] == [
        ("a@*", "b@*", "d@*"),
        ("a@*", "b@*", "d@*"),
        (),
        ("e@h",),
    ]


def test_no_cookie_is_ever_shown() -> None:
    made = loads(FULL, PATH, ENV)
    for text in (repr(made), str(made), repr(made.guard.cookie), f"{made.entries[0].cookie}"):
        assert "secret" not in text


class TestCookies:
    def test_an_entry_without_one_takes_that_of_the_defaults(self) -> None:
        made = policy('[defaults]\ncookie = "d"\n[[peers]]\nnode = "a@h"\n' + peer("b@h"))
        assert [entry.cookie.reveal() for entry in made.entries] == [b"d", b"foo-secret", b"d"]

    def test_defaults_with_one_let_unnamed_peers_connect(self) -> None:
        made = policy('[defaults]\ncookie = "d"\nrules = ["accept ping"]\n' + peer("b@h"))
        entry = made.entry_for("stranger@h", "bar@127.0.0.2")
        assert entry is not None
        assert (entry.node, entry.attached, entry.visible) == ("*", (), False)
        assert [f.rule.text for f in made.ranked(entry)] == ["accept ping", "accept ping"]

    def test_defaults_without_one_let_no_unnamed_peer_connect(self) -> None:
        assert policy(peer("b@h")).entry_for("stranger@h", "bar@127.0.0.2") is None

    @pytest.mark.parametrize(("content", "cookie"), [("abc\n", b"abc"), ("abc\r\n", b"abc"), ("a c", b"a c")])
    def test_files_lose_their_line_end(self, tmp_path: Path, content: str, cookie: bytes) -> None:
        (tmp_path / "c").write_text(content)
        made = loads(GUARD + '[[peers]]\nnode = "a@h"\ncookie_file = "c"\n', tmp_path / "distwall.toml", ENV)
        assert made.entries[0].cookie.reveal() == cookie

    def test_files_are_found_at_home(self, tmp_path: Path) -> None:
        (tmp_path / ".erlang.cookie").write_text("home")
        text = GUARD + '[[peers]]\nnode = "a@h"\ncookie_file = "~/.erlang.cookie"\n'
        assert loads(text, PATH, {**ENV, "HOME": str(tmp_path)}).entries[0].cookie.reveal() == b"home"

    @pytest.mark.parametrize(
        ("content", "words"),
        [("", "is empty"), ("\n", "is empty"), ("a\nb\n", "control character"), ("x" * 300, "more than the 255")],
    )
    def test_files_that_hold_none_are_errors(self, tmp_path: Path, content: str, words: str) -> None:
        (tmp_path / "c").write_text(content)
        with pytest.raises(PolicyError, match=words) as caught:
            loads(GUARD + '[[peers]]\nnode = "a@h"\ncookie_file = "c"\n', tmp_path / "distwall.toml", ENV)
        assert (caught.value.problems[0].origin.line, caught.value.problems[0].origin.column) == (6, 15)

    def test_a_directory_is_no_cookie_file(self, tmp_path: Path) -> None:
        with pytest.raises(PolicyError, match="can't read the cookie file"):
            loads(GUARD + '[[peers]]\nnode = "a@h"\ncookie_file = "."\n', tmp_path / "distwall.toml", ENV)

    def test_files_that_everyone_can_read_are_warned_of(self, tmp_path: Path) -> None:
        file = tmp_path / "c"
        file.write_text("abc")
        text = GUARD + '[[peers]]\nnode = "a@h"\ncookie_file = "c"\n'
        file.chmod(0o644)
        (warning,) = warnings(loads(text, tmp_path / "distwall.toml", ENV))
        assert "every user can read the cookie file" in str(warning)
        file.chmod(0o640)
        assert warnings(loads(text, tmp_path / "distwall.toml", ENV)) == []

    def test_a_policy_file_with_a_cookie_that_everyone_can_read_is_warned_of(self, tmp_path: Path) -> None:
        path = tmp_path / "distwall.toml"
        path.write_text(GUARD + '[[peers]]\nnode = "a@h"\ncookie = "abc"\n')
        path.chmod(0o644)
        (warning,) = warnings(load(path, ENV))
        assert "every user can read this cookie" in str(warning)
        path.chmod(0o600)
        assert warnings(load(path, ENV)) == []

    def test_the_clusters_own_given_to_peers_is_warned_of(self) -> None:
        text = '[[peers]]\nnode = "a@h"\ncookie_env = "CLUSTER"\n'
        (warning,) = warnings(policy(text))
        assert "know the cookie of the cluster" in str(warning)
        (warning,) = warnings(policy(text + "visible = true\n"))
        assert "guarded nodes can't dial them without TLS" in str(warning)

    def test_they_compare_by_value_with_their_like_only(self) -> None:
        assert Cookie(b"a") == Cookie(b"a")
        assert Cookie(b"a") != Cookie(b"b")
        assert Cookie(b"a") != b"a"
        assert len({Cookie(b"a"), Cookie(b"a")}) == 1


def test_load_reads_files_and_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "distwall.toml"
    path.write_text(FULL.replace("\n", "\r\n"), encoding="utf-8")
    for name, value in ENV.items():
        monkeypatch.setitem(os.environ, name, value)
    assert load(path).rules[0].origin.line == 12
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.toml")


class TestWhoIsGuarded:
    def test_patterns_are_about_the_full_name(self) -> None:
        made = loads(FULL, PATH, ENV)
        assert made.guards("bar@127.0.0.2")
        assert made.guards("baz7@127.0.0.2")
        assert not made.guards("bar@127.0.0.3")
        assert not made.guards("xbar@127.0.0.2")

    def test_the_part_that_registers_is_known_too(self) -> None:
        made = loads(FULL, PATH, ENV)
        assert made.guards_alive("bar")
        assert made.guards_alive("baz7")
        assert not made.guards_alive("rabbitmq_prelaunch_1")

    def test_a_star_guards_all(self) -> None:
        made = policy(peer(), guard='[guard]\nnodes = ["*"]\ncookie_env = "CLUSTER"\n')
        assert made.guards("any@thing")
        assert made.guards_alive("any")


class TestEntryFor:
    @pytest.mark.parametrize(
        ("node", "expected"),
        [
            ("foo@a", 3),  # exact, though written last
            ("foo@b", 1),
            ("foobar@b", 2),
            ("xyz@b", 0),
            ("Foo@a", 0),  # names differ by case
            ("undefined@b", 0),
        ],
    )
    def test_an_exact_one_comes_first_then_that_with_the_longest_literal_part(self, node: str, expected: int) -> None:
        made = policy(peer("*@*") + peer("foo@*") + peer("foo*@*") + peer("foo@a"))
        entry = made.entry_for(node, "bar@127.0.0.2")
        assert entry is not None
        assert entry.index == expected

    def test_among_equals_the_first_applies(self) -> None:
        made = policy(peer("a*@h") + peer("*b@h"))
        entry = made.entry_for("ab@h", "bar@127.0.0.2")
        assert entry is not None
        assert entry.index == 0

    def test_entries_for_other_guarded_nodes_do_not_count(self) -> None:
        made = policy(
            peer("foo@*", more='guards = ["bar@*"]') + peer("*@*"),
            guard='[guard]\nnodes = ["bar@h", "baz@h"]\ncookie_env = "CLUSTER"\n',
        )
        assert [getattr(made.entry_for("foo@x", guard), "index", None) for guard in ("bar@h", "baz@h", None)] == [
            0,
            1,
            0,
        ]

    def test_stars_cross_dots_and_nothing_else_is_special(self) -> None:
        made = policy(peer("foo@10.0.*.[1]?"))
        assert made.entry_for("foo@10.0.1.2.[1]?", None)
        assert not made.entry_for("foo@10x0.1.[1]?", None)
        assert not made.entry_for("foo@10.0.1.12", None)


class TestSources:
    @pytest.mark.parametrize(
        ("source", "admitted"),
        [("10.1.2.3", True), ("11.1.2.3", False), ("::1", True), ("::ffff:10.0.0.1", True), ("fe80::1%eth0", False)],
    )
    def test_peers_come_only_from_the_networks_named(self, source: str, admitted: bool) -> None:
        assert loads(FULL, PATH, ENV).entries[0].admits(source) is admitted

    def test_peers_come_from_anywhere_where_none_is_named(self) -> None:
        assert policy(peer()).entries[0].admits("203.0.113.9")


def test_what_goes_out_has_lists_of_its_own() -> None:
    text = '[tables.t]\nrules_out = ["deny link"]\n[tables.u]\nrules = ["accept send"]\n'
    made = policy(text + peer(more='tables = ["t", "u"]') + peer("qux@*", more='tables = ["u"]'))
    foo, qux = made.entries
    assert [f.rule.text for f in made.ranked_out(foo) or ()] == ["deny link"]
    assert (made.ranked_out(qux), made.compile_out(qux)) == (None, None)
    core = made.compile_out(foo)
    assert core is not None
    assert core is made.compile_out(foo)
    everywhere = policy("[defaults]\nrules_out = []\n" + peer())
    silent = everywhere.compile_out(everywhere.entries[0])
    assert silent is not None
    assert silent.judge("link") == []


def test_an_entrys_mode_comes_before_the_files() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    text = (
        peer()
        + peer("a@h", more='mode = "enforce"')
        + peer("b@h", more='mode = "audit"\nuntil = "2026-01-02T00:00:00Z"')
    )
    made = loads('mode = "audit"\nuntil = 2026-01-01T01:00:00Z\n' + GUARD + text, PATH, ENV)
    assert [made.audits(entry, now) for entry in made.entries] == [True, False, True]
    assert [made.audits(entry, now + timedelta(hours=1)) for entry in made.entries] == [False, False, True]
    assert made.next_expiry(now) == now + timedelta(hours=1)
    assert made.next_expiry(now + timedelta(hours=1)) == now + timedelta(days=1)
    assert made.next_expiry(now + timedelta(days=1)) is None


def test_rules_end_at_their_time() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    made = policy(
        peer(rules='["accept link until=2026-01-01T01:00:00Z", "deny send mode=audit until=2026-01-01T02:00:00Z"]')
    )
    (entry,) = made.entries

    def state(hours: int) -> tuple[list[object], list[object]]:
        core = made.compile(entry, now + timedelta(hours=hours))
        return [verdict for verdict, *_ in core.judge("link")], [verdict for verdict, *_ in core.judge("send")]

    assert state(0) == (["accept"], ["deny"])
    assert state(1) == ([], ["deny"])
    assert made.compile(entry, now) is not made.compile(entry, now + timedelta(hours=1))
    audits = [[rule.audits(now + timedelta(hours=hours)) for rule in made.rules] for hours in (0, 1, 2)]
    assert audits == [[False, True], [False, True], [False, False]]
    assert made.next_expiry(now + timedelta(hours=1)) == now + timedelta(hours=2)


def test_an_entry_says_what_becomes_of_what_has_no_room() -> None:
    made = policy(peer() + peer("b@h", more='on_limit = "close"'))
    assert [entry.on_limit for entry in made.entries] == ["refuse", "close"]


class TestControlAndAudit:
    def test_all_of_control_is_read(self) -> None:
        control = policy(
            '[control]\nsocket = "s"\nsocket_mode = 0o660\nsocket_group = "root"\nhttp = "[::1]:4380"\n'
            'hosts = ["wall.example"]\ntokens = "t.json"\n' + peer()
        ).control
        assert (control.socket, control.socket_mode, control.socket_group) == (Path("s"), 0o660, "root")
        assert (control.http, control.hosts, control.tokens) == (
            Address("::1", 4380),
            ("wall.example",),
            Path("t.json"),
        )

    def test_all_of_audit_is_read(self, tmp_path: Path) -> None:
        key = tmp_path / "key"
        key.write_text("k" * 32 + "\n")
        key.chmod(0o600)
        settings = f'key_file = "{key}"\nrotate_size = "100MB"\nrotate_age = "7d"\nkeep = 10\n'
        made = policy(f"[audit]\n{settings}" + peer())
        audit = made.audit
        assert (audit.key, audit.rotate_size, audit.rotate_age, audit.keep) == (
            b"k" * 32,
            100_000_000,
            timedelta(days=7),
            10,
        )
        assert "kkk" not in repr(audit)
        assert warnings(made) == warnings(policy(peer()))
        key.chmod(0o644)
        warned = warnings(policy(f"[audit]\n{settings}" + peer()))
        assert any(f"every user can read the key {key}" in problem.what for problem in warned)

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ("[control]\nsocket_mode = 660", "`socket_mode` is 660"),
            ('[control]\nsocket_group = "no-such-group"', "there is no group `no-such-group`"),
            ('[control]\nhttp = "4380"', "is not an address and a port"),
            ('[control]\nhosts = ["a"]', "`hosts` without `http`"),
            ('[control]\ntokens = "a"', "`tokens` without `http`"),
            ('[audit]\nrotate_size = "100"\nrotate_age = "0d"', "`0d` is not a span of time"),
            ("[audit]\nkeep = 0", "`keep` is 0, not a number of files"),
            ('[audit]\nkeep = "some"', "`keep` is some, not a number of files"),
            ("[audit]\nkeep = true", "`keep` is True, not a number of files"),
            ('[audit]\nrotate_size = "1TB"', "`1TB` is not a size"),
            ('[audit]\nkey_env = "NONE"', "that `key_env` names is not set"),
            ('[audit]\nkey_env = "FOO"', "the key has 10 bytes"),
            ('[audit]\nkey_file = "/dev/zero"', "can't read the key /dev/zero: it is a device"),
            ('[audit]\nkey_file = "/none"', "can't read the key /none: No such file"),
            ('[audit]\nkey_file = "/none"\nkey_env = "FOO"', "both `key_env` and `key_file` are set"),
        ],
    )
    def test_what_is_wrong_is_an_error(self, text: str, what: str) -> None:
        with pytest.raises(PolicyError) as raised:
            policy(f"{text}\n" + peer())
        assert what in str(raised.value)
        assert "foo-secret" not in str(raised.value)

    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ("[control]\nsocket_mode = 0o666", "every user of this host can open the socket"),
            ('[control]\nhttp = "0.0.0.0:4380"', "tokens travel in the clear"),
        ],
    )
    def test_what_is_unwise_is_a_warning(self, text: str, what: str) -> None:
        assert any(what in problem.what for problem in warnings(policy(f"{text}\n" + peer())))


def test_a_byte_order_mark_is_not_a_part_of_the_text(tmp_path: Path) -> None:
    """Editors of Windows write it; what comes behind it keeps its place."""
    path = tmp_path / "distwall.toml"
    (tmp_path / "cluster.cookie").write_text("cluster")
    text = '[guard]\r\nnodes = ["bar@127.0.0.2"]\r\ncookie_file = "cluster.cookie"\r\n'
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load(path).guard.nodes == ("bar@127.0.0.2",)
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("[guard]", "[gard]").encode())
    with pytest.raises(PolicyError) as caught:
        load(path)
    assert f"{path}:1:2: unknown key `gard`; did you mean `guard`?" in str(caught.value)
