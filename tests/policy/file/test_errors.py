"""Errors in a policy file: each names its line and column, what is wrong and what to do; all of them are reported."""

from pathlib import Path

import pytest

from distwall.policy import PolicyError, load, loads
from tests.support.policies import ENV, PATH

HEAD = '[guard]\nnodes = ["bar@h"]\ncookie_env = "CLUSTER"\n'
ENTRY = '[[peers]]\nnode = "foo@*"\ncookie_env = "FOO"\n'


def _errors(text: str, env: dict[str, str] | None = None) -> list[tuple[int, int, str]]:
    with pytest.raises(PolicyError) as caught:
        loads(text, PATH, ENV if env is None else env)
    return [(p.origin.line, p.origin.column, f"{p.what}; {p.remedy}") for p in caught.value.problems]


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        # not TOML
        ("[guard\n", 1, 7, "not TOML"),
        ('a = "x', 1, 7, "not TOML"),
        ("a = 1\na = 2\n", 2, 1, "not TOML"),
        ('é = "é" x\n', 1, 9, "not TOML"),
        # structure
        ("", 1, 1, "no [guard] table"),
        ("guard = 3\n", 1, 9, "guard is an integer, not a table"),
        (HEAD + "[gaurd]\n", 4, 2, "unknown key `gaurd`; did you mean `guard`?"),
        (HEAD + "[fleet]\n", 4, 2, "does not have `fleet` yet"),
        ("services = 3\n" + HEAD, 1, 12, "write each one as [services.NAME]"),
        ("mode = 3\n" + HEAD, 1, 8, "`mode` is an integer"),
        ('mode = "trial"\n' + HEAD, 1, 8, "unknown mode `trial`"),
        ("until = 2026-12-31T00:00:00Z\n" + HEAD, 1, 1, "`until` without `mode`"),
        ('mode = "enforce"\nuntil = 2026-12-31T00:00:00Z\n' + HEAD, 2, 1, '`until` with mode = "enforce"'),
        ('mode = "audit"\nuntil = 2026-12-31T00:00:00\n' + HEAD, 2, 9, "not a time with its zone"),
        ('mode = "audit"\nuntil = "soon"\n' + HEAD, 2, 9, "`soon`, not a time with its zone"),
        ('mode = "audit"\nuntil = 3\n' + HEAD, 2, 9, "an integer, not a time"),
        # services
        (HEAD + '[services.Api]\nrules = ["link"]\n', 4, 11, "`Api` can't name a service"),
        (HEAD + '[services.link]\nrules = ["link"]\n', 4, 11, "`link` is a command"),
        (HEAD + '[services.ping]\nrules = ["link"]\n', 4, 11, "distwall has a service `ping`"),
        (HEAD + "[services.api]\n", 4, 1, "`rules` is missing in this service"),
        (HEAD + "[services.api]\nrules = []\n", 5, 9, "`rules` is missing in this service"),
        (HEAD + '[services.api]\nrules = ["link", "accept send"]\n', 5, 19, "unknown command `accept`"),
        (HEAD + '[services.api]\nrules = ["reg_send NAME"]\n', 5, 20, "`NAME` is a variable"),
        (HEAD + '[services.api]\nargument = "NAME"\nrules = ["reg_send NAME when {NAME, #}"]\n', 6, 37, "a comment"),
        (HEAD + '[services.api]\nargument = "name"\nrules = ["link"]\n', 5, 12, "not a word in capitals"),
        (HEAD + '[services.api]\ndefault = "x"\nrules = ["link"]\n', 5, 1, "`default` without `argument`"),
        (HEAD + '[services.api]\nrules = ["link mode=audit"]\n', 5, 16, "`mode=audit` after the end"),
        (HEAD + "[peers]\nnode = 1\n", 4, 2, "write each entry as [[peers]]"),
        (HEAD + "tables = 3\n", 4, 1, "unknown key `tables`"),
        ("tables = 3\n" + HEAD, 1, 10, "write each one as [tables.NAME]"),
        (HEAD + '[tables."a b"]\n', 4, 9, "can't name a table"),
        # [guard]
        (HEAD + "restricted_shell = 1\n", 4, 20, "an integer"),
        (HEAD + "restricted_shell = true\n", 4, 20, "needs distwall's own node, which has no name"),
        ('[guard]\ncookie_env = "CLUSTER"\n', 1, 1, "`nodes` is missing"),
        ('[guard]\nnodes = []\ncookie_env = "CLUSTER"\n', 2, 9, "`nodes` is missing"),
        ('[guard]\nnodes = "bar@h"\ncookie_env = "CLUSTER"\n', 2, 9, "`nodes` is a string, not a list"),
        ('[guard]\nnodes = ["bar@h", "bar"]\ncookie_env = "CLUSTER"\n', 2, 19, "`bar` is not of the form NAME@HOST"),
        ('[guard]\nnodes = ["b r@h"]\ncookie_env = "CLUSTER"\n', 2, 10, "contains a space"),
        ('[guard]\nnodes = ["bar@h"]\n', 1, 1, "no cookie of the cluster"),
        (HEAD + 'listen = "::g"\n', 4, 10, "not an IP address or a host name"),
        (HEAD + "listen = 127\n", 4, 10, "`listen` is an integer, not a string"),
        (HEAD + 'listen = "127.0.0.1:80"\n', 4, 10, "not an IP address or a host name"),
        (HEAD + 'listen = "300.0.0.1"\n', 4, 10, "not an IP address or a host name"),
        (HEAD + 'epmd = "127.0.0.2"\n', 4, 8, "write HOST:PORT"),
        (HEAD + 'epmd = "127.0.0.2:0"\n', 4, 8, "write HOST:PORT"),
        (HEAD + 'register = "::1:4369"\n', 4, 12, "write HOST:PORT"),
        (HEAD + 'ports = "9199-9100"\n', 4, 9, "write FIRST-LAST"),
        (HEAD + 'ports = "9100-"\n', 4, 9, "write FIRST-LAST"),
        (HEAD + "ports = 9100\n", 4, 9, "`ports` is an integer, not a string"),
        (HEAD + "peer_epmd_port = 70000\n", 4, 18, "a number from 1 to 65535"),
        (HEAD + "peer_epmd_port = true\n", 4, 18, "`peer_epmd_port` is a boolean"),
        # cookies
        (HEAD + '[[peers]]\nnode = "foo@*"\n', 4, 1, "the cookie is missing in this entry"),
        (HEAD + '[[peers]]\nnode = "foo@*"\ncookie = ""\n', 6, 10, "the cookie is empty"),
        (HEAD + '[[peers]]\nnode = "foo@*"\ncookie = "a\\nb"\n', 6, 10, "contains a control character"),
        (HEAD + '[[peers]]\nnode = "foo@*"\ncookie = "€"\n', 6, 10, "outside Latin-1"),
        (HEAD + '[[peers]]\nnode = "foo@*"\ncookie = 3\n', 6, 10, "`cookie` is an integer, not a string"),
        (HEAD + '[[peers]]\nnode = "foo@*"\ncookie_env = "NO"\n', 6, 14, "variable that `cookie_env` names is not set"),
        (
            HEAD + '[[peers]]\nnode = "foo@*"\ncookie_file = "no"\n',
            6,
            15,
            "can't read the cookie file named here, in .: No such file",
        ),
        (HEAD + ENTRY + 'cookie = "x"\n', 6, 1, "both `cookie_env` and `cookie` are set; keep one of them"),
        (HEAD + '[defaults]\ncookie_env = "NO"\n', 5, 14, "variable that `cookie_env` names is not set"),
        # entries
        (HEAD + '[[peers]]\ncookie_env = "FOO"\n', 4, 1, "`node` is missing in this entry"),
        (HEAD + '[[peers]]\nnode = "foo"\ncookie_env = "FOO"\n', 5, 8, "`node` is not of the form NAME@HOST"),
        (HEAD + '[[peers]]\nnode = "a@b@c"\ncookie_env = "FOO"\n', 5, 8, "`node` is not of the form NAME@HOST"),
        (HEAD + '[[peers]]\nnode = ["a@b"]\ncookie_env = "FOO"\n', 5, 8, "`node` is a list, not a string"),
        (HEAD + ENTRY + "visble = true\n", 7, 1, "unknown key `visble`; did you mean `visible`?"),
        (HEAD + ENTRY + 'visible = "yes"\n', 7, 11, "write true or false"),
        (HEAD + ENTRY + "funs = 1\n", 7, 8, "write true or false"),
        (HEAD + ENTRY + 'mode = "trial"\n', 7, 8, "unknown mode `trial`"),
        (HEAD + ENTRY + 'rules_out = ["accept lnk"]\n', 7, 22, "unknown command `lnk`"),
        (HEAD + ENTRY + 'rules_out = ["deny *", "drop *"]\n', 7, 25, "repeats"),
        (HEAD + ENTRY + 'on_limit = "stop"\n', 7, 12, "`stop` is not a valid choice"),
        (HEAD + ENTRY + 'from = ["10.0.0.1/8"]\n', 7, 9, "did you mean 10.0.0.0/8?"),
        (HEAD + ENTRY + 'from = ["here"]\n', 7, 9, "write an address or a network"),
        (HEAD + ENTRY + "from = []\n", 7, 8, "leave `from` out for all"),
        (HEAD + ENTRY + 'guards = ["bar"]\n', 7, 11, "is not of the form NAME@HOST"),
        (HEAD + ENTRY + "guards = []\n", 7, 10, "leave `guards` out for all"),
        (HEAD + ENTRY + 'third_nodes = ["x"]\n', 7, 16, "is not of the form NAME@HOST"),
        (HEAD + ENTRY + "limits = { new_atom = 1 }\n", 7, 12, "did you mean `new_atoms`?"),
        (HEAD + ENTRY + "limits = { new_atoms = -1 }\n", 7, 24, "`new_atoms` is -1"),
        (HEAD + ENTRY + 'limits = { new_atoms = "1" }\n', 7, 24, "`new_atoms` is a string"),
        (HEAD + ENTRY + "limits = 3\n", 7, 10, "peers.limits is an integer, not a table"),
        (HEAD + ENTRY + 'tables = ["gate"]\n[tables.gates]\n', 7, 11, "did you mean `gates`?"),
        (HEAD + ENTRY + 'tables = ["gate"]\n', 7, 11, "no table `gate`; add [tables.gate]"),
        (HEAD + ENTRY + 'tables = ["a", "a"]\n[tables.a]\n', 7, 16, "the table `a` is named twice"),
        # rules: columns point into the text
        (HEAD + ENTRY + 'rules = ["deny *", "accept  lnk"]\n', 7, 29, "unknown command `lnk`"),
        (HEAD + ENTRY + "rules = [\n  'deny *', # x\n  'accept reg_send Foo',\n]\n", 9, 20, "a variable"),
        (HEAD + ENTRY + 'rules = ["accept\\treg_send \\u0041"]\n', 7, 28, "`A` is a variable"),
        (HEAD + ENTRY + 'rules = ["""\naccept \\\n   reg_send Foo"""]\n', 9, 13, "`Foo` is a variable"),
        (HEAD + ENTRY + "rules = ['''deny\n *''']\n", 7, 17, "a line end"),
        (
            HEAD + ENTRY + 'rules = [" deny *", "reject  *"]\n',
            7,
            22,
            "`reject  *` repeats `deny *` in line 7",
        ),
        (HEAD + ENTRY + 'rules = ["deny reg_send a", "drop reg_send \'a\'"]\n', 7, 30, "repeats"),
        (HEAD + ENTRY + 'rules = ["deny send when {X, Y}", "drop send when {A,B}"]\n', 7, 36, "repeats"),
        (
            HEAD + ENTRY + 'rules = ["deny send when {X, X}", "drop send when {A,}"]\n',
            7,
            54,
            "`}` does not begin a term",
        ),
        (HEAD + ENTRY + 'rules = ["accept api x"]\n[services.api]\nrules = ["link"]\n', 7, 22, "takes no argument"),
        (
            HEAD + ENTRY + 'rules = ["accept api"]\n[services.api]\nargument = "A"\nrules = ["reg_send A"]\n',
            7,
            21,
            "`api` without A; write `api A`",
        ),
        (
            HEAD + ENTRY + 'rules = ["accept api a*"]\n[services.api]\nargument = "A"\nrules = ["reg_send A"]\n',
            7,
            22,
            "`api` takes one A",
        ),
        (HEAD + ENTRY + 'rules = ["deny *", 3]\n', 7, 20, "an integer where `rules` needs strings"),
        (HEAD + ENTRY + 'rules = "deny *"\n', 7, 9, "`rules` is a string, not a list"),
        (HEAD + '[defaults]\nrules = ["deny"]\n', 5, 15, "no command"),
        (HEAD + '[tables.a]\nrules = ["deny"]\n', 5, 15, "no command"),
        # the other tables
        (HEAD + '[audit]\non_full = "stop"\n', 5, 11, "`stop` is not a valid choice"),
        (HEAD + '[audit]\nfile = ""\n', 5, 8, "`file` is empty"),
        (HEAD + '[audit]\nnats = "nats://127.0.0.1"\n', 5, 1, "does not have `nats` yet"),
        (HEAD + '[control]\nnode = "distwall"\n', 5, 8, "is not of the form NAME@HOST"),
        (HEAD + '[control]\nnode = "distwall@*"\n', 5, 8, "is a glob"),
        (HEAD + '[control]\nnode = "bar@h"\n', 5, 8, "is a guarded node"),
        (HEAD + '[control]\ncookie = "operators"\n', 5, 1, "`cookie` without `node`"),
        (HEAD + '[control]\nnode = "wall@h"\ncookie = "cluster-secret"\n', 6, 10, "is also the cookie of the cluster"),
        (HEAD + '[control]\nnode = "foo@h"\n' + ENTRY.replace("foo@*", "foo@h"), 5, 8, "is a peer"),
        (HEAD + '[control]\nnode = "wall@h"\ncookie = "foo-secret"\n' + ENTRY, 6, 10, "is also the cookie of foo@*"),
        (HEAD + f'[control]\nsocket = "/{"x" * 107}"\n', 5, 10, "too long"),
    ],
)
def test_each_error_has_its_place(text: str, line: int, column: int, words: str) -> None:
    errors = _errors(text)
    assert [(line, column)] == [(at_line, at_column) for at_line, at_column, _ in errors]
    assert words in errors[0][2]


