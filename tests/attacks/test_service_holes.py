"""What a service opens, with values of an attacker's choice: refused through distwall, a success without it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

import pytest

from distwall.policy.language.services import built_in
from tests.attacks.service_holes import SERVICES, ServiceHoles, play
from tests.support.attack_scene import OPEN, AttackScene
from tests.support.dist import Op, message
from tests.support.etf import Atom, Improper, Map, Pid, Term
from tests.support.raw_peer import Connection
from tests.support.wall import CLUSTER_COOKIE

A = Atom
MESSAGES = 2000
"""For each service; ``make fuzz-services`` sends 100,000."""


@pytest.mark.parametrize("of", SERVICES, ids=[of.name for of in SERVICES])
def test_random_values_do_nothing_that_the_page_does_not_name(of: ServiceHoles) -> None:
    assert play(of, MESSAGES, seed=1).faults == []


def test_every_service_is_tried_or_says_that_it_opens_everything() -> None:
    tried = {of.name for of in SERVICES}
    texts = files("distwall.policy.language").joinpath("services.toml").read_text(encoding="utf-8")
    for name, table in tomllib.loads(texts).items():
        assert (name in tried) != table["danger"].lstrip().startswith("Everything"), name
    assert tried <= set(built_in())


# === one attack each ===


@dataclass(frozen=True)
class Way:
    """One attack under a service."""

    rules: tuple[str, ...]
    send: Callable[[Connection, Pid], object]
    """Makes the attack with the pid of `at`; what it returns is shown to `shows`."""
    at: str = "patient_collector"
    effect: str = ""
    """An Erlang expression for the guarded node, which is true after a success."""
    shows: Callable[[object], bool] | None = None
    """A success, by what came back."""
    setup: str = "ok"
    extra: str = ""


def told(*payload: Term) -> Callable[[Connection, Pid], object]:
    """A message to the pid."""
    return lambda peer, pid: peer.send(message(Op.SEND_SENDER, peer.pid(), pid, payload=payload))


def called(module: str, function: str, *arguments: Term) -> Callable[[Connection, Pid], object]:
    """A call; the pid stands for the atom ``PID`` among the arguments."""
    return lambda peer, pid: peer.erpc(module, function, [pid if each == A("PID") else each for each in arguments])


def cookie(result: object) -> bool:
    return CLUSTER_COOKIE in str(result)


def printed(*request: Term) -> Callable[[Connection, Pid], object]:
    return lambda peer, pid: told(A("io_request"), peer.pid(), peer.ref(), (A("put_chars"), A("unicode"), *request))(
        peer, pid
    )


def chars(text: str) -> list[Term]:
    return [ord(c) for c in text]


def formatted(form: Term, *arguments: Term) -> Callable[[Connection, Pid], object]:
    return printed(A("io_lib"), A("format"), [form, list(arguments)])


def scope(message_of: Callable[[Connection], Term]) -> Callable[[Connection, Pid], object]:
    """A message to a scope of pg that knows the peer's scope."""

    def send(peer: Connection, pid: Pid) -> None:
        peer.reg_send("patients", (A("discover"), peer.pid()))
        peer.receive(0.3)
        peer.send(message(Op.SEND_SENDER, peer.pid(), pid, payload=message_of(peer)))

    return send


def logged(form: Term, arguments: list[Term], **metadata: Term) -> Callable[[Connection, Pid], object]:
    def send(peer: Connection, _: Pid) -> None:
        found = Map(((A("pid"), peer.pid()), *((A(key), value) for key, value in metadata.items())))
        peer.reg_send("logger_proxy", (A("log"), A("error"), form, arguments, found))

    return send


def nested(levels: int) -> Term:
    term: Term = A("x")
    for _ in range(levels):
        term = Map(((A("a"), term),))
    return term


def reported(report: Term, **metadata: Term) -> Callable[[Connection, Pid], object]:
    def send(peer: Connection, _: Pid) -> None:
        found = Map(((A("pid"), peer.pid()), *((A(key), value) for key, value in metadata.items())))
        peer.reg_send("logger_proxy", (A("log"), A("error"), report, found))

    return send


def branched(levels: int) -> Term:
    """A few bytes for each level, and when it is printed a line."""
    term: Term = 7
    for _ in range(levels):
        term = [term, 1]
    return term


WIDE: Term = [branched(28)] * 200
LARGE_LOG = 'filelib:file_size(os:getenv("LOG")) > 1000000'
OBSERVER, OUTPUT, SHELL = ("accept observer",), ("accept remote_output",), ("accept remsh",)
PG, LOGGER = ("accept pg patients",), ("accept logger",)
FLOODED = "whereis(patient_io) =:= undefined"
ENDED = "whereis(patients) =/= persistent_term:get(patients)"
SCOPE = "{ok, Scope} = pg:start(patients), persistent_term:put(patients, Scope)"
FILTERS = "{ok, #{filters := Filters}} = logger:get_handler_config(default), not lists:keymember(domain, 1, Filters)"
SLOGAN = ("application", "get_env", A("stdlib"), A("shell_slogan"))


