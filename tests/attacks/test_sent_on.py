"""A server that sends on what it gets opens nothing: what a peer has written stays the peer's.

A hub is such a server: it sends each message that is published to all who have subscribed.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from distwall._core import DistFlag
from tests.support.attack_scene import HIDDEN, AttackScene
from tests.support.dist import EMPTY, Message, Op, message
from tests.support.etf import Atom, Pid, Ref, Term, alias
from tests.support.raw_peer import Connection

ONE = "one@127.0.0.1"
RULES = ["deny *", "accept ping", "accept gen_server hub"]
EXPOSED = "exposed@127.0.0.1"
CROWD = "crowd*@127.0.0.1"

HUB = """register(hub, spawn(fun() -> (fun Loop(All) -> receive
    {'$gen_call', {Pid, _} = From, {subscribe, To}} -> gen_server:reply(From, Pid), Loop([To | All]);
    {'$gen_call', From, {publish, Message}} -> [To ! Message || To <- All], gen_server:reply(From, ok), Loop(All);
    _ -> Loop(All) end end)([]) end))"""


@pytest.fixture(scope="module")
def scene() -> Iterator[AttackScene]:
    more = ["accept send to exposed", "accept alias_send to exposed"]
    with AttackScene({ONE: RULES, EXPOSED: [*RULES, *more], CROWD: [*RULES, *more]}) as made:
        made.bar.eval(f"{HUB}, probe:collector(victim)")
        yield made


@pytest.fixture
def victim(scene: AttackScene) -> str:
    """A process that no rule opens, with an empty mailbox."""
    scene.bar.eval("exit(whereis(victim), kill)")
    scene.bar.wait_until("whereis(victim) =:= undefined")
    return scene.bar.eval("probe:collector(victim), ok")


def pid(scene: AttackScene, peer: Connection, name: str) -> Pid:
    _, number, serial = scene.bar.eval(f"pid_to_list(whereis({name}))").strip('"<>').split(".")
    return peer.their_pid(int(number), int(serial))


def made_up(peer: Connection) -> Ref:
    return Ref(peer.peer, peer.peer_creation, (1, 2, 3))


def tag_of(asked: Message) -> Any:
    """The tag of a call."""
    payload: Any = asked.payload
    return payload[1][1]


def publish(peer: Connection, content: Term, to: Term = None) -> None:
    """Has the hub send that to the peer."""
    assert peer.call("hub", (Atom("subscribe"), peer.pid() if to is None else to)) == peer.pid()
    assert peer.call("hub", (Atom("publish"), content)) == "ok"


def send(peer: Connection, to: Pid, payload: Term) -> Message:
    return message(Op.SEND_SENDER, peer.pid(), to, payload=payload)


QUESTIONS: dict[str, tuple[Callable[[Pid, Ref], Term], Callable[[Ref], Term]]] = {
    "a call": (lambda to, ref: (Atom("$gen_call"), (to, ref), 1), lambda ref: (ref, Atom("reached"))),
    "a call by alias": (lambda to, ref: (Atom("x"), (to, alias(ref)), 1), lambda ref: (alias(ref), Atom("reached"))),
    "a system message": (lambda to, ref: (Atom("system"), (to, ref), 1), lambda ref: (ref, Atom("reached"))),
    "an io request": (
        lambda to, ref: (Atom("io_request"), to, ref, 1),
        lambda ref: (Atom("io_reply"), ref, Atom("reached")),
    ),
    "a file request": (
        lambda to, ref: (Atom("file_request"), to, ref, 1),
        lambda ref: (Atom("file_reply"), ref, Atom("reached")),
    ),
}


@pytest.mark.parametrize("kind", QUESTIONS)
def test_a_question_that_is_only_sent_on_opens_no_answer(scene: AttackScene, victim: str, kind: str) -> None:
    assert victim == "ok"
    question, answer = QUESTIONS[kind]
    with scene.connect(ONE) as peer:
        to, ref = pid(scene, peer, "victim"), made_up(peer)
        publish(peer, question(to, ref))
        peer.send(send(peer, to, answer(ref)))
        assert peer.call("hub", (Atom("publish"), 1)) == "ok"
    assert scene.bar.eval("probe:got(victim)") == "[]"


@pytest.mark.parametrize("word", ["features_request", "call"])
def test_nor_does_a_request_to_rex(scene: AttackScene, victim: str, word: str) -> None:
    assert victim == "ok"
    with scene.connect(ONE) as peer:
        to = pid(scene, peer, "victim")
        request: Term = (
            Atom(word) if word == "features_request" else (Atom(word), Atom("m"), Atom("f"), [], Atom("user"))
        )
        publish(peer, (to, request), to=(Atom("rex"), peer.name))
        peer.send(send(peer, to, (Atom("rex"), Atom("reached"))))
        peer.send(send(peer, to, (Atom("features_reply"), peer.name, [])))
        assert peer.call("hub", (Atom("publish"), 1)) == "ok"
    assert scene.bar.eval("probe:got(victim)") == "[]"


def test_a_process_of_otps_does_not_end_over_it(scene: AttackScene) -> None:
    """``pg`` ends at a message that it does not know."""
    scene.bar.eval("is_pid(whereis(pg)) orelse begin {ok, P} = pg:start(pg), unlink(P) end")
    before = scene.bar.eval("pid_to_list(whereis(pg))")
    with scene.connect(ONE) as peer:
        to, ref = pid(scene, peer, "pg"), made_up(peer)
        publish(peer, (Atom("$gen_call"), (to, ref), 1))
        peer.send(send(peer, to, (ref, Atom("unknown"))))
        assert peer.call("hub", (Atom("publish"), 1)) == "ok"
    assert scene.bar.eval("pid_to_list(whereis(pg))") == before


def test_a_reference_that_the_peer_made_up_is_no_question_of_the_server_itself(scene: AttackScene) -> None:
    behind = len(scene.wall.events("refused"))
    with scene.connect(ONE) as peer:
        hub, ref = pid(scene, peer, "hub"), made_up(peer)
        publish(peer, (Atom("$gen_call"), (hub, ref), 1))
        peer.send(send(peer, hub, (ref, Atom("reached"))))
        scene.wall.wait_event("refused", behind=behind, peer=ONE, command="send", reason="rule")


def test_an_alias_stays_its_processs(scene: AttackScene, victim: str) -> None:
    """A process of OTP's shows an alias; an echo puts a user's process beside it."""
    assert victim == "ok"
    shows = f"A = alias(), {{nobody, '{EXPOSED}'}} ! {{'$gen_call', {{self(), [alias | A]}}, hello}}"
    with scene.connect(EXPOSED) as peer:
        scene.bar.eval(f"probe:do(victim, fun() -> group_leader(whereis(init), self()), {shows} end)")
        shown = tag_of(peer.wait_for(Op.REG_SEND)).tail
        for user in ("hub", "probe_control"):
            publish(peer, (Atom("x"), (pid(scene, peer, user), alias(shown)), 1))
            peer.send(message(Op.ALIAS_SEND, peer.pid(), shown, payload=Atom("reached")))
            assert peer.call("hub", (Atom("publish"), 1)) == "ok"
    assert scene.bar.eval("probe:got(victim)") == "[]"


@pytest.mark.parametrize("kind", QUESTIONS)
def test_an_alias_that_the_peer_was_shown_opens_no_answer_for_another(
    scene: AttackScene, victim: str, kind: str
) -> None:
    """The question is the hub's own, but the alias in it is not."""
    assert victim == "ok"
    question, _ = QUESTIONS[kind]
    with scene.connect(ONE) as peer:
        scene.bar.eval(f"probe:do(victim, fun() -> {{nobody, '{ONE}'}} ! {{here, alias()}} end)")
        payload: Any = peer.wait_for(Op.REG_SEND).payload
        shown = payload[1]
        publish(peer, question(pid(scene, peer, "hub"), shown))
        for tag in (shown, alias(shown)):
            peer.send(message(Op.ALIAS_SEND, peer.pid(), shown, payload=(tag, Atom("reached"))))
        assert peer.call("hub", (Atom("publish"), 1)) == "ok"
    assert scene.bar.eval("probe:got(victim)") == "[]"


