"""Messages of the right shape that end a scope of `pg` of OTP 25 to 28 without distwall, and none through it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.attack_scene import OPEN, AttackScene
from tests.support.dist import Op, message
from tests.support.etf import Atom, Map, Pid, Term
from tests.support.node import Node
from tests.support.raw_peer import Connection

A = Atom
SCOPE = "{ok, Scope} = pg:start(patients), persistent_term:put(patients, Scope)"
ENDED = "whereis(patients) =/= persistent_term:get(patients)"
OWN = "spawn(fun() -> timer:sleep(infinity) end)"


class Scopes:
    """A peer whose scopes the guarded node's scope knows."""

    def __init__(self, peer: Connection, bar: Node) -> None:
        self.peer, self.bar = peer, bar
        self.target, self.monitor = self.meet()

    def meet(self, number: int = 100) -> tuple[Pid, Term]:
        """Has a scope of the peer found; returns the guarded node's, and its monitor."""
        self.peer.reg_send("patients", (A("discover"), self.peer.pid(number)))
        monitor = self.peer.wait_for(Op.MONITOR_P).args
        assert isinstance(monitor["from"], Pid)
        return monitor["from"], monitor["ref"]

    def tell(self, *said: Term) -> None:
        for one in said:
            self.peer.send(message(Op.SEND_SENDER, self.peer.pid(), self.target, payload=one))

    def sync(self, *groups: tuple[Term, list[Term]], scope: int = 100) -> Term:
        return A("$gen_cast"), (A("sync"), self.peer.pid(scope), list(groups))

    def join(self, group: Term, *members: int, scope: int = 100) -> Term:
        return A("join"), self.peer.pid(scope), group, [self.peer.pid(number) for number in members]

    def leave(self, groups: list[Term], *members: int, scope: int = 100) -> Term:
        return A("leave"), self.peer.pid(scope), [self.peer.pid(number) for number in members], groups

    def discover(self) -> Term:
        return A("discover"), self.peer.pid()


G: Term = A("group")
NEGATIVE = -0.0


def never_joined(of: Scopes) -> None:
    of.tell(of.leave([G], 1))


def left_twice(of: Scopes) -> None:
    of.tell(of.join(G, 1), of.leave([G], 1), of.leave([G], 1))


def named_twice(of: Scopes) -> None:
    of.tell(of.join(G, 1), of.leave([G, G], 1))


def left_by_name(of: Scopes) -> None:
    of.peer.reg_send("patients", of.leave([G], 1))


def synced_away(of: Scopes) -> None:
    of.tell(of.join(G, 1), of.sync((A("other"), [of.peer.pid(1)])), of.leave([G], 1))


def synced_away_by_name(of: Scopes) -> None:
    of.tell(of.join(G, 1))
    of.peer.reg_send("patients", of.sync())
    of.tell(of.leave([G], 1))


def without_members(of: Scopes, empty: Term) -> None:
    of.tell(empty)
    of.bar.eval(f"timer:sleep(300), (fun(P) -> pg:join(patients, group, P), pg:leave(patients, group, P) end)({OWN})")
    of.tell(of.sync((G, [of.peer.pid(1)])))


def synced_without_members(of: Scopes) -> None:
    without_members(of, of.sync((G, [])))


def joined_without_members(of: Scopes) -> None:
    without_members(of, of.join(G))


def taken_from_another_scope(of: Scopes) -> None:
    """The process is in the group by two scopes of the peer; it leaves one of them twice."""
    of.meet(200)
    of.tell(of.join(G, 1), of.join(G, 1, scope=200), of.leave([G], 1, 1), of.sync((G, [of.peer.pid(2)]), scope=200))


def forgotten(of: Scopes) -> None:
    """The scope of the peer seems to end, and is found again."""
    of.tell(of.join(G, 1))
    of.peer.send(message(Op.MONITOR_P_EXIT, of.peer.pid(), of.target, of.monitor, A("noproc")))
    of.tell(of.discover(), of.leave([G], 1))


def two_zeros(of: Scopes) -> None:
    """Both are one group before OTP 27."""
    of.tell(of.join(0.0, 1), of.join(NEGATIVE, 1), of.leave([0.0], 1, 1), of.leave([NEGATIVE], 1))


def started_again(of: Scopes) -> None:
    of.tell(of.join(G, 1))
    of.bar.wait_until("pg:get_members(patients, group) =/= []")
    of.bar.eval(f"gen_server:stop(patients), {SCOPE}")
    of.target = of.meet()[0]
    of.tell(of.leave([G], 1))