BROADCAST = ("accept phoenix_pubsub adapter",)
PROXY = "whereis(logger_proxy) =/= persistent_term:get(proxy)"
KEEP_PROXY = "persistent_term:put(proxy, whereis(logger_proxy))"


def broadcast(*content: Term) -> Callable[[Connection, Pid], object]:
    """To a collector of the name `adapter`, which delivers it as Phoenix would: it gets whatever passes."""
    sent: list[Term] = [A("forward_to_local"), b"topic", content, A("Elixir.Phoenix.PubSub")]
    return lambda peer, _: peer.reg_send("adapter", tuple(sent))


def handler(*request: Term) -> Callable[[Connection, Pid], object]:
    return lambda peer, pid: told(A("io_reply"), peer.ref(), request if len(request) > 1 else request[0])(peer, pid)


def echoed(result: object) -> bool:
    """True if a call came back with a process of the guarded node."""
    return isinstance(result, tuple) and result[1] == A("return") and "Pid(node='bar@" in str(result[2])


def asked_for_its_state(peer: Connection, pid: Pid) -> object:
    told(A("system"), (peer.pid(), peer.ref()), A("get_state"))(peer, pid)
    return peer.receive(1.0)


WAYS: dict[str, Way] = {
    "a backtrace": Way(OBSERVER, called("erlang", "process_info", A("PID"), A("backtrace")), at="auth", shows=cookie),
    "a backtrace in a list": Way(
        OBSERVER, called("erlang", "process_info", A("PID"), [A("backtrace")]), at="auth", shows=cookie
    ),
    "a backtrace among others": Way(
        OBSERVER, called("erlang", "process_info", A("PID"), [A("status"), A("backtrace")]), at="auth", shows=cookie
    ),
    "a state, asked for by a system message": Way(
        OBSERVER, asked_for_its_state, at="auth", shows=cookie
    ),
    "observer: a list of OTP's own tables": Way(
        OBSERVER,
        called("observer_backend", "get_table_list", A("ets"), [(A("sys_hidden"), A("false"))]),
        at="auth",
        shows=lambda result: "cookies" in str(result),
    ),
    "phoenix_pubsub: a topic that is no binary": Way(
        ("accept phoenix_pubsub adapter",),
        lambda peer, _: peer.reg_send("adapter", (A("forward_to_local"), 1, 2, A("Elixir.Phoenix.PubSub"))),
        at="auth",
        setup="probe:collector(adapter)",
        effect="probe:got(adapter) =/= []",
    ),
    "phoenix_pubsub: a system message for the subscribers": Way(
        BROADCAST,
        broadcast(A("system"), 1, A("get_state")),
        at="auth",
        setup="probe:collector(adapter)",
        effect="probe:got(adapter) =/= []",
    ),
    "phoenix_pubsub: an exit for the subscribers": Way(
        BROADCAST,
        broadcast(A("EXIT"), 1, A("kill")),
        at="auth",
        setup="probe:collector(adapter)",
        effect="probe:got(adapter) =/= []",
    ),
    "observer: one item thousands of times": Way(
        OBSERVER,
        called("erlang", "process_info", A("PID"), [A("registered_name")] * 5000),
        at="auth",
        shows=lambda result: str(result).count("registered_name") == 5000,
    ),
    "observer and remote_output: the end of logger's proxy": Way(
        (*OBSERVER, *OUTPUT), printed(chars("x")), at="logger_proxy", setup=KEEP_PROXY, effect=PROXY
    ),
    "pg: the end of logger's proxy": Way(
        PG,
        lambda peer, pid: told(A("leave"), peer.pid(), peer.pid(), [A("g")])(peer, pid),
        at="logger_proxy",
        setup=KEEP_PROXY,
        effect=PROXY,
    ),
    "a deep argument": Way(OUTPUT, formatted(chars("~p"), nested(2000)), at="patient_io", effect=FLOODED),
    "many deep arguments": Way(OUTPUT, formatted(chars("~p" * 32), *[WIDE] * 32), at="patient_io", effect=FLOODED),
    "logger: many deep arguments": Way(LOGGER, logged(chars("~p" * 32), [WIDE] * 32), effect=LARGE_LOG),
    "much text for a supervisor, which logs what it doesn't know": Way(
        OUTPUT,
        printed(b"x" * 2_000_000),
        at="patient_sup",
        setup="{ok, Sup} = supervisor:start_link({local, patient_sup}, probe, supervisor), unlink(Sup)",
        effect=LARGE_LOG,
    ),
    "logger: a large binary": Way(LOGGER, reported(b"x" * 2_000_000), effect=LARGE_LOG),
    "a deep term to write": Way(
        OUTPUT, printed(A("io_lib"), A("write"), [[nested(100)] * 3000]), at="patient_io", effect=FLOODED
    ),
    "logger: a deep argument": Way(
        LOGGER, logged(chars("~p"), [nested(1000)]), effect=LARGE_LOG
    ),
    "logger: a deep report": Way(LOGGER, reported(Map(((A("a"), nested(1000)),))), effect=LARGE_LOG),
    "a width of the arguments": Way(OUTPUT, formatted(chars("~*c"), 2_000_000, 120), at="patient_io", effect=FLOODED),
    "a large width": Way(OUTPUT, formatted(chars("~2000000c"), 120), at="patient_io", effect=FLOODED),
    "a large width in a binary": Way(OUTPUT, formatted(b"~2000000c", 120), at="patient_io", effect=FLOODED),
    "a large precision": Way(OUTPUT, formatted(chars("~2000000.1999999s"), [120]), at="patient_io", effect=FLOODED),
    "another function": Way(
        OUTPUT, printed(A("lists"), A("duplicate"), [2_000_000, 120]), at="patient_io", effect=FLOODED
    ),
    "pg: groups that are none": Way(
        PG,
        scope(lambda peer: (A("$gen_cast"), (A("sync"), peer.pid(), [A("group")]))),
        at="patients",
        setup=SCOPE,
        effect=ENDED,
    ),
    "pg: improper groups": Way(
        PG,
        scope(lambda peer: (A("leave"), peer.pid(), peer.pid(), Improper((A("g"),), A("h")))),
        at="patients",
        setup=SCOPE,
        effect=ENDED,
    ),
    "pg: a greeting of nobody": Way(
        PG, scope(lambda _: (A("discover"), 5)), at="patients", setup=SCOPE, effect=ENDED
    ),
    "pg: members of others": Way(
        PG,
        scope(lambda peer: (A("join"), peer.pid(), A("g"), peer.their_pid(0))),
        at="patients",
        setup=SCOPE,
        effect="pg:get_members(patients, g) =/= []",
    ),
    "logger: an improper domain": Way(
        LOGGER, logged(chars("x"), [], domain=Improper((A("otp"),), A("x"))), effect=FILTERS
    ),
    "logger: another improper domain": Way(
        LOGGER, logged(chars("x"), [], domain=Improper((A("otp"), A("sasl")), 1)), effect=FILTERS
    ),
    "logger: a large width": Way(
        LOGGER, logged(chars("~2000000c"), [120]), effect=LARGE_LOG
    ),
    "remsh: a process comes back": Way(SHELL, called(*SLOGAN, A("PID")), extra="funs = true", shows=echoed),
    "remsh: in a list": Way(
        SHELL, lambda peer, pid: peer.erpc(*SLOGAN[:2], [*SLOGAN[2:], [pid]]), extra="funs = true", shows=echoed
    ),
    "remsh: in a map": Way(
        SHELL,
        lambda peer, pid: peer.erpc(*SLOGAN[:2], [*SLOGAN[2:], Map(((1, pid),))]),
        extra="funs = true",
        shows=echoed,
    ),
    "an answer that installs a handler": Way(
        ("accept send to exposed when {io_reply, reference(), _}",),
        handler(A("add_handler"), (A("patient"), A("two")), A("mark")),
        at="patient_event",
        effect="persistent_term:get(patient_ran, false)",
    ),
    "an answer that deletes a handler": Way(
        ("accept send to exposed when {io_reply, reference(), _}",),
        handler(A("delete_handler"), A("patient"), A("x")),
        at="patient_event",
        effect="whereis(patient_event) =:= undefined",
    ),
    "an answer that stops an event manager": Way(
        ("accept send to exposed when {io_reply, reference(), _}",),
        handler(A("stop")),
        at="patient_event",
        effect="whereis(patient_event) =:= undefined",
    ),
}  # fmt: skip


