"""The exposures of an entry's peers are kept within bounds, and their claims are shared."""

import pytest

from distwall.control import entry_exposures
from distwall.control.entry_exposures import MOST_NAMES, EntryExposures
from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, Op, message
from tests.support.etf import Atom, Term


def nobody(_: str) -> bool:
    return False


def test_a_peer_that_comes_back_finds_what_it_was_shown() -> None:
    entry = EntryExposures(1)
    first = entry.of("one", nobody)
    assert entry.of("two", nobody) is not first
    assert entry.of("one", nobody) is first


def test_names_beyond_the_most_are_forgotten_unless_they_are_connected() -> None:
    entry = EntryExposures(1)
    connected, idle = entry.of("connected", nobody), entry.of("idle", nobody)
    for number in range(2 * MOST_NAMES):
        entry.of(f"name{number}", lambda name: name == "connected")
    assert entry.of("connected", nobody) is connected
    assert entry.of("idle", nobody) is not idle
    assert len(entry._names) == MOST_NAMES == entry_exposures.MOST_NAMES


def test_what_names_without_a_channel_were_shown_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry_exposures, "MOST_SHOWN", 100)
    entry = EntryExposures(1)
    for number in range(50):
        exposures = entry.of(f"name{number}", nobody)
        channel = CoreChannel("accept send", exposures=exposures)
        pids = [channel.guard.pid(10 * number + each) for each in range(10)]
        channel.outbound(message(Op.SEND_SENDER, channel.guard.pid(), channel.peer.pid(), payload=pids))
        assert exposures.shown() >= 10
    kept = [name for name in entry._names if entry._names[name].shown()]
    assert 8 <= len(kept) <= 11
    assert kept[-1] == "name49"


def test_all_names_of_an_entry_share_their_claims() -> None:
    entry = EntryExposures(1)
    one, two = entry.of("one", nobody), entry.of("two", nobody)
    channel = CoreChannel("accept send", exposures=one)
    guess = channel.guard.pid(77)
    channel.office.people = {}
    channel.inbound(message(Op.SEND_SENDER, channel.peer.pid(), channel.guard.pid(78), payload=[guess]))
    assert one.claims() == two.claims() == 1
    for number in range(2 * MOST_NAMES):
        entry.of(f"name{number}", nobody)
    assert entry.of("three", nobody).claims() == 1


def test_one_name_can_use_up_the_claims_of_all_but_what_is_known_still_passes() -> None:
    entry = EntryExposures(1)
    limits = {"claims": 2}
    one = CoreChannel("accept reg_send", exposures=entry.of("one", nobody), limits=limits)
    two = CoreChannel("accept reg_send", exposures=entry.of("two", nobody), limits=limits)
    star = CoreChannel("accept *", exposures=entry.of("three", nobody), limits=limits)
    claimed, known, new = (one.guard.pid(number) for number in (71, 72, 73))
    two.outbound(message(Op.SEND_SENDER, known, two.peer.pid(), payload=known))

    def passes(channel: CoreChannel, written: Term) -> bool:
        sent = message(Op.REG_SEND, channel.peer.pid(), EMPTY, Atom("server"), payload=written)
        return channel.inbound(sent).reasons == []

    assert passes(one, [claimed, one.guard.pid(74)])
    assert [passes(two, written) for written in (new, known, claimed, Atom("nothing"))] == [False, True, True, True]
    assert passes(star, new)
