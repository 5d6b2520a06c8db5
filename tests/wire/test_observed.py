"""What a peer may ask `observer_backend`: how often, and how many processes go on answering it."""

from __future__ import annotations

import pytest

from tests.support.core_channel import CoreChannel, Output
from tests.support.dist import EMPTY, Message, Op, message
from tests.support.etf import Atom, Term

P, G = CoreChannel.peer, CoreChannel.guard
BACKEND, LINK, NORMAL = Atom("observer_backend"), [Atom("link")], Atom("normal")
RULES = ("accept call observer_backend:_/_", "accept send to spawned")


def spawn(word: int, function: str, arguments: list[Term], options: list[Term] | None = None) -> Message:
    mfa = (BACKEND, Atom(function), len(arguments))
    return message(
        Op.SPAWN_REQUEST, P.ref(word), P.pid(), P.pid(), mfa, LINK if options is None else options, payload=arguments
    )


def stream(word: int = 1, options: list[Term] | None = None) -> Message:
    return spawn(word, "fetch_stats", [P.pid(), 1000], options)


def carried(function: str, arguments: list[Term]) -> dict[str, Message]:
    call: list[Term] = [P.ref(7), BACKEND, Atom(function), arguments]
    mfa = (Atom("erpc"), Atom("execute_call"), 4)
    to_rex = (P.pid(), (Atom("call"), BACKEND, Atom(function), arguments, P.pid()))
    return {
        "spawn": spawn(8, function, arguments),
        "erpc": message(Op.SPAWN_REQUEST, P.ref(9), P.pid(), P.pid(), mfa, [Atom("monitor")], payload=call),
        "rex": message(Op.REG_SEND, P.pid(), EMPTY, Atom("rex"), payload=to_rex),
    }


def begun(channel: CoreChannel, word: int = 1) -> None:
    """Starts a stream, whose process has the number ``word``."""
    assert passes(channel.inbound(stream(word)))
    assert channel.outbound(message(Op.SPAWN_REPLY, P.ref(word), P.pid(), 1, G.pid(word))).closed is None


def passes(output: Output) -> bool:
    assert output.closed is None
    return bool(output.forward) and not output.events


@pytest.mark.parametrize("carrier", ["spawn", "erpc", "rex"])
def test_questions_have_a_rate_however_they_arrive(carrier: str) -> None:
    channel = CoreChannel(*RULES, limits={"observer_per_second": 3})
    question = carried("sys_info", [])[carrier]
    assert [passes(channel.inbound(question)) for _ in range(5)] == [True, True, True, False, False]
    assert channel.inbound(question).reasons == ["limit:observer_per_second"]
    others = [passes(channel.inbound(other)) for other in carried("vsn", []).values()]
    assert others == [False] * 3
    channel.now += 0.5
    assert [passes(channel.inbound(question)) for _ in range(3)] == [True, False, False]


def test_without_a_setting_they_have_a_low_rate() -> None:
    channel = CoreChannel(*RULES)
    assert sum(passes(channel.inbound(spawn(1, "procs_info", [P.pid()]))) for _ in range(100)) == 20


def test_other_functions_have_no_part_in_that_rate() -> None:
    channel = CoreChannel("accept call _:_/_", limits={"observer_per_second": 0})
    ask = message(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(), (Atom("observer"), Atom("f"), 0), [], payload=[])
    assert all(passes(channel.inbound(ask)) for _ in range(5))
    assert not passes(channel.inbound(spawn(1, "vsn", [])))
    assert passes(CoreChannel("accept *", limits={"observer_per_second": 0}).inbound(spawn(1, "vsn", [])))


@pytest.mark.parametrize("rules", [RULES, ("accept spawn_request",), ("accept call _:_/_",)])
def test_what_goes_on_answering_has_to_be_linked(rules: tuple[str, ...]) -> None:
    channel = CoreChannel(*rules)
    for one in (stream(options=[]), stream(options=[Atom("monitor")])):
        assert channel.inbound(one).reasons == ["options"]
    for carrier, one in carried("fetch_stats", [P.pid(), 1000]).items():
        assert passes(channel.inbound(one)) is (carrier == "spawn")


