"""Peers that try what they may not."""

import random

import pytest

from tests.support.scene import GUARD, Scene
from tests.support.wall import Peer

FOO = "foo@127.0.0.1"


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_peer_that_sends_only_what_is_refused_stays_connected() -> None:
    """A busy sender doesn't tick, and nothing of what it sends arrives; for a minute, at net_ticktime 8.

    One peer sends without a pause, one every quarter of a second: more often than it would have to tick.
    """
    peers = [Peer(["deny *", "drop reg_send"], node=name) for name in (FOO, "slow@127.0.0.1")]
    ticktime = ["-kernel", "net_ticktime", "8"]
    with Scene(peers) as scene:
        bar = scene.guard(flags=ticktime)
        flood, slow = (scene.peer(peer.node, flags=ticktime) for peer in peers)
        loop = f"""
            true = net_kernel:connect_node('{GUARD}'),
            erlang:monitor_node('{GUARD}', true),
            End = erlang:monotonic_time(second) + 62,
            Send = fun Send(N) ->
                {{victim, '{GUARD}'}} ! {{refused, N}},
                receive {{nodedown, Node}} -> {{lost, Node, N}}
                after PAUSE ->
                    case erlang:monotonic_time(second) > End of true -> N > 200; false -> Send(N + 1) end
                end
            end,
            Send(1)
        """
        bar.eval("probe:collector(victim)")
        results = [flood.begin(loop.replace("PAUSE", "2")), slow.begin(loop.replace("PAUSE", "250"))]
        assert [result.result(100) for result in results] == ["true", "true"]
        assert bar.eval("probe:got(victim)") == "[]"
        assert bar.eval("lists:sort(nodes(hidden))") == f"['{FOO}','slow@127.0.0.1']"


SERVER = ["deny *", "accept reg_send target", "accept monitor target"]


@pytest.mark.parametrize("through", ["direct", "open", "one name"])
def test_an_accepted_name_is_not_remote_code_execution(through: str) -> None:
    """One gen_server is open to calls; what OTP itself would run for whoever sends to it, doesn't run."""
    rules = {"direct": None, "open": ["accept *"], "one name": SERVER}[through]
    runs = through != "one name"
    with Scene(rules) as scene:
        bar, foo = scene.guard(), scene.peer()
        bar.eval("probe:start_server(target)")
        assert foo.eval(f"net_kernel:connect_node('{GUARD}')") == "true"
        target = f"{{target, '{GUARD}'}}"
        assert foo.eval(f"gen_server:call({target}, {{add, 4}})") == "4"
        milliseconds, got = foo.timed(f"sys:replace_state({target}, fun erlang:'-'/1, 1000)")
        assert runs or (got.startswith("{exit,{") and milliseconds < 3000), got
        assert bar.eval("gen_server:call(target, get)") == ("-4" if runs else "4")
        assert foo.eval(f"gen_server:call({target}, {{add, 1}})") == ("-3" if runs else "5")


@pytest.mark.parametrize("through", ["direct", "one name"])
@pytest.mark.parametrize(
    ("name", "setup", "attack"),
    [
        ("user", "ok", "{user, G} ! {io_request, self(), ref, {put_chars, unicode, erlang, send, [victim, ran]}}"),
        (
            "target",
            "{ok, _} = probe:do(victim, fun() -> supervisor:start_link({local, target}, probe, supervisor) end)",
            "catch supervisor:start_child({target, G}, #{id => c, start => {erlang, send, [victim, ran]}})",
        ),
        (
            "target",
            "{ok, _} = gen_event:start({local, target})",
            "catch gen_event:add_handler({target, G}, probe, {handler, victim})",
        ),
        ("target", "probe:start_server(target)", "{target, G} ! {system, {self(), ref}, {terminate, normal}}"),
    ],
    ids=["io request", "start_child", "add_handler", "terminate"],
)
def test_otp_shapes_do_not_run_code(through: str, name: str, setup: str, attack: str) -> None:
    rules = ["deny *", f"accept reg_send {name}", f"accept monitor {name}"]
    with Scene(None if through == "direct" else rules) as scene:
        bar, foo = scene.guard(), scene.peer()
        bar.eval(f"probe:collector(victim), {setup}")
        bar.eval(f"probe:do(victim, fun() -> erlang:monitor(process, {name}) end)")
        assert foo.eval(f"net_kernel:connect_node('{GUARD}')") == "true"
        foo.eval(f"G = '{GUARD}', {attack}")
        assert (bar.eval("probe:await(victim, 1, 500)") != "[]") is (through == "direct")


def test_random_messages_arrive_exactly_and_refused_ones_leave_no_atom() -> None:
    """10,000 messages to an accepted and a refused name, with fresh atoms and such as the connection's cache knows."""
    seed = random.randrange(1 << 32)
    with Scene(["deny *", "accept reg_send open"]) as scene:
        bar, foo = scene.guard(), scene.peer()
        bar.eval("probe:collector(open), probe:collector(shut)")
        assert foo.eval(f"net_kernel:connect_node('{GUARD}')") == "true"
        foo.eval(f"[{{N, '{GUARD}'}} ! probe:realise(S) || {{N, S}} <- probe:messages({seed}, 10000)], ok", 60)
        wanted = f"[S || {{open, S}} <- probe:messages({seed}, 10000)]"
        count = bar.number(f"length({wanted})")
        assert 4000 < count < 6000
        bar.wait_until(f"length(probe:got(open)) >= {count}", 30)
        assert bar.eval(f"[probe:realise(S) || S <- {wanted}] =:= probe:got(open)", 30) == "true", f"seed {seed}"
        assert bar.eval("probe:got(shut)") == "[]"
        assert bar.eval(f"probe:atoms_of_refused({seed}, 10000)", 30) == "[]", f"seed {seed}"
        # The control: without a firewall the atoms are there.
        assert foo.eval(f"probe:atoms_of_refused({seed}, 10000)", 30) != "[]"


@pytest.mark.parametrize(
    ("name", "cookie"),
    [("known@127.0.0.1", "wrong-cookie"), ("eve@127.0.0.1", "peer-cookie"), ("known@127.0.0.1", "cluster-cookie")],
    ids=["wrong cookie", "no entry", "the cluster's cookie"],
)
def test_strangers_stay_outside(name: str, cookie: str) -> None:
    with Scene([Peer(["accept *"]), Peer(["accept *"], node="known@127.0.0.1")]) as scene:
        bar, foo = scene.guard(), scene.peer()
        stranger = scene.peer(name, cookie=cookie)
        assert stranger.eval(f"net_adm:ping('{GUARD}')") == "pang"
        assert foo.eval(f"net_adm:ping('{GUARD}')") == "pong"
        assert bar.eval("nodes(connected)") == f"['{FOO}']"
        assert scene.wall.wait_event("handshake_refused")["source"].startswith("127.0.0.1")
