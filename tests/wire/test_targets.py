"""What an event prints as its target can be pasted into a rule, and means the same there."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distwall import _core
from distwall.policy import Origin
from distwall.policy.language.ranking import rank
from distwall.policy.language.rules import make_rule, to_core
from tests.support.core_channel import CoreChannel
from tests.support.dist import EMPTY, OTP_28, Message, Op, message
from tests.support.etf import Atom, Pid, Ref
from tests.support.policies import PATH

P, G = CoreChannel.peer, CoreChannel.guard
NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["", "end", "_", "*", "a*", "Ab", "'", "\\", "a\nb", "123", "ключ", "\x00", "😀", "<0.1.0>", "to", "when"]
)
WORDS = st.integers(0, 2**32 - 1)
NUMBERS = st.integers(0, 2**28 - 1)


def pastes(command: str, sent: Message) -> None:
    """Assert that the printed target, pasted into a rule, makes this rule decide about the same message."""
    channel = CoreChannel("deny *", flags=OTP_28, release=28)
    (event,) = channel.inbound(sent).events
    assert event[1] == command
    target = event[2]
    assert target is not None
    if target.startswith("init <"):
        # The process and the name that it is known by are two keys.
        target = target.removeprefix("init ")
    rule = make_rule(7, f"drop {command} {target}", Origin(PATH, 1, 1), "run time", run_time=True)
    channel.core.set_policy(_core.PeerRules(to_core(rank([[rule]], ()).layers)))
    (event,) = channel.inbound(sent).events
    assert event[3:6] == ("drop", 7, "rule")


@settings(max_examples=300, deadline=None, derandomize=True)
@given(NAMES)
def test_a_name(name: str) -> None:
    pastes("reg_send", message(Op.REG_SEND, P.pid(), EMPTY, Atom(name), payload=1))
    pastes("monitor", message(Op.MONITOR_P, P.pid(), Atom(name), P.ref()))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(NAMES, NAMES, st.integers(0, 255))
def test_a_function(module: str, name: str, arity: int) -> None:
    mfa = (Atom(module), Atom(name), arity)
    pastes(
        "spawn_request",
        message(Op.SPAWN_REQUEST, P.ref(), P.pid(), P.pid(), mfa, [], payload=[1] * arity),
    )


@settings(max_examples=100, deadline=None, derandomize=True)
@given(NUMBERS, WORDS)
def test_a_process(number: int, serial: int) -> None:
    pastes("send", message(Op.SEND_SENDER, P.pid(), Pid(G.name, number, serial, G.creation), payload=1))
    pastes("link", message(Op.LINK, P.pid(), Pid(G.name, number, serial, G.creation)))


@pytest.mark.parametrize("length", [3, 5])
@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.data())
def test_an_alias(length: int, data: st.DataObject) -> None:
    words = (data.draw(st.integers(0, 2**18 - 1)), *data.draw(st.tuples(*[WORDS] * (length - 1))))
    pastes("alias_send", message(Op.ALIAS_SEND, P.pid(), Ref(G.name, G.creation, words), payload=1))
