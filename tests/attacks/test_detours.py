"""Ways round the policy: what may be sent to one open server makes no other process do anything."""

from collections.abc import Callable, Iterator

import pytest

from tests.attacks.detours import CALL, DETOURS, ENTRIES, GET, NONE, ONE, PING, WIDE, theirs
from tests.support.attack_scene import WAYS, AttackScene, attack_scene
from tests.support.dist import EMPTY, Op, message
from tests.support.etf import Atom, Improper, Term, alias
from tests.support.raw_peer import Connection
from tests.support.waiting import wait_until


@pytest.fixture(scope="module", params=WAYS)
def here(request: pytest.FixtureRequest) -> Iterator[AttackScene]:
    with attack_scene(ENTRIES, way=request.param) as here:
        here.bar.eval("probe:start_server(target), probe:collector(victim)")
        here.bar.eval("{ok, _} = gen_event:start({local, events}), ok")
        yield here


@pytest.mark.parametrize("name", DETOURS)
def test_detours_lead_nowhere(here: AttackScene, name: str) -> None:
    """A message to a process that is open makes that process act on another one."""
    who, to, payload = DETOURS[name]
    with here.connect(who) as peer:
        peer.reg_send(to, payload(peer))
        assert peer.receive() == []
    assert here.bar.eval("probe:got(victim)") == "[]"
    assert here.alive()
    assert here.told("rule" if to == "rex" else "otp_internal")


def test_without_distwall_a_call_halts_the_node() -> None:
    """One call to a harmless gen_server, which answers ``{stop, 0}`` to init."""
    with AttackScene(None) as direct:
        direct.bar.eval("probe:start_server(target)")
        with direct.connect(ONE) as peer:
            peer.reg_send("target", (CALL, (Atom("init"), Atom("stop")), GET))
            assert peer.is_closed(10)


def test_init_is_known_by_its_pid(here: AttackScene) -> None:
    """Whoever may send to pids sends init its order to stop: its pid is the same everywhere."""
    with here.connect(WIDE) as peer:
        peer.send(message(Op.SEND_SENDER, peer.pid(), peer.their_pid(0), payload=(Atom("stop"), Atom("stop"))))
        assert peer.receive(0.5) == []
    assert here.alive()


def test_calls_in_every_form_still_work(here: AttackScene) -> None:
    """The other side of it: ordinary calls are none of these."""
    with here.connect(ONE) as peer:
        assert peer.call("target", (Atom("echo"), 7)) == 7


def test_a_ping_answers_its_asker_alone(here: AttackScene) -> None:
    """``accept ping`` with a tag whose alias is the guarded node's."""
    with here.connect(PING) as peer:
        request = (Atom("is_auth"), peer.name)
        peer.reg_send("net_kernel", (CALL, (peer.pid(), alias(theirs(peer))), request))
        assert peer.receive() == []
        assert peer.call("net_kernel", request) == "yes"


def test_a_spawn_reply_links_nothing_that_was_not_asked_for(here: AttackScene) -> None:
    """The guarded node asks for a spawn with a monitor; the reply claims a link, through which an exit would kill."""
    with here.connect(NONE) as peer:
        spawn = f"erlang:spawn_request('{peer.name}', erlang, node, [], [monitor])"
        here.bar.eval(f"register(asker, spawn(fun() -> {spawn}, receive stop -> ok end end))")
        asked = peer.wait_for(Op.SPAWN_REQUEST).args
        peer.send(message(Op.SPAWN_REPLY, asked["ref"], asked["from"], 3, peer.pid(77)))
        assert peer.is_closed(5)
    assert here.bar.eval("is_pid(whereis(asker))") == "true"


HUGE = 1 << 50
HEAPS: dict[str, Callable[[str], Term]] = {
    "in the open": lambda option: [(Atom(option), HUGE)],
    "in a tail": lambda option: Improper(((Atom("priority"), Atom("low")),), [(Atom(option), HUGE)]),
    "in the tail of a tail": lambda option: Improper(
        (Atom("monitor"),), Improper(((Atom("priority"), Atom("low")),), [(Atom(option), HUGE)])
    ),
    "behind another one": lambda option: [(Atom(option), 1 << 10), (Atom(option), HUGE)],
}
"""Options that ask for 2^50 words, over which a VM aborts; a VM reads a list in the tail of another one as well."""


@pytest.mark.parametrize("option", ["min_heap_size", "min_bin_vheap_size"])
def test_a_spawn_takes_no_more_heap_than_there_is(option: str) -> None:
    with AttackScene({WIDE: ["accept *"], ONE: ["deny *", "accept call erlang:node/0"]}) as here:
        for who, reason in ((WIDE, "limit:spawn_heap"), (ONE, "options")):
            with here.connect(who) as peer:
                for options in HEAPS.values():
                    assert spawned(peer, options(option)) == "not_allowed"
                    assert here.alive()
                assert here.told(reason)
                assert spawned(peer, [(Atom("priority"), Atom("low"))]) != "not_allowed"
        with here.connect(WIDE) as peer:
            assert spawned(peer, [(Atom(option), 1 << 16)]) != "not_allowed"


