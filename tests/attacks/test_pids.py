"""OTP's own processes are not reached by their pids, also where the guarded node itself has shown them."""

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.attack_scene import AttackScene
from tests.support.dist import Op, message
from tests.support.etf import Atom, Pid, Term, alias
from tests.support.raw_peer import Connection
from tests.support.wall import CLUSTER_COOKIE

ONE = "one@127.0.0.1"
RULES = [
    "deny *",
    "accept ping",
    "accept gen_server target",
    *(f"accept {command} to exposed" for command in ("send", "exit2", "link", "monitor", "group_leader")),
]
EVERYBODY = "[P || P <- processes(), P =/= whereis(target), P =/= whereis(victim), P =/= whereis(probe_control)]"

LEADERS = (
    "[{N, whereis(N), process_info(whereis(N), group_leader)} || N <- registered(), "
    "N =/= target, N =/= victim, N =/= probe_control, N =/= shop_sup]"
)
"""What an attack would change: a process ends, or has another group leader."""


@pytest.fixture(scope="module")
def here() -> Iterator[AttackScene]:
    with AttackScene({ONE: RULES}) as here:
        here.bar.eval("probe:start_server(target), probe:collector(victim)")
        here.bar.eval("application:load({application, shop, [{mod, {probe, []}}]})")
        here.bar.eval("{ok, _} = application:ensure_all_started(shop)")
        yield here


def shown(here: AttackScene, peer: Connection, expression: str) -> Term:
    """What the guarded node shows of its own accord."""
    here.bar.eval(f"{{nobody, '{ONE}'}} ! {{here, {expression}}}")
    payload = peer.wait_for(Op.REG_SEND).payload
    assert isinstance(payload, tuple)
    return payload[1]


def tries(peer: Connection, to: Pid) -> list[Term]:
    """Every command at one process; the reference that a cookie would come with."""
    ref = peer.ref()
    for request in ((Atom("get_cookie"), 1), Atom("which_children"), Atom("nobody_knows_this")):
        call = (Atom("$gen_call"), (peer.pid(), alias(ref)), request)
        peer.send(message(Op.SEND_SENDER, peer.pid(), to, payload=call))
    peer.send(
        message(
            Op.SEND_SENDER,
            peer.pid(),
            to,
            payload=(peer.pid(), (Atom("call"), Atom("erlang"), Atom("halt"), [], Atom("user"))),
        )
    )
    peer.send(message(Op.PAYLOAD_EXIT2, peer.pid(), to, payload=Atom("kill")))
    peer.send(message(Op.LINK, peer.pid(), to))
    peer.send(message(Op.PAYLOAD_EXIT, peer.pid(), to, payload=Atom("kill")))
    peer.send(message(Op.MONITOR_P, peer.pid(), to, peer.ref()))
    peer.send(message(Op.GROUP_LEADER, peer.pid(), to))
    return [alias(ref), ref]


def test_no_command_reaches_otps_own_processes(here: AttackScene) -> None:
    before = here.bar.eval(LEADERS)
    with here.connect(ONE) as peer:
        everybody = shown(here, peer, EVERYBODY)
        assert isinstance(everybody, list)
        masters = shown(here, peer, "[application_controller:get_master(A) || A <- [kernel, stdlib, shop]]")
        assert isinstance(masters, list)
        tags = [tag for pid in [*everybody, *masters] if isinstance(pid, Pid) for tag in tries(peer, pid)]
        assert peer.call("target", (Atom("echo"), 1)) == 1
        peer.receive(1)
        answers = [one for one in peer.log if isinstance(one.payload, tuple) and one.payload[0] in tags]
        assert not answers
        assert here.alive()
        assert not here.wall.events("disconnect")
    after = here.bar.eval(LEADERS)
    assert set(after.split("},")) >= set(before.split("},"))
    assert here.bar.eval("is_pid(whereis(auth)) andalso is_pid(whereis(rex)) andalso is_pid(whereis(user))") == "true"


@pytest.mark.parametrize(
    "request_", [(Atom("get_cookie"), 1), Atom("get_our_cookie"), (Atom("get_cookie"), Atom("third@h"))]
)
def test_without_distwall_auth_gives_the_cookie_to_whoever_knows_its_pid(request_: Term) -> None:
    with AttackScene(None) as direct, direct.connect(ONE) as peer:
        auth = shown(direct, peer, "whereis(auth)")
        assert isinstance(auth, Pid)
        ref = peer.ref()
        peer.send(message(Op.SEND_SENDER, peer.pid(), auth, payload=(Atom("$gen_call"), (peer.pid(), ref), request_)))
        assert (ref, Atom(CLUSTER_COOKIE)) in [one.payload for one in peer.receive(1)]


def test_without_distwall_auth_ends_over_a_call_that_it_does_not_know() -> None:
    with AttackScene(None) as direct, direct.connect(ONE) as peer:
        auth = shown(direct, peer, "whereis(auth)")
        assert isinstance(auth, Pid)
        with suppress(ConnectionError):  # It may end before the last try.
            tries(peer, auth)
        assert peer.is_closed(10)
        assert direct.bar.dies()


def test_users_processes_are_reached(here: AttackScene) -> None:
    with here.connect(ONE) as peer:
        victim = shown(here, peer, "whereis(victim)")
        assert isinstance(victim, Pid)
        peer.send(message(Op.SEND_SENDER, peer.pid(), victim, payload=Atom("hello")))
        assert peer.call("target", (Atom("echo"), 1)) == 1
    assert here.bar.eval("probe:await(victim, 1, 3000)") == "[hello]"


