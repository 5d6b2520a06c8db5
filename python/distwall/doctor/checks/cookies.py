"""Cookies that can be guessed, or that too many nodes know. No finding shows one."""

from collections.abc import Iterator
from itertools import pairwise

from distwall._core import COMMANDS
from distwall.doctor.finding import Finding, listed, problem, warning
from distwall.policy import Cookie, Entry, Policy
from distwall.policy.explanation import ANSWERS_AND_ENDINGS

MIN_CHARACTERS = 16
_MIN_DIFFERENT = 7
_MIN_STEPS = 3
_REMEDY = "make a random one of 20 characters or more, and keep it in a file: openssl rand -hex 16"

# What images, examples and manuals ship, in small letters: RabbitMQ, CouchDB, ejabberd, EMQX, VerneMQ, Riak, Elixir,
# FreeSWITCH, Kazoo and others.
_KNOWN = frozenset(
    {
        *("monster", "nocookie", "no_cookie", "cookie", "mycookie", "my_cookie", "my-cookie", "secret", "secretcookie"),
        *("secret_cookie", "secret-cookie", "thecookie", "the_cookie", "super_secret_cookie", "supersecretcookie"),
        *("rabbit", "rabbitmq", "rabbitcookie", "rabbitmqcookie", "rabbitmq_cookie", "rabbitmq-cookie"),
        *(
            "rabbit_cookie",
            "rabbitmq_erlang_cookie",
            "rabbitmq-erlang-cookie",
            "rabbitmqclustercookie",
            "cluster_cookie",
        ),
        *("swqokodsqalrpclnmeqg", "erlang", "erlangcookie", "erlang_cookie", "erlang-cookie", "erlang.cookie"),
        *("ejabberd", "ejabberdcookie", "ejabberd_cookie", "dummycookie123", "mongooseim", "prosody"),
        *("emqx", "emqxsecretcookie", "emqx_dist_cookie", "emqxdistcookie", "vmq", "vernemq", "riak", "riak_cs"),
        *("couchdb", "couchdbcookie", "couchdb_cookie", "relax", "brew", "cluecon", "change_me", "changeme"),
        *("change_me_please", "elixir", "phoenix", "livebook", "nerves", "antidote", "tsung", "wings", "zotonic"),
        *("admin", "password", "default", "guest", "test", "testcookie", "test_cookie", "example", "abc123", "123456"),
        *(
            "somesecretcookie",
            "some_cookie",
            "some-cookie",
            "democookie",
            "distwall",
            "cluster-secret",
            "cluster-cookie",
        ),
    }
)


def weak(policy: Policy) -> Iterator[Finding]:
    """Cookies that can be guessed: an attacker who saw one handshake can try millions in a second."""
    for whose, cookie in _cookies(policy):
        if fault := weakness(cookie):
            yield problem("weak_cookie", f"the cookie of {whose} {fault}", _where(cookie, policy), _REMEDY)


def weakness(cookie: Cookie) -> str | None:
    """The reason why a cookie is easy to guess; None if it isn't. The reason gives nothing of the cookie away."""
    secret = cookie.reveal()
    if secret.lower().decode("latin-1") in _KNOWN:
        return "is a well-known default"
    if len(secret) < MIN_CHARACTERS:
        return f"has fewer than {MIN_CHARACTERS} characters"
    steps = {after - before for before, after in pairwise(secret)}
    repeated = secret in (secret + secret)[1:-1]
    digits = secret.isdigit() and len(secret) < 2 * MIN_CHARACTERS
    if len(set(secret)) < _MIN_DIFFERENT or len(steps) < _MIN_STEPS or repeated or digits:
        return "has too little variety"
    return None


def shared(policy: Policy) -> Iterator[Finding]:
    """Cookies that belong to more than one party."""
    cluster = policy.guard.cookie
    holders: dict[Cookie, list[Entry]] = {}
    for entry in policy.entries:
        if entry.cookie != cluster:
            # Hosts of one cluster may share the cookie between their distwalls: they trust each other anyway.
            if not (entry.visible and trusted(policy, entry)):
                holders.setdefault(entry.cookie, []).append(entry)
            continue
        what = f"{entry.node} has the cluster's cookie: it can go round distwall"
        if not trusted(policy, entry):
            yield problem("shared_cookie", what, entry.origin, "give it a cookie of its own")
        elif not entry.tls:
            yield warning("shared_cookie", what, entry.origin, "give the distwalls a cookie that no node has")
    for entries in holders.values():
        nodes = list(dict.fromkeys(entry.node for entry in entries))
        if len(nodes) > 1:
            what = f"entries share a cookie, so each peer can pose as another: {listed(nodes)}"
            where = listed(entry.origin for entry in entries)
            yield warning("shared_cookie", what, where, "give each a cookie of its own")


def trusted(policy: Policy, entry: Entry) -> bool:
    """True if an entry's peers may do everything."""
    core = policy.compile(entry)
    # Answers and endings that belong to nothing are refused under `accept *`, too.
    asked = [command for command in COMMANDS if command not in ANSWERS_AND_ENDINGS]
    answers = (core.explain(command, peer="peer@host", guard="guarded@host", obeyed=True) for command in asked)
    return all(answer.verdict == "accept" for answer in answers)


def _cookies(policy: Policy) -> Iterator[tuple[str, Cookie]]:
    yield "the cluster", policy.guard.cookie
    seen = set()
    for entry in policy.entries:
        # Entries without a cookie of their own have the cookie of [defaults].
        if entry.cookie != policy.guard.cookie and (entry.cookie, entry.cookie.origin) not in seen:
            seen.add((entry.cookie, entry.cookie.origin))
            yield entry.node, entry.cookie


def _where(cookie: Cookie, policy: Policy) -> str:
    return str(cookie.origin or policy.path)