@pytest.mark.parametrize("name", HEAPS)
def test_without_distwall_such_a_heap_ends_the_node(name: str) -> None:
    with AttackScene(None) as direct, direct.connect(ONE) as peer:
        ask(peer, HEAPS[name]("min_heap_size"))
        assert peer.is_closed(10)
        assert direct.bar.dies()


def ask(peer: Connection, options: Term) -> None:
    """Sends a spawn request for a harmless function."""
    mfa = (Atom("erlang"), Atom("node"), 0)
    peer.send(message(Op.SPAWN_REQUEST, peer.ref(), peer.pid(), peer.pid(), mfa, options, payload=[]))


def spawned(peer: Connection, options: Term) -> Term:
    """What a spawn request for a harmless function is answered with."""
    ask(peer, options)
    return peer.wait_for(Op.SPAWN_REPLY).args["result"]


@pytest.mark.parametrize("through", ["directly", "distwall"])
def test_what_the_guarded_node_prints_for_a_peer_is_brief(through: str) -> None:
    """A cast through rex that fails, with the guarded node's own `user` as its leader."""
    entries = None if through == "directly" else {ONE: ["deny *", "accept call lists:sum/1"]}
    with AttackScene(entries) as here, here.connect(ONE) as peer:
        deep: Term = 1
        for level in range(2000):
            deep = (level % 7, deep)
        for argument in (deep, Atom("short")):
            cast = (Atom("cast"), Atom("lists"), Atom("sum"), [argument], Atom("user"))
            peer.reg_send("rex", (Atom("$gen_cast"), cast))
        printed = here.scene.folder / f"{here.bar.name}.log"
        wait_until(lambda: "short" in printed.read_text())
        assert (printed.stat().st_size > 100_000) == (through == "directly")
        assert entries is None or here.told("options")


def test_a_message_in_the_form_of_a_call_reaches_no_pid() -> None:
    """`auth` ends over a call that it doesn't know, and the node with it: only the name `rex` takes calls."""
    with AttackScene({ONE: ["deny *", "accept call erlang:node/0"]}) as here, here.connect(ONE) as peer:
        here.bar.eval("probe:collector(victim)")
        call: tuple[Term, ...] = (Atom("call"), Atom("erlang"), Atom("node"), [], peer.pid())
        cast = (Atom("cast"), *call[1:])
        for name in ("auth", "net_kernel", "rex", "victim"):
            number = int(here.bar.eval(f"whereis({name})").split(".")[1])
            for shaped in (
                (CALL, (peer.pid(), alias(peer.ref())), call),
                (peer.pid(), call),
                (Atom("$gen_cast"), cast),
            ):
                peer.send(message(Op.SEND_SENDER, peer.pid(), peer.their_pid(number), payload=shaped))
        assert peer.receive(0.5) == []
        assert here.alive()
        assert here.bar.eval("probe:got(victim)") == "[]"
        # The control: to the name it is a call.
        peer.reg_send("rex", (peer.pid(), call))
        assert [one.payload for one in peer.receive(1)] == [(Atom("rex"), Atom(here.bar.name))]


@pytest.mark.parametrize("form", ["a call", "a cast"])
def test_without_distwall_it_ends_auth_and_the_node(form: str) -> None:
    with AttackScene(None) as direct, direct.connect(ONE) as peer:
        request: tuple[Term, ...] = (Atom("call"), Atom("erlang"), Atom("node"), [], peer.pid())
        to = peer.their_pid(int(direct.bar.eval("whereis(auth)").split(".")[1]))
        shaped: Term = (CALL, (peer.pid(), alias(peer.ref())), request)
        if form == "a cast":
            shaped = (Atom("$gen_cast"), (Atom("cast"), *request[1:]))
        peer.send(message(Op.SEND_SENDER, peer.pid(), to, payload=shaped))
        assert peer.is_closed(10)
        assert direct.bar.dies()


def test_what_was_cached_by_refused_messages_opens_nothing(here: AttackScene) -> None:
    """A slot is defined as the open name by an accepted message and redefined by a refused one, then used again."""
    with here.connect(ONE) as peer:
        slots = {"target": 5, "victim": 5}
        peer.sender.slot = lambda atom: slots.get(atom, 100 + sum(atom.encode()) % 900)
        for name in ("target", "victim", "target", "victim", "victim"):
            peer.send(message(Op.REG_SEND, peer.pid(), EMPTY, Atom(name), payload=Atom("ran")))
        assert peer.call("target", (Atom("echo"), 1)) == 1
    assert here.bar.eval("probe:got(victim)") == "[]"