def test_a_peer_that_is_not_told_who_sends_may_answer(scene: AttackScene) -> None:
    """C nodes are such peers."""
    with scene.connect(ONE, flags=HIDDEN & ~DistFlag.SEND_SENDER) as peer:
        publish(peer, Atom("first"))
        name = f'binary_to_term(<<131, 88, 100, {len(ONE)}:16, "{ONE}", {peer.pid().id}:32, 0:32, {peer.creation}:32>>)'
        asking = scene.bar.begin(f"gen_server:call({name}, hello, 5000)")
        asked = peer.wait_for(Op.SEND)
        while not isinstance(asked.payload, tuple):
            asked = peer.wait_for(Op.SEND)
        payload: Any = asked.payload
        asker, tag = payload[1]
        peer.send(message(Op.SEND, EMPTY, asker, payload=(tag, Atom("answer"))))
        assert asking.result() == "answer"


def test_a_server_still_gets_answers_to_its_own_questions(scene: AttackScene) -> None:
    with scene.connect(ONE) as peer:
        asking = scene.bar.begin(f"gen_server:call({{somebody, '{ONE}'}}, hello, 5000)")
        tag = tag_of(peer.wait_for(Op.REG_SEND))
        peer.send(message(Op.ALIAS_SEND, peer.pid(), tag.tail, payload=(tag, Atom("answer"))))
        assert asking.result() == "answer"


@pytest.mark.parametrize("first", ["crowd1", "exposed"])
def test_a_guess_that_one_name_of_an_entry_writes_is_not_exposed_to_another(
    scene: AttackScene, victim: str, first: str
) -> None:
    """A cookie for a glob is one for many names. Peers of two entries are two parties, and rules say who is reached."""
    assert victim == "ok"
    with scene.connect(f"{first}@127.0.0.1") as writer, scene.connect("crowd2@127.0.0.1") as reader:
        to = pid(scene, writer, "victim")
        publish(reader, 1)
        assert writer.call("hub", (Atom("publish"), to)) == "ok"
        assert to in [one.payload for one in reader.receive(0.5)]
        reader.send(send(reader, to, Atom("reached")))
        assert reader.call("hub", (Atom("publish"), 1)) == "ok"
    assert scene.bar.eval("probe:got(victim)") == ("[]" if first == "crowd1" else "[reached]")
