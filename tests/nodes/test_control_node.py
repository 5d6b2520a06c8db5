"""The runtime API from Erlang: the module `distwall` on guarded nodes and an operator's, and the node behind it."""

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from distwall._core import COMMANDS
from distwall.api_node import MAX_FRAME
from distwall.launch import erlang_folder
from tests.support import guarded, ports
from tests.support.dist import TICK, frame
from tests.support.epmd import epmd_names, epmd_port
from tests.support.etf import Atom, Term
from tests.support.node import ErlangError, Node
from tests.support.packages import need
from tests.support.raw_peer import Connection, HandshakeFailed
from tests.support.raw_peer import RawPeer as Stranger
from tests.support.scene import GUARD, Scene
from tests.support.tls import TlsScene
from tests.support.wall import CLUSTER_COOKIE, Peer, launcher

FOO = "foo@127.0.0.1"
BAZ = "baz@127.0.0.2"
OPS = "ops@127.0.0.1"
CONTROL = "distwall@127.0.0.1"
OPERATORS = "operators-cookie"
EXTRA = f'node = "{CONTROL}"\ncookie = "{OPERATORS}"\n'
OPEN = Peer(["accept *"])


@pytest.fixture
def scene() -> Iterator[Scene]:
    """One peer that may do anything, and distwall's own node."""
    with Scene([OPEN], extra=EXTRA) as scene:
        yield scene


@pytest.fixture
def bar(scene: Scene) -> Iterator[Node]:
    with guarded.node(scene) as bar:
        yield bar


def operator(scene: Scene, stack: ExitStack, *, name: str = OPS, cookie: str = OPERATORS) -> Node:
    """An operator's node: a stock one, told where the EPMD for guarded nodes is, and which node is distwall's."""
    flags = ["-pa", str(erlang_folder()), "-distwall_control", CONTROL, "-hidden"]
    node = Node(name, cookie=cookie, folder=scene.folder, epmd_port=scene.register_port, flags=flags)
    return stack.enter_context(node)


def failure(node: Node, call: str) -> str:
    """What the shell says of a call that fails, on one line."""
    text = node.eval(
        f"try {call} of V -> {{returned, V}} catch C:R:S ->"
        " unicode:characters_to_list(erl_error:format_exception(C, R, S)) end"
    )
    assert not text.startswith("{returned"), text
    return " ".join(text.replace("\\n", " ").split())


def test_it_is_there_for_guarded_nodes(scene: Scene, bar: Node) -> None:
    assert bar.eval(f"net_adm:ping('{CONTROL}')") == "pong"
    assert bar.eval("{nodes(), nodes(hidden)}") == f"{{[],['{CONTROL}']}}"
    scene.wall.wait_event("caller_connect", node=GUARD, role="guard")
    with pytest.raises(ErlangError, match="noproc"):
        bar.eval(f"gen_server:call({{nobody, '{CONTROL}'}}, hi)")
    with pytest.raises(ErlangError, match="notsup"):
        bar.eval(f"erpc:call('{CONTROL}', erlang, node, [])")
    pid = f'binary_to_term(<<131, 88, 119, {len(CONTROL)}, "{CONTROL}", 7:32, 0:32, 9:32>>)'
    linked = "process_flag(trap_exit, true), link(P), receive {'EXIT', P, Reason} -> Reason after 5000 -> none end"
    assert bar.eval(f"P = {pid}, {linked}") == "noproc"


# === the guide of the proposal, as one would type it ===

PAGE = Path(__file__).resolve().parents[2] / "docs" / "erlang.md"
SESSION = re.compile(r"^\d+> (.*)\n(.*)$", re.MULTILINE)