def success(way: Way, *, direct: bool) -> bool:
    entries = None if direct else {OPEN: ["deny *", *way.rules]}
    with AttackScene(entries, extra=way.extra) as scene, scene.connect() as peer:
        bar = scene.bar
        bar.load("patient")
        bar.eval(f'os:putenv("LOG", "{bar.log}"), patient:start(), {way.setup}')
        bar.eval(f"{{nobody, '{OPEN}'}} ! {{see, whereis({way.at})}}")
        seen = peer.wait_for(Op.REG_SEND).payload
        assert isinstance(seen, tuple)
        assert isinstance(seen[1], Pid)
        result = way.send(peer, seen[1])
        if not direct:
            assert scene.told("")
        if way.shows:
            return way.shows(result)
        return bar.eval(f"probe:until(fun() -> {way.effect} end, {60000 if direct else 300})", 90) == "true"


@pytest.mark.parametrize("name", WAYS)
def test_an_attack_is_refused(name: str) -> None:
    assert success(WAYS[name], direct=True)
    assert not success(WAYS[name], direct=False)


def reads_the_table_of_cookies(entries: dict[str, list[str]] | None) -> bool:
    """By its reference. An attacker finds it among those next to the reference of a table that observer lists."""
    with AttackScene(entries) as scene, scene.connect() as peer:
        scene.bar.eval("erlang:set_cookie('other@127.0.0.1', 'secret-of-other')")
        table = "hd([Table || Table <- ets:all(), ets:info(Table, name) =:= cookies])"
        scene.bar.eval(f"{{nobody, '{OPEN}'}} ! {{see, {table}}}")
        seen = peer.wait_for(Op.REG_SEND).payload
        assert isinstance(seen, tuple)
        answer = peer.erpc("observer_backend", "get_table", [peer.pid(), seen[1], A("ets")])
        assert entries is None or answer == A("not_allowed")
        peer.receive(0.5)
        return any("secret-of-other" in str(one.payload) for one in peer.log)


