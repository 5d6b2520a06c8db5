"""A pid that a peer made up is not exposed by a server that gives it back, in whatever way."""

from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from tests.support.attack_scene import AttackScene
from tests.support.dist import Op, message
from tests.support.etf import Atom, Improper, Map, Pid, Ref, Term, alias
from tests.support.raw_peer import Connection

ONE = "one@127.0.0.1"
RULES = [
    "deny *",
    "accept ping",
    "accept gen_server target",
    "accept call erlang:hd/1",
    "accept send to exposed",
    "accept alias_send to exposed",
]


ANY = "any@127.0.0.1"
"""The guard is off: a peer that may send to every process."""


@pytest.fixture(scope="module")
def here() -> Iterator[AttackScene]:
    with AttackScene({ONE: RULES, ANY: [rule.replace(" to exposed", "") for rule in RULES]}) as here:
        yield here


@pytest.fixture
def victim(here: AttackScene) -> Pid:
    """A process that nobody shows to the peer."""
    here.bar.eval("whereis(target) =:= undefined andalso probe:start_server(target)")
    here.bar.eval("whereis(victim) =:= undefined orelse exit(whereis(victim), kill)")
    here.bar.wait_until("whereis(victim) =:= undefined")
    here.bar.eval("probe:collector(victim)")
    _, number, serial = here.bar.eval("pid_to_list(whereis(victim))").strip('"<>').split(".")
    return Pid(Atom(here.bar.name), int(number), int(serial), int(here.bar.eval("erlang:system_info(creation)")))


def echoed(c: Connection, guess: Term) -> None:
    assert c.call("target", (Atom("echo"), (1, [guess]))) == (1, [guess])


def crashed(c: Connection, guess: Term) -> None:
    with pytest.raises(LookupError):
        c.call("target", (Atom("nobody_knows_this"), [guess]))


def reason(c: Connection, guess: Term) -> None:
    with pytest.raises(LookupError):
        c.call("target", (Atom("crash"), guess))


def kept(c: Connection, guess: Term) -> None:
    assert c.call("target", (Atom("keep"), guess)) == "ok"
    assert c.call("target", Atom("get")) == guess


def returned(c: Connection, guess: Term) -> None:
    reply = c.erpc("erlang", "hd", [[guess]])
    assert isinstance(reply, tuple)
    assert reply[1:] == (Atom("return"), guess)


def raised(c: Connection, guess: Term) -> None:
    reply = c.erpc("erlang", "hd", [guess])
    assert isinstance(reply, tuple)
    assert reply[1] == "error"


def in_a_key(c: Connection, guess: Term) -> None:
    given = Map(((guess, 1),))
    assert c.call("target", (Atom("echo"), given)) == given


def in_a_tail(c: Connection, guess: Term) -> None:
    given = Improper((1, 2), guess)
    assert c.call("target", (Atom("echo"), given)) == given


def in_a_fragment(c: Connection, guess: Term) -> None:
    """The pid crosses the border between two fragments, on the way there and back."""
    ref = c.ref()
    caller = (c.pid(), alias(ref))
    request = (Atom("$gen_call"), caller, (Atom("echo"), (bytes(100_000), guess)))
    c.send(message(Op.REG_SEND, c.pid(), Atom(""), Atom("target"), payload=request), fragment=61)
    replies = [one.payload for one in c.receive(0.5)]
    assert (alias(ref), (bytes(100_000), guess)) in replies


WAYS: list[Callable[[Connection, Term], None]] = [
    *(echoed, crashed, reason, kept, returned, raised),
    *(in_a_key, in_a_tail, in_a_fragment),
]


@pytest.mark.parametrize("way", WAYS)
def test_where_every_process_is_open_it_is_reached(
    here: AttackScene, victim: Pid, way: Callable[[Connection, Term], None]
) -> None:
    """The control: the same steps, and the pid is the right one."""
    with here.connect(ANY) as peer:
        way(peer, victim)
        peer.send(message(Op.SEND_SENDER, peer.pid(), victim, payload=Atom("reached")))
        assert here.bar.eval("probe:await(victim, 1, 3000)") == "[reached]"


@pytest.mark.parametrize("way", WAYS)
def test_a_pid_that_was_written_and_given_back_is_not_exposed(
    here: AttackScene, victim: Pid, way: Callable[[Connection, Term], None]
) -> None:
    with here.connect(ONE) as peer:
        way(peer, victim)
        here.bar.eval("whereis(target) =:= undefined andalso probe:start_server(target)")
        peer.send(message(Op.SEND_SENDER, peer.pid(), victim, payload=Atom("reached")))
        echoed(peer, 1)
    assert here.bar.eval("probe:got(victim)") == "[]"


def test_an_alias_that_was_written_and_given_back_is_not_exposed(here: AttackScene, victim: Pid) -> None:
    here.bar.eval("probe:do(victim, fun() -> put(alias, alias()) end)")
    text = here.bar.eval("probe:do(victim, fun() -> ref_to_list(get(alias)) end)")
    words = tuple(reversed([int(word) for word in text.strip('"').removeprefix("#Ref<").rstrip(">").split(".")[1:]]))
    guess = Ref(victim.node, victim.creation, words)
    with here.connect(ONE) as peer:
        echoed(peer, guess)
        peer.send(message(Op.ALIAS_SEND, peer.pid(), guess, payload=Atom("reached")))
        echoed(peer, 1)
    assert here.bar.eval("probe:got(victim)") == "[]"


def test_a_claim_holds_on_the_next_channel(here: AttackScene, victim: Pid) -> None:
    with here.connect(ONE) as peer:
        assert peer.call("target", (Atom("keep"), victim)) == "ok"
    with here.connect(ONE) as peer:
        assert peer.call("target", Atom("get")) == victim
        peer.send(message(Op.SEND_SENDER, peer.pid(), victim, payload=Atom("reached")))
        echoed(peer, 1)
    assert here.bar.eval("probe:got(victim)") == "[]"


def test_a_pid_that_was_shown_is_known_on_the_next_channel(here: AttackScene, victim: Pid) -> None:
    """The other side of it: the server keeps a pid of its own accord, shows it, and it is written back."""
    with here.connect(ONE) as peer:
        here.bar.eval("gen_server:call(target, {keep, whereis(victim)})")
        assert peer.call("target", Atom("get")) == victim
        echoed(peer, victim)
    with suppress(TimeoutError):
        here.bar.wait_until(f"not lists:member('{ONE}', nodes(connected))")
    with here.connect(ONE) as peer:
        peer.send(message(Op.SEND_SENDER, peer.pid(), victim, payload=Atom("reached")))
        echoed(peer, 1)
    assert here.bar.eval("probe:got(victim)") == "[reached]"