def test_all_errors_are_reported_in_the_order_of_the_file() -> None:
    errors = _errors(
        HEAD + 'epmd = "x"\n[[peers]]\nnode = "foo"\nrules = ["accept lnk", "drop", "deny *"]\n[audit]\nfiles = "x"\n'
    )
    assert [(line, column) for line, column, _ in errors] == [(4, 8), (5, 1), (6, 8), (7, 18), (7, 29), (9, 1)]


def test_an_error_is_one_line_of_place_what_and_remedy() -> None:
    with pytest.raises(PolicyError) as caught:
        loads(HEAD + ENTRY + "visible = 1\n", PATH, ENV)
    assert str(caught.value) == "distwall.toml:7:11: `visible` is an integer; write true or false"


def test_line_ends_of_windows_count_once() -> None:
    assert _errors((HEAD + ENTRY + 'rules = ["deny"]\n').replace("\n", "\r\n"))[0][:2] == (7, 15)


def test_columns_count_characters() -> None:
    assert _errors(HEAD + ENTRY + 'rules = ["accept reg_send \'ü€😀\'", "drop"]\n')[0][:2] == (7, 40)


def test_a_file_that_is_not_utf8_is_an_error_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "distwall.toml"
    path.write_bytes(b"[guard]\n# \xc3\xa9 \xff\n")
    with pytest.raises(PolicyError, match=r":2:5: not UTF-8; save the file as UTF-8"):
        load(path)


def test_cookies_are_in_no_error() -> None:
    for text in (
        HEAD + '[[peers]]\nnode = "foo"\ncookie = "hush\\n"\n',
        HEAD + '[[peers]]\nnode = "foo"\ncookie_env = "HUSH"\n',
        HEAD + '[[peers]]\nnode = "foo"\ncookie = ["hush"]\n',
    ):
        assert "hush" not in str(_errors(text, {**ENV, "HUSH": "hush\0"}))


def test_newer_toml_than_the_values_reader_knows_is_an_error_with_its_place() -> None:
    # TOML 1.1 allows line ends in inline tables; Python 3.11 reads TOML 1.0.
    errors = _errors(HEAD + ENTRY + "limits = {\nnew_atoms = 1 }\n")
    assert errors[0][:2] == (7, 11)
    assert "not TOML" in errors[0][2]