@pytest.mark.parametrize("end", ["closed", "reset"])
def test_what_a_peer_sent_before_it_went_away_arrives(here: AttackScene, end: str) -> None:
    """The guarded node says who it is for when the peer is gone already."""
    late = f"late_{end}"
    here.bar.eval(f"probe:collector({late})")
    with here.connect(ONE) as peer:
        to = shown(here, peer, f"whereis({late})")
        assert isinstance(to, Pid)
        here.bar.pause()
        peer.send(message(Op.SEND_SENDER, peer.pid(), to, payload=Atom("last")))
        # A reset takes with it what was not read.
        time.sleep(0.3)
        if end == "reset":
            peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    time.sleep(0.3)
    here.bar.resume()
    assert here.bar.eval(f"probe:await({late}, 1, 3000)") == "[last]"
    here.bar.wait_until("nodes(connected) =:= []")


@pytest.mark.parametrize(
    "trouble",
    [
        "erlang:suspend_process(whereis(rex))",
        "[spawn(fun F() -> F() end) || _ <- [1, 2, 3, 4]]",
    ],
)
def test_a_busy_guarded_node_answers(trouble: str) -> None:
    with AttackScene({ONE: RULES}) as here:
        here.bar.eval("probe:start_server(target), probe:collector(victim)")
        here.bar.eval(f"spawn(fun() -> {trouble}, timer:sleep(infinity) end), ok")
        with here.connect(ONE) as peer:
            victim = shown(here, peer, "whereis(victim)")
            assert isinstance(victim, Pid)
            peer.send(message(Op.SEND_SENDER, peer.pid(), victim, payload=Atom("hello")))
            assert here.bar.eval("probe:await(victim, 1, 4000)") == "[hello]"


def test_a_guarded_node_that_does_not_answer_loses_the_channel() -> None:
    """It is stopped where it is, and the channel ends in time."""
    with AttackScene({ONE: RULES}, extra="limits = { ask_timeout = 1 }\n") as here:
        here.bar.eval("probe:collector(victim)")
        with here.connect(ONE) as peer:
            victim = shown(here, peer, "whereis(victim)")
            assert isinstance(victim, Pid)
            here.bar.pause()
            peer.send(message(Op.SEND_SENDER, peer.pid(), victim, payload=Atom("hello")))
            assert peer.is_closed(5)
            here.bar.resume()
        assert here.told("ask_timeout")


@pytest.mark.parametrize(
    "call", ["{1, 2, 3}", '{"text", f, 1}', '{supervisor, "text", 1}', "{a, [b | c], []}", "nothing"]
)
def test_what_a_process_keeps_in_its_dictionary_ends_nobodys_channel(here: AttackScene, call: str) -> None:
    here.bar.eval(f"register(odd, P = probe:collector()), probe:do(P, fun() -> put('$initial_call', {call}) end)")
    try:
        with here.connect(ONE) as peer:
            to = shown(here, peer, "whereis(odd)")
            assert isinstance(to, Pid)
            peer.send(message(Op.SEND_SENDER, peer.pid(), to, payload=Atom("hello")))
            assert here.bar.eval("probe:await(odd, 1, 3000)") == "[hello]"
    finally:
        here.bar.eval("P = whereis(odd), unregister(odd), exit(P, kill)")


def test_the_dictionary_of_a_process_is_read_once(here: AttackScene) -> None:
    """To translate a first call, OTP copies all of it."""
    asked = "{proc_lib, translate_initial_call, 1}"
    here.bar.eval(
        f"{{ok, P}} = gen_event:start(), register(events, P), erlang:trace_pattern({asked}, true, [call_count])"
    )
    try:
        with here.connect(ONE) as peer:
            to = shown(here, peer, "whereis(events)")
            assert isinstance(to, Pid)
            for _ in range(3):
                peer.send(message(Op.SEND_SENDER, peer.pid(), to, payload=Atom("hello")))
                assert peer.call("target", (Atom("echo"), 1)) == 1
                time.sleep(1.1)
        assert here.bar.eval(f"element(2, erlang:trace_info({asked}, call_count))") == "1"
    finally:
        here.bar.eval(f"erlang:trace_pattern({asked}, false, [call_count]), gen_event:stop(events)")


def test_a_process_of_otps_does_not_become_a_leader(here: AttackScene) -> None:
    """What is led writes to its leader: ``kernel_sup`` would get requests that no rule opens."""
    here.bar.eval("register(led, probe:collector())")
    leader = "element(2, process_info(whereis(led), group_leader))"
    try:
        with here.connect(ONE) as peer:
            led, otps = shown(here, peer, "whereis(led)"), shown(here, peer, "whereis(kernel_sup)")
            assert isinstance(led, Pid)
            assert isinstance(otps, Pid)
            before = here.bar.eval(leader)
            peer.send(message(Op.GROUP_LEADER, otps, led))
            here.wall.wait_event("refused", command="group_leader", reason="options")
            assert here.bar.eval(leader) == before
            # The peer's own process does, and so does one that the guarded node itself has made a leader.
            peer.send(message(Op.GROUP_LEADER, peer.pid(), led))
            here.bar.wait_until(f"node({leader}) =:= '{ONE}'")
            here.bar.eval(f"P = binary_to_term(term_to_binary({leader})), group_leader(whereis(victim), P)")
            peer.wait_for(Op.GROUP_LEADER)
            victim = shown(here, peer, "whereis(victim)")
            assert isinstance(victim, Pid)
            peer.send(message(Op.GROUP_LEADER, victim, led))
            here.bar.wait_until(f"{leader} =:= whereis(victim)")
    finally:
        here.bar.eval("P = whereis(led), unregister(led), exit(P, kill)")