def test_the_link_of_what_goes_on_answering_stays() -> None:
    channel = CoreChannel(*RULES, "accept unlink", "accept exit")
    begun(channel)
    unlink = message(Op.UNLINK_ID, 5, P.pid(), G.pid(1))
    refused = channel.inbound(unlink)
    assert (refused.reasons, refused.forward) == (["options"], [])
    assert [one.op for one in refused.back] == [Op.UNLINK_ID_ACK]
    # Of another link, nothing is said.
    begun_by_itself = message(Op.SPAWN_REPLY, P.ref(2), P.pid(), 1, G.pid(2))
    assert passes(channel.inbound(spawn(2, "procs_info", [P.pid()])))
    channel.outbound(begun_by_itself)
    assert passes(channel.inbound(message(Op.UNLINK_ID, 6, P.pid(), G.pid(2))))


@pytest.mark.parametrize(
    "end",
    [
        message(Op.PAYLOAD_EXIT, P.pid(), G.pid(1), payload=NORMAL),
        message(Op.EXIT, P.pid(), G.pid(1), NORMAL),
    ],
)
def test_an_end_that_it_could_ignore_comes_with_another_reason(end: Message) -> None:
    channel = CoreChannel(*RULES)
    begun(channel)
    output = channel.inbound(end)
    assert output.reasons == ["options"]
    (told,) = output.forward
    assert (told.op, told.payload) == (Op.PAYLOAD_EXIT, Atom("not_allowed"))


def test_an_end_with_another_reason_passes() -> None:
    channel = CoreChannel(*RULES)
    begun(channel)
    assert passes(channel.inbound(message(Op.PAYLOAD_EXIT, P.pid(), G.pid(1), payload=Atom("shutdown"))))


def ended_by_itself(channel: CoreChannel) -> Output:
    return channel.outbound(message(Op.PAYLOAD_EXIT, G.pid(1), P.pid(), payload=NORMAL))


def told_to_stop(channel: CoreChannel) -> Output:
    return channel.inbound(message(Op.SEND_SENDER, P.pid(), G.pid(1), payload=Atom("exit")))


def asker_ended(channel: CoreChannel) -> Output:
    return channel.inbound(message(Op.PAYLOAD_EXIT, P.pid(), G.pid(1), payload=Atom("killed")))


def asker_ended_normally(channel: CoreChannel) -> Output:
    return channel.inbound(message(Op.PAYLOAD_EXIT, P.pid(), G.pid(1), payload=NORMAL))


def nothing(channel: CoreChannel) -> Output:
    return channel.outbound(message(Op.PAYLOAD_EXIT, G.pid(9), P.pid(), payload=NORMAL))


@pytest.mark.parametrize(
    ("ends", "free"),
    [(ended_by_itself, 1), (told_to_stop, 1), (asker_ended, 1), (asker_ended_normally, 1), (nothing, 0)],
)
def test_so_many_go_on_answering_at_once(ends: object, free: int) -> None:
    channel = CoreChannel(*RULES, limits={"observer_streams": 3, "observer_per_second": 1000})
    for word in (1, 2, 3):
        begun(channel, word)
    assert channel.inbound(stream(4)).reasons == ["limit:observer_streams"]
    assert passes(channel.inbound(spawn(5, "vsn", [])))
    assert callable(ends)
    ends(channel)
    assert [passes(channel.inbound(stream(word))) for word in (6, 7)] == [bool(free), False]


def test_what_failed_to_start_has_no_place() -> None:
    channel = CoreChannel(*RULES, limits={"observer_streams": 1})
    assert passes(channel.inbound(stream(1)))
    assert not passes(channel.inbound(stream(2)))
    channel.outbound(message(Op.SPAWN_REPLY, P.ref(1), P.pid(), 0, Atom("system_limit")))
    assert passes(channel.inbound(stream(3)))