def test_observer_reads_no_table_by_its_reference() -> None:
    assert reads_the_table_of_cookies(None)
    assert not reads_the_table_of_cookies({OPEN: ["deny *", *OBSERVER]})


def answers_for_another(rules: list[str] | None) -> bool:
    """A process reads from a device, and the peer answers. References are numbered: the right one can be guessed."""
    read = "persistent_term:put(read, io:get_line(whereis(patient_collector), []))"
    entries = None if rules is None else {OPEN: ["deny *", *rules]}
    with AttackScene(entries, extra="funs = true") as scene, scene.connect() as peer:
        bar = scene.bar
        bar.eval("probe:collector(patient_collector)")
        bar.eval(f"spawn(fun() -> register(reader, self()), {read} end)")
        bar.wait_until("probe:got(patient_collector) =/= []")
        asked = "[{io_request, Reader, Ref, _}] = probe:got(patient_collector)"
        bar.eval(f"{asked}, {{nobody, '{OPEN}'}} ! {{see, Reader, Ref}}")
        seen = peer.wait_for(Op.REG_SEND).payload
        assert isinstance(seen, tuple)
        peer.send(message(Op.SEND_SENDER, peer.pid(), seen[1], payload=(A("io_reply"), seen[2], A("forged"))))
        assert rules is None or scene.told("")
        return bar.eval("probe:until(fun() -> persistent_term:get(read, none) =:= forged end, 1000)") == "true"


QUESTIONS = 300
"""For a list of all processes. Each list has those that make the other lists, too."""


def processes_of_questions(rules: list[str] | None) -> int:
    """Most processes that there were at once, while all questions came."""
    entries = None if rules is None else {OPEN: ["deny *", *rules]}
    with AttackScene(entries) as scene, scene.connect() as peer:
        count = "erlang:system_info(process_count)"
        more = f"after 1 -> Look(max(Most, {count}))"
        look = f"(fun Look(Most) -> receive {{get, P}} -> P ! {{most, Most}} {more} end end)(0)"
        scene.bar.eval(f"register(look, spawn_opt(fun() -> {look} end, [{{priority, max}}])), ok")
        before = scene.bar.number(count)
        for _ in range(QUESTIONS):
            peer.spawn("observer_backend", "procs_info", [peer.pid()], wait=False)
        peer.receive(1.0)
        return scene.bar.number("begin look ! {get, self()}, receive {most, Most} -> Most end end") - before


def test_a_low_rate_keeps_the_questions_of_observer_apart() -> None:
    assert processes_of_questions(None) > QUESTIONS / 2
    assert processes_of_questions(list(OBSERVER)) < QUESTIONS / 4


def test_no_answer_is_given_for_another_io_server() -> None:
    assert answers_for_another(None)
    assert not answers_for_another(["accept remsh"])
    assert not answers_for_another(["accept remote_output", "accept node_spawn"])


def test_observer_still_shows_a_process() -> None:
    with AttackScene({OPEN: ["deny *", *OBSERVER]}) as scene, scene.connect() as peer:
        scene.bar.eval(f"{{nobody, '{OPEN}'}} ! {{see, whereis(auth)}}")
        seen = peer.wait_for(Op.REG_SEND).payload
        assert isinstance(seen, tuple)
        answer = peer.erpc("erlang", "process_info", [seen[1], [A("registered_name"), A("current_stacktrace")]])
        assert isinstance(answer, tuple)
        assert (A("registered_name"), A("auth")) in answer[2]
        assert CLUSTER_COOKIE not in str(answer)