def started_again_and_found_by_name(of: Scopes) -> None:
    of.tell(of.join(G, 1))
    of.bar.wait_until("pg:get_members(patients, group) =/= []")
    of.bar.eval(f"gen_server:stop(patients), {SCOPE}")
    of.peer.reg_send("patients", of.discover())
    of.peer.reg_send("patients", of.leave([G], 1))


def local_data(of: Scopes) -> None:
    """A message of OTP 29."""
    of.tell((A("$gen_cast"), (A("local_data"), of.peer.pid(), 1, Map(()))))


def update(of: Scopes) -> None:
    """A message of OTP 29."""
    of.tell((A("update"), of.peer.pid(), []))


ATTACKS = [
    never_joined,
    left_twice,
    named_twice,
    left_by_name,
    synced_away,
    synced_away_by_name,
    synced_without_members,
    joined_without_members,
    taken_from_another_scope,
    forgotten,
    two_zeros,
    started_again,
    started_again_and_found_by_name,
    local_data,
    update,
]


def is_ended(attack: Callable[[Scopes], None], *, direct: bool) -> bool:
    """True if the scope ends; through distwall, something has to be refused."""
    with AttackScene(None if direct else {OPEN: ["deny *", "accept pg patients"]}) as scene, scene.connect() as peer:
        bar = scene.bar
        if bar.number("list_to_integer(erlang:system_info(otp_release))") >= 27:
            pytest.skip("some of it is for OTP 25 and 26 only")
        bar.eval(SCOPE)
        attack(Scopes(peer, bar))
        if not direct:
            assert scene.told("")
        return bar.eval(f"probe:until(fun() -> {ENDED} end, {5000 if direct else 500})") == "true"


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_scope_does_not_end(attack: Callable[[Scopes], None]) -> None:
    assert is_ended(attack, direct=True)
    assert not is_ended(attack, direct=False)


def test_a_scope_does_not_end_on_the_greeting_of_otp_29() -> None:
    """By itself it does, before OTP 26."""

    def greet(peer: Connection, bar: Node) -> None:
        bar.eval(SCOPE)
        peer.reg_send("patients", (A("discover"), peer.pid(), 1))

    with AttackScene(None) as scene, scene.connect() as peer:
        greet(peer, scene.bar)
        if scene.bar.number("list_to_integer(erlang:system_info(otp_release))") < 26:
            scene.bar.wait_until(ENDED)
    with AttackScene({OPEN: ["deny *", "accept pg patients"]}) as scene, scene.connect() as peer:
        greet(peer, scene.bar)
        of = Scopes(peer, scene.bar)
        of.tell((A("discover"), peer.pid(), 1), of.join(G, 1))
        scene.bar.wait_until("pg:get_members(patients, group) =/= []")
        assert scene.bar.eval(ENDED) == "false"


def test_the_peer_still_joins_and_leaves_after_all_attacks() -> None:
    with AttackScene({OPEN: ["deny *", "accept pg patients"]}) as scene, scene.connect() as peer:
        scene.bar.eval(SCOPE)
        of = Scopes(peer, scene.bar)
        for attack in ATTACKS:
            if not attack.__name__.startswith("started_again"):
                attack(of)
        of.tell(of.discover(), of.join(A("last"), 1, 2), of.leave([A("last")], 1, 1, 3))
        scene.bar.wait_until("length(pg:get_members(patients, last)) =:= 1")
        of.tell(of.leave([A("last")], 2))
        scene.bar.wait_until("pg:get_members(patients, last) =:= []")
        assert scene.bar.eval(ENDED) == "false"


def test_no_process_stays_in_a_group_when_its_peer_has_gone() -> None:
    """Its scope said twice who is in the group, in one message."""
    with AttackScene({OPEN: ["deny *", "accept pg patients"]}) as scene:
        scene.bar.eval(SCOPE)
        with scene.connect() as peer:
            of = Scopes(peer, scene.bar)
            of.tell(of.sync((G, [peer.pid(1)]), (G, [peer.pid(2)])), of.join(A("last"), 1))
            scene.bar.wait_until("pg:get_members(patients, last) =/= []")
        scene.bar.wait_until("nodes(connected) =:= []")
        scene.bar.wait_until("pg:which_groups(patients) =:= []")