def shell(scene: Scene, lines: list[str], name: str = GUARD) -> list[str]:
    """What a shell on a guarded node answers to each line."""
    command = [*launcher(scene.wall.config), "erl", "-name", name, "-setcookie", CLUSTER_COOKIE]
    done = subprocess.run(
        command,
        input="\n".join(lines) + "\n",
        env=guarded.environment(scene),
        cwd=scene.folder,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    answers = re.split(rf"\({re.escape(name)}\)\d+> ", done.stdout)[1:]
    return [answer.strip() for answer in answers[: len(lines)]]


@pytest.mark.skipif(guarded.GUARD_OTP is not None, reason="the shell of this host's OTP")
def test_the_guide_holds_line_by_line(scene: Scene) -> None:
    """As the page has it."""
    blocks = re.findall(r"^```erl\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    guide = [pair for block in blocks for pair in SESSION.findall(block)]
    assert len(guide) > 30
    lines = [line for line, _ in guide]
    assert list(zip(lines, shell(scene, lines), strict=True)) == guide


def test_statistics_have_the_shape_of_erlang_statistics_dist(scene: Scene, bar: Node) -> None:
    zero = "[{accept,0},{deny,0},{drop,0}]"
    nothing = "[" + ",".join(f"{{{command},{zero}}}" for command in COMMANDS) + "]"
    assert bar.eval("distwall:statistics()") == nothing
    assert bar.eval(f"distwall:statistics('{FOO}')") == nothing
    bar.eval(f"register(gate, self()), distwall:add_filter('{FOO}', reg_send, gate, deny)")
    foo = scene.peer()
    foo.eval(f"pong = net_adm:ping('{GUARD}'), [{{gate, '{GUARD}'}} ! N || N <- [1, 2, 3]]")
    bar.wait_until(
        f"proplists:get_value(reg_send, distwall:statistics('{FOO}')) =:= [{{accept, 1}}, {{deny, 3}}, {{drop, 0}}]"
    )
    assert bar.eval(f"distwall:statistics() =:= distwall:statistics('{FOO}')") == "true"
    assert bar.eval("distwall:statistics('stranger@127.0.0.1')") == nothing


def test_the_guarded_nodes_own_code_sets_handlers_and_filters(scene: Scene, bar: Node) -> None:
    bar.load("my_dist_handler")
    bar.eval("[probe:collector(Name) || Name <- [seen, target, shut]]")
    assert bar.eval(f"distwall:set_handler('{FOO}', reg_send, my_dist_handler)") == "undefined"
    foo = scene.peer()
    foo.eval(f"pong = net_adm:ping('{GUARD}'), [{{target, '{GUARD}'}} ! M || M <- [{{secret, 1}}, hello]]")
    # The ping has gone through it as well.
    bar.wait_until("probe:got(target) =:= [hello] andalso length(probe:got(seen)) =:= 3")
    assert bar.eval(f"distwall:set_handler('{FOO}', reg_send, undefined)") == "my_dist_handler"
    assert bar.eval(f"distwall:filter('{FOO}', my_dist_handler)") == "undefined"
    foo.eval(f"[{{Name, '{GUARD}'}} ! again || Name <- [shut, target]]")
    bar.wait_until("probe:got(target) =:= [hello, again]")
    assert bar.eval("probe:got(shut)") == "[]"
    assert bar.eval(f"distwall:filter('{FOO}', undefined)") == "my_dist_handler"


# === what it does ===


def test_filters_hold_before_a_node_connects_while_it_is_connected_and_when_it_is_gone(scene: Scene, bar: Node) -> None:
    bar.eval("probe:collector(gate)")
    assert bar.eval(f"distwall:add_filter('{FOO}', reg_send, gate, deny)") == "accept"
    foo = scene.peer()
    assert foo.eval(f"net_adm:ping('{GUARD}')") == "pong"
    foo.eval(f"{{gate, '{GUARD}'}} ! before")
    scene.wall.wait_event("refused", peer=FOO, command="reg_send", target="gate")
    assert bar.eval(f"distwall:del_filter('{FOO}', reg_send, gate)") == "deny"
    foo.eval(f"{{gate, '{GUARD}'}} ! connected")
    assert bar.eval("probe:await(gate, 1, 5000)") == "[connected]"
    foo.kill()
    bar.wait_until("distwall:peers() =:= []")
    assert bar.eval(f"distwall:add_filter('{FOO}', reg_send, gate, drop)") == "accept"
    again = scene.peer()
    assert again.eval(f"net_adm:ping('{GUARD}')") == "pong"
    again.eval(f"{{gate, '{GUARD}'}} ! gone")
    scene.wall.wait_event("refused", peer=FOO, command="reg_send", verdict="drop")
    assert bar.eval("probe:got(gate)") == "[connected]"


def test_peers_are_listed_and_disconnected(scene: Scene, bar: Node) -> None:
    assert bar.eval("distwall:peers()") == "[]"
    foo = scene.peer()
    assert foo.eval(f"net_adm:ping('{GUARD}')") == "pong"
    assert bar.eval("[{maps:get(peer, P), maps:get(guard, P), maps:get(opened_by, P)} || P <- distwall:peers()]") == (
        f"[{{'{FOO}','{GUARD}',peer}}]"
    )
    assert bar.eval(f"distwall:disconnect('{FOO}')") == "ok"
    foo.wait_until("nodes(hidden) =:= []")
    assert bar.eval("distwall:peers()") == "[]"
    assert "is not connected" in failure(bar, f"distwall:disconnect('{FOO}')")


def test_tables_and_grants_are_set_from_the_guarded_node(scene: Scene, bar: Node) -> None:
    def verdict() -> str:
        return bar.eval(f"distwall:test_filter('{FOO}', reg_send, gate)")

    assert bar.eval(f"distwall:set_filter('{FOO}', reg_send, deny)") == "accept"
    assert bar.eval('distwall:set_table(clients, ["accept reg_send gate", <<"accept monitor gate">>])') == "ok"
    assert verdict() == "deny"
    assert bar.eval(f"distwall:attach('{FOO}', clients)") == "ok"
    assert verdict() == "accept"
    assert bar.eval('distwall:set_table("clients", ["drop reg_send gate"])') == "ok"
    assert verdict() == "drop"
    assert bar.eval(f"distwall:detach('{FOO}', <<\"clients\">>)") == "ok"
    assert verdict() == "deny"
    assert bar.eval('distwall:set_table(login, ["accept reg_send gate"])') == "ok"
    assert bar.eval(f"distwall:grant('{FOO}', login, 60, \"ticket 7\")") == "ok"
    assert verdict() == "accept"
    assert bar.eval("[{maps:get(table, G), maps:get(reason, G), maps:get(actor, G)} || G <- distwall:grants()]") == (
        f'[{{<<"login">>,<<"ticket 7">>,<<"{GUARD}">>}}]'
    )
    assert bar.eval(f"distwall:revoke('{FOO}', login)") == "ok"
    assert (verdict(), bar.eval("distwall:grants()")) == ("deny", "[]")


def test_any_part_of_a_key_may_stand_for_all(scene: Scene, bar: Node) -> None:
    keys = ("{my_mod, '_', '_'}", "{'_', my_fun, 1}", "{'_', '_', '_'}", "{my_mod, my_fun, '_'}")
    for key in keys:
        assert bar.eval(f"distwall:add_filter('{FOO}', spawn_request, {key}, drop)") == "accept"
        assert bar.eval(f"distwall:test_filter('{FOO}', spawn_request, {key})") == "drop"
        assert bar.eval(f"distwall:test_filter('{FOO}', spawn_request, {{my_mod, my_fun, 1}})") == "drop"
        assert bar.eval(f"distwall:del_filter('{FOO}', spawn_request, {key})") == "drop"
    assert bar.eval(f"distwall:add_filter('{FOO}', reg_send, \"gate*\", drop)") == "accept"
    assert bar.eval(f"[distwall:test_filter('{FOO}', reg_send, K) || K <- [gate, gate7, gat]]") == "[drop,drop,accept]"
    assert bar.eval(f"distwall:set_filter('{FOO}', '_', deny)") == "accept"
    assert bar.eval(f"[distwall:test_filter('{FOO}', C, '_') || C <- ['_', link, send]]") == "[deny,deny,deny]"


def test_processes_and_aliases_can_be_keys(scene: Scene, bar: Node) -> None:
    foo = scene.peer()
    assert foo.eval(f"net_adm:ping('{GUARD}')") == "pong"
    one, other = (bar.term("probe:collector()") for _ in range(2))
    assert bar.eval(f"distwall:add_filter('{FOO}', send, {one}, drop)") == "accept"
    assert bar.eval(f"[distwall:test_filter('{FOO}', send, P) || P <- [{one}, {other}]]") == "[drop,accept]"
    foo.eval(f"[P ! hi || P <- [{one}, {other}]]")
    assert bar.eval(f"{{probe:await({other}, 1, 5000), probe:got({one})}}") == "{[hi],[]}"
    assert bar.eval(f"distwall:del_filter('{FOO}', send, {one})") == "drop"
    alias = bar.term("persistent_term:put(alias, alias()), persistent_term:get(alias)")
    assert bar.eval(f"distwall:add_filter('{FOO}', alias_send, {alias}, deny)") == "accept"
    assert bar.eval(f"distwall:test_filter('{FOO}', alias_send, {alias})") == "deny"
    foo.eval(f"{alias} ! hi")
    scene.wall.wait_event("refused", peer=FOO, command="alias_send", verdict="deny")
    assert "a process of another node" in failure(
        bar, f"distwall:add_filter('{FOO}', send, {foo.term('self()')}, deny)"
    )


def test_scopes_and_patterns_can_be_keys(scene: Scene, bar: Node) -> None:
    assert bar.eval(f"distwall:set_filter('{FOO}', send, deny)") == "accept"
    assert bar.eval(f"distwall:add_filter('{FOO}', send, {{to, exposed}}, accept)") == "deny"
    foo = scene.peer()
    foo.eval(f"pong = net_adm:ping('{GUARD}')")
    stranger = bar.term("probe:collector(known)")
    foo.eval(f"{stranger} ! hi")
    scene.wall.wait_event("refused", peer=FOO, command="send")
    own = foo.term(f"erpc:call('{GUARD}', probe, collector, [])")
    foo.eval(f"{own} ! hi")
    assert bar.eval(f"probe:await({own}, 1, 5000)") == "[hi]"
    when = '"known when {allowed, _}"'
    assert bar.eval(f"distwall:add_filter('{FOO}', reg_send, {when}, accept)") == "accept"
    assert bar.eval(f"distwall:set_filter('{FOO}', reg_send, drop)") == "accept"
    foo.eval(f"[{{known, '{GUARD}'}} ! M || M <- [{{forbidden, 1}}, {{allowed, 1}}]]")
    assert bar.eval("probe:await(known, 1, 5000)") == "[{allowed,1}]"


def test_explain_answers_with_maps(scene: Scene, bar: Node) -> None:
    bar.eval(f"distwall:add_filter('{FOO}', reg_send, 'My Gate', drop)")
    answer = bar.eval(
        f"#{{verdict := V, reason := R, rule := #{{text := T}}, lost := [#{{text := L}}]}} ="
        f" distwall:explain('{FOO}', reg_send, 'My Gate'), {{V, R, T, L}}"
    )
    assert answer == '{drop,rule,<<"drop reg_send \'My Gate\'">>,<<"accept *">>}'


def test_what_is_set_survives_a_restart_if_asked(scene: Scene, bar: Node) -> None:
    assert bar.eval(f"distwall:set_filter('{FOO}', link, drop, [persist])") == "accept"
    assert bar.eval(f"distwall:set_filter('{FOO}', exit2, drop)") == "accept"
    scene.wall.stop()
    assert f"'{CONTROL}' can't be reached" in failure(bar, "distwall:statistics()")
    scene.wall.start()
    bar.wait_until(f"net_kernel:hidden_connect_node('{CONTROL}')")
    assert bar.eval(f"[distwall:test_filter('{FOO}', C, '_') || C <- [link, exit2]]") == "[drop,accept]"


def test_what_is_wrong_is_said_as_otp_says_it(scene: Scene, bar: Node) -> None:
    for call, text in (
        ('set_filter("foo", link, deny)', "*** argument 1: a node is an atom"),
        (f"add_filter('{FOO}', reg_send, 7, deny)", "*** argument 3: a key is a name"),
        (f"grant('{FOO}', [a], 1, why)", "*** argument 2: a table is an atom, a string or a binary"),
        ("set_table(a, [b])", "*** argument 2: rules are a list of strings or binaries"),
        (f"set_filter('{FOO}', link, deny, [forever])", "*** argument 4: the options are [] and [persist]"),
        (f"set_filter('{FOO}', lonk, deny)", "unknown command `lonk`; did you mean `link`?"),
        (f"set_filter('{FOO}', link, maybe_so)", "*** unknown verdict `maybe_so`; write accept, deny or drop"),
        ("set_filter(foo, link, deny)", "*** `foo` is not the name of a node; write NAME@HOST"),
        (f"attach('{FOO}', nothing)", "*** no table `nothing`; the tables are none"),
        (f"set_handler('{FOO}', link, m)", "*** no handlers for `link`"),
        ('set_table(a, ["accept"])', "no command after the verdict"),
    ):
        said = failure(bar, f"distwall:{call}")
        assert "exception error: bad argument in function distwall:" in said, said
        assert text in said, said
    assert bar.eval(f"distwall:test_filter('{FOO}', link, '_')") == "accept"


@pytest.mark.parametrize(
    "term", ["1 bsl 4000", "lists:seq(1, 30000)", "lists:foldl(fun(_, T) -> {T} end, a, lists:seq(1, 300))"]
)
def test_what_distwall_does_not_read_is_an_error_and_the_connection_goes_on(scene: Scene, bar: Node, term: str) -> None:
    assert bar.eval("distwall:peers()") == "[]"
    said = failure(bar, f"distwall:grant('{FOO}', {term}, 1, why)")
    assert "exception error: bad argument in function distwall:" in said, said
    assert "*** distwall does not read this: " in said, said
    # Other messages with such a term are lost, as everywhere.
    bar.eval(f"{{distwall, '{CONTROL}'}} ! {term}")
    assert bar.eval("distwall:peers()") == "[]"
    assert bar.eval(f"distwall:set_filter('{FOO}', link, deny)") == "accept"
    # The log is written in order, so all connects are in it when this is.
    scene.wall.wait_event("setting")
    assert len([event for event in scene.wall.events() if event["event"] == "caller_connect"]) == 1


def test_where_no_node_of_distwall_is_known_the_failure_says_so() -> None:
    with Scene([OPEN]) as scene, guarded.node(scene) as bar:
        assert "which node is distwall's is not known" in failure(bar, "distwall:peers()")
        bar.eval(f"application:set_env(distwall, node, '{CONTROL}')")
        assert f"'{CONTROL}' can't be reached" in failure(bar, "distwall:peers()")


# === who may ===


def test_a_node_that_was_not_started_by_exec_can_be_told_of_it(scene: Scene) -> None:
    bar = scene.guard(flags=["-pa", str(erlang_folder())])
    bar.eval(f"application:set_env(distwall, node, '{CONTROL}')")
    assert bar.eval(f"distwall:set_filter('{FOO}', link, deny)") == "accept"


def test_a_node_that_does_not_connect_by_itself_reaches_it(scene: Scene) -> None:
    with guarded.node(scene, flags=["-kernel", "dist_auto_connect", "never"]) as bar:
        assert bar.eval(f"distwall:set_filter('{FOO}', link, deny)") == "accept"


def test_a_guarded_node_that_speaks_tls_reaches_it() -> None:
    # What a guarded node dials has the host of its name in its certificate.
    with TlsScene([OPEN], inside=["127.0.0.1"]) as scene:
        config = scene.wall.config
        config.write_text(config.read_text().replace("[control]\n", f"[control]\n{EXTRA}"))
        scene.wall.stop()
        scene.wall.start()
        flags = scene.pki.flags(scene.pki.host("bar", GUARD.partition("@")[2]), otp="DISTWALL_GUARD_OTP")
        with scene.guard(flags=flags, launched=True) as bar:
            assert bar.eval(f"net_adm:ping('{CONTROL}')") == "pong"
            assert bar.eval(f"distwall:set_filter('{FOO}', link, deny)") == "accept"
            port = epmd_port("distwall", ("127.0.0.1", scene.register_port))
            assert port is not None
            with pytest.raises(HandshakeFailed, match="not_allowed"):
                Stranger(GUARD, CLUSTER_COOKIE.encode()).connect(("127.0.0.1", port))


IPV6 = """[guard]
nodes = ["bar@::1"]
listen = "::1"
epmd = "[::1]:PORT"
register = "[::1]:4370"
cookie_file = "cluster.cookie"

[audit]
file = "audit.jsonl"

[control]
socket = "distwall.sock"
node = "distwall@::1"

[[peers]]
node = "foo@::1"
cookie = "peer-cookie"
rules = ["accept *"]
"""


def test_it_is_there_over_ipv6(tmp_path: Path) -> None:
    policy = tmp_path / "distwall.toml"
    with ports.lease() as epmd:
        policy.write_text(IPV6.replace("PORT", str(epmd)))
        with Scene(policy) as scene, guarded.node(scene, "bar@::1", flags=["-proto_dist", "inet6_tcp"]) as bar:
            assert bar.eval("distwall:set_filter('foo@::1', link, deny)") == "accept"
            assert bar.eval("nodes(hidden)") == "['distwall@::1']"


def test_it_is_there_under_short_names() -> None:
    host = socket.gethostname().partition(".")[0]
    with (
        Scene([OPEN], guards=[f"bar@{host}"], extra=f'node = "distwall@{host}"\n') as scene,
        guarded.node(scene, f"bar@{host}", flags=["-sname", f"bar@{host}"]) as bar,
    ):
        assert bar.eval(f"distwall:set_filter('{FOO}', link, deny)") == "accept"


def test_a_guarded_node_touches_its_own_channels_only() -> None:
    with (
        Scene([OPEN], guards=[GUARD, BAZ], extra=EXTRA + '[tables.t]\nrules = ["deny send"]\n') as scene,
        guarded.node(scene) as bar,
        guarded.node(scene, BAZ) as baz,
        ExitStack() as stack,
    ):
        foo = scene.peer()
        for name in (GUARD, BAZ):
            assert foo.eval(f"net_adm:ping('{name}')") == "pong"
        ops = operator(scene, stack)
        link = f"distwall:test_filter('{FOO}', link, '_')"

        assert bar.eval(f"distwall:set_filter('{FOO}', link, deny)") == "accept"
        assert [node.eval(link) for node in (bar, baz)] == ["deny", "accept"]
        assert (
            foo.eval(
                f"process_flag(trap_exit, true), P = spawn('{GUARD}', timer, sleep, [infinity]), link(P),"
                " receive {'EXIT', P, noproc} -> link_denied after 2000 -> linked end"
            )
            == "link_denied"
        )
        assert (
            foo.eval(
                f"process_flag(trap_exit, true), P = spawn('{BAZ}', timer, sleep, [infinity]), link(P),"
                " receive {'EXIT', P, noproc} -> link_denied after 300 -> linked end"
            )
            == "linked"
        )
        assert bar.eval("length(distwall:peers())") == "1"
        assert ops.eval("length(distwall:peers())") == "2"
        for arguments in ("", f"'{FOO}'"):
            counts = f"element(2, lists:keyfind(link, 1, distwall:statistics({arguments})))"
            assert [node.eval(counts) for node in (bar, baz, ops)] == [
                "[{accept,0},{deny,1},{drop,0}]",
                "[{accept,1},{deny,0},{drop,0}]",
                "[{accept,1},{deny,1},{drop,0}]",
            ]

        assert bar.eval("distwall:set_default_filter(exit2, '_', drop)") == "deny"
        assert baz.eval("distwall:set_default_filter(exit2, '_', drop)") == "deny"
        assert "other guarded nodes share the tables" in failure(bar, 'distwall:set_table(t, ["accept send"])')
        assert ops.eval('distwall:set_table(t, ["accept exit2"])') == "ok"
        assert bar.eval(f"distwall:grant('{FOO}', t, 60, why)") == "ok"
        assert [node.eval("length(distwall:grants())") for node in (bar, baz, ops)] == ["1", "0", "1"]
        said = failure(baz, f"distwall:revoke('{FOO}', t)")
        assert f"no grant of `t` to {FOO}; see distwall grants" in said, said

        assert ops.eval(f"distwall:set_filter('{FOO}', monitor, deny)") == "accept"
        monitor = f"distwall:test_filter('{FOO}', monitor, '_')"
        assert [node.eval(monitor) for node in (bar, baz)] == ["deny", "deny"]

        assert bar.eval(f"distwall:disconnect('{FOO}')") == "ok"
        foo.wait_until(f"nodes(hidden) =:= ['{BAZ}']")
        assert ops.eval(f"distwall:disconnect('{FOO}')") == "ok"
        foo.wait_until("nodes(hidden) =:= []")
        for actor in (GUARD, BAZ, OPS):
            scene.wall.wait_event("setting", actor=actor)


def test_operators_need_their_own_cookie(scene: Scene, bar: Node) -> None:
    with ExitStack() as stack:
        ops = operator(scene, stack)
        assert ops.eval(f"distwall:set_filter('{FOO}', link, drop)") == "accept"
        assert bar.eval(f"distwall:test_filter('{FOO}', link, '_')") == "drop"
        for name, cookie in (("x@127.0.0.1", CLUSTER_COOKIE), ("y@127.0.0.1", OPEN.cookie), (GUARD, OPERATORS)):
            if name == GUARD:
                bar.kill()
                scene.wall.wait_event("unregister")
            other = operator(scene, stack, name=name, cookie=cookie)
            assert "can't be reached" in failure(other, "distwall:peers()")
            scene.wall.wait_event("caller_refused", node=name, reason="bad_cookie")


def test_without_a_cookie_there_are_no_operators() -> None:
    with Scene([OPEN], extra=f'node = "{CONTROL}"\n') as scene, guarded.node(scene) as bar, ExitStack() as stack:
        assert bar.eval("distwall:peers()") == "[]"
        for cookie in (CLUSTER_COOKIE, ""):
            ops = operator(scene, stack, name=f"ops{len(cookie)}@127.0.0.1", cookie=cookie or "nocookie")
            assert "can't be reached" in failure(ops, "distwall:peers()")
            scene.wall.wait_event("caller_refused", node=ops.name, reason="not_guarded")


def test_peers_know_nothing_of_it(scene: Scene, bar: Node) -> None:
    peers_epmd, own_epmd = ("127.0.0.2", scene.epmd_port), ("127.0.0.1", scene.register_port)
    assert epmd_port("distwall", peers_epmd) is None
    assert epmd_port("distwall", own_epmd) is not None
    assert "distwall" not in epmd_names(peers_epmd)
    assert "distwall" not in epmd_names(own_epmd)


def test_no_peer_can_be_taken_for_it() -> None:
    with Scene([OPEN, Peer(["accept *"], node="*")], extra=EXTRA) as scene, guarded.node(scene) as bar:
        port = epmd_port("bar", ("127.0.0.2", scene.epmd_port))
        assert port is not None
        with pytest.raises(HandshakeFailed, match="not_allowed"):
            Stranger(CONTROL, OPEN.cookie.encode()).connect(("127.0.0.2", port))
        scene.wall.wait_event("handshake_refused", peer=CONTROL, reason="unknown_node")
        assert bar.eval(f"distwall:test_filter('{FOO}', link, '_')") == "accept"
        taken = guarded.program(scene, ["erl", "-noinput", "-name", "distwall@127.0.0.2"])
        assert taken.wait(20) != 0
        scene.wall.wait_event("epmd_refused", reason="name_taken")


def test_a_guarded_program_that_forwards_what_a_peer_says_does_not_speak_for_it(scene: Scene, bar: Node) -> None:
    """A peer that may send to such a program would rule the firewall by it."""
    request = f"{{set_filter, ['{FOO}', link, deny], []}}"
    bar.eval(f"register(relay, spawn(fun F() -> receive M -> {{distwall, '{CONTROL}'}} ! M, F() end end))")
    foo = scene.peer()
    foo.eval(f"{{relay, '{GUARD}'}} ! {{'$gen_call', {{self(), make_ref()}}, {request}}}")
    foo.eval(f"{{relay, '{GUARD}'}} ! {{'$gen_cast', {request}}}")
    # It is what the relay sends last, so it has had its effect when this call is answered.
    bar.eval(f"relay ! {{'$gen_call', {{whereis(relay), alias}}, {{set_filter, ['{FOO}', exit2, deny], []}}}}")
    bar.wait_until(f"distwall:test_filter('{FOO}', exit2, '_') =:= deny")
    assert bar.eval(f"distwall:test_filter('{FOO}', link, '_')") == "accept"


# === what it stands ===


@pytest.fixture
def hostile(scene: Scene) -> Iterator[Connection]:
    """A connection as a guarded node's, in the hands of somebody else."""
    with connect(scene) as connection:
        yield connection


def connect(scene: Scene) -> Connection:
    port = epmd_port("distwall", ("127.0.0.1", scene.register_port))
    assert port is not None
    return Stranger(GUARD, CLUSTER_COOKIE.encode()).connect(("127.0.0.1", port))


PING = frame(bytes.fromhex("70 83") + b"\x68\x01\x61\x05")


@pytest.mark.parametrize(
    "data",
    [
        PING,
        frame(b"\x83D\0"),
        frame(b"p\x83\x6a"),
        frame(b"p\x83" + b"\x68\x01" * 100_000),
        (MAX_FRAME + 1).to_bytes(4) + b"p\x83",
        b"\xff\xff\xff\xff",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=["node_link", "header", "no tuple", "deep", "big", "huge", "http"],
)
def test_what_no_node_sends_ends_the_connection(scene: Scene, bar: Node, hostile: Connection, data: bytes) -> None:
    hostile.send_raw(data)
    assert hostile.is_closed()
    scene.wall.wait_event("caller_refused", node=GUARD, reason="malformed")
    assert bar.eval("distwall:peers()") == "[]"


def test_the_newest_connection_of_a_node_stays(scene: Scene, hostile: Connection) -> None:
    with connect(scene) as second:
        assert hostile.is_closed()
        assert second.call("net_kernel", (Atom("is_auth"), Atom(GUARD))) == Atom("yes")


def test_requests_that_make_no_sense_are_answered(hostile: Connection) -> None:
    peers = Atom("peers")
    requests: list[Term] = [7, (), (peers,), (peers, [], Atom("x")), (Atom("_call"), [], []), (peers, [1], [])]
    for request in requests:
        answer = hostile.call("distwall", request)
        assert isinstance(answer, tuple)
        assert answer[:2] == (Atom("error"), Atom("badarg")), request


def test_ticks_are_answered(hostile: Connection) -> None:
    hostile.send_raw(TICK * 3)
    hostile.receive()
    assert hostile.receiver.ticks == 3


def test_a_node_that_ticks_fast_stays_connected(scene: Scene) -> None:
    with guarded.node(scene, flags=["-kernel", "net_ticktime", "2"]) as bar:
        bar.eval("distwall:peers()")
        bar.eval("timer:sleep(5000)")
        assert bar.eval("nodes(hidden)") == f"['{CONTROL}']"
        assert len(scene.wall.events("caller_connect")) == 1


def test_a_flood_of_calls_holds_up_nobody(scene: Scene, bar: Node) -> None:
    bar.eval("probe:collector(gate)")
    foo = scene.peer()
    assert foo.eval(f"net_adm:ping('{GUARD}')") == "pong"
    flood = bar.begin(
        f"[spawn(fun() -> [distwall:add_filter('{FOO}', reg_send, N, deny) || N <- [a, b, c, d]] end)"
        " || _ <- lists:seq(1, 1000)], ok"
    )
    for number in range(20):
        milliseconds, _ = foo.timed(f"{{gate, '{GUARD}'}} ! {number}, net_adm:ping('{GUARD}')")
        assert milliseconds < 5000
    flood.result(60)
    assert bar.eval("probe:await(gate, 20, 5000)") == f"[{','.join(map(str, range(20)))}]"
    bar.wait_until(f"distwall:test_filter('{FOO}', reg_send, d) =:= deny", 30)


def test_big_tables_can_be_set_and_too_big_ones_end_the_connection(scene: Scene, bar: Node) -> None:
    bar.wait_until(f"net_adm:ping('{CONTROL}') =:= pong")
    rules = '["accept reg_send gate" ++ integer_to_list(N) || N <- lists:seq(1, 3000)]'
    assert bar.eval(f"distwall:set_table(big, {rules})", timeout=60) == "ok"
    assert bar.eval(f"distwall:attach('{FOO}', big)", timeout=60) == "ok"
    too_big = '[binary:copy(<<" ">>, 1000) || _ <- lists:seq(1, 1500)]'
    assert "is lost; distwall's log may say why" in failure(bar, f"distwall:set_table(big, {too_big})")
    scene.wall.wait_event("caller_refused", node=GUARD, reason="malformed")
    assert bar.eval(f"distwall:test_filter('{FOO}', reg_send, gate3000)") == "accept"


# === Elixir ===

SCRIPT = f"""
:logger.set_primary_config(:level, :none)
IO.inspect(:distwall.set_filter(:"{FOO}", :link, :reject))
IO.inspect(:distwall.test_filter(:"{FOO}", :link, :_))
IO.inspect(:distwall.set_table(:clients, ["accept ping", 'accept reg_send gate']))
IO.inspect(:distwall.attach(:"{FOO}", "clients"))
try do
  :distwall.set_filter("{FOO}", :link, :deny)
rescue
  error -> IO.puts(Exception.message(error))
end
"""


@pytest.mark.skipif(guarded.GUARD_OTP is not None, reason="Elixir runs on this host's OTP")
def test_it_can_be_called_from_elixir(scene: Scene) -> None:
    need("elixir")
    script = scene.folder / "control.exs"
    script.write_text(SCRIPT)
    command: list[str | Path] = ["elixir", "--name", GUARD, "--cookie", CLUSTER_COOKIE, script]
    elixir = guarded.program(scene, command)
    assert elixir.wait(40) == 0, elixir.logged()
    said = elixir.logged().split("\n")
    assert said[:4] == [":accept", ":deny", ":ok", ":ok"]
    assert "1st argument: a node is an atom" in elixir.logged()
