"""Which unproved handshake reaches the guarded node when."""

from typing import Any

from distwall.handshake import Admission, Ticket
from distwall.handshake.admission import (
    FAILURES_PER_NAME,
    FAILURES_PER_SOURCE,
    FORGET_FAILURES,
    FREE_FAILURES,
    GRACE,
    MAX_DELAY,
    MAX_REMEMBERED,
    MAX_SHUT_OUT,
    NAME_REFILL,
    NAMES_PER_SOURCE,
    NAMES_TOTAL,
    TURNED_AWAY,
    TURNED_AWAY_FOR,
    TURNED_AWAY_REFILL,
)

KEY = ("bar", "foo@h")


def ask(admission: Admission, now: float, source: str = "peer", name: str = "foo@h", **options: Any) -> Ticket:
    ticket = admission.request(source, "bar", name, now, **options)
    assert ticket is not None
    return ticket


def fail(admission: Admission, source: str, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        admission.failed(source, now)


def test_one_is_admitted_at_a_time_and_then_the_next() -> None:
    admission = Admission()
    first = ask(admission, 0.0)
    assert admission.next(KEY, 0.0).start is first
    second = ask(admission, 0.1)
    assert admission.next(KEY, 0.1).wake_at == GRACE
    admission.finished(first)
    assert admission.next(KEY, 0.2).start is second
    admission.finished(second)
    assert admission._slots == {}


def test_names_and_guarded_nodes_do_not_wait_for_each_other() -> None:
    admission = Admission()
    assert admission.next(KEY, 0.0).start is None
    for name in ("foo@h", "goo@h"):
        ticket = ask(admission, 0.0, name=name)
        assert admission.next(("bar", name), 0.0).start is ticket
    other = admission.request("peer", "baz", "foo@h", 0.0)
    assert admission.next(("baz", "foo@h"), 0.0).start is other


def test_the_newest_takes_the_place_of_one_that_had_its_time() -> None:
    admission = Admission()
    held = ask(admission, 0.0, "stranger")
    admission.next(KEY, 0.0)
    old, new = ask(admission, 0.1), ask(admission, 0.2)
    assert admission.next(KEY, 0.2).wake_at == GRACE
    assert admission.next(KEY, GRACE).abort is held
    assert admission.next(KEY, GRACE).abort is None, "once is enough"
    admission.finished(held)
    assert admission.next(KEY, GRACE).start is new
    admission.finished(old)
    admission.finished(new)
    assert admission._slots == {}


def test_a_source_that_proved_the_name_before_comes_before_strangers_from_anywhere() -> None:
    admission = Admission()
    before = ask(admission, 0.0, "peer")
    admission.next(KEY, 0.0)
    admission.proved(before)
    admission.finished(before)
    fail(admission, "peer", 1)
    held = ask(admission, 1.0, "stranger 0")
    admission.next(KEY, 1.0)
    peer = ask(admission, 1.01, "peer")
    strangers = [ask(admission, 1.02, f"stranger {number}") for number in range(1, 50)]
    assert admission.next(KEY, 1.02).abort is held
    admission.finished(held)
    assert admission.next(KEY, 1.02).start is peer
    assert admission.next(KEY, 9.0).abort is peer, "that it proved the name once keeps it no longer than others"
    assert all(not stranger.aborted for stranger in strangers)


def test_a_source_that_failed_less_does_not_wait() -> None:
    admission = Admission()
    fail(admission, "stranger", 1)
    held = ask(admission, 0.0, "stranger")
    admission.next(KEY, 0.0)
    peer = ask(admission, 0.01, "peer")
    ask(admission, 0.02, "stranger")
    assert admission.next(KEY, 0.02).abort is held
    admission.finished(held)
    assert admission.next(KEY, 0.02).start is peer, "the newer one is more suspect"


def test_a_proved_handshake_is_left_alone() -> None:
    admission = Admission()
    held = ask(admission, 0.0)
    admission.next(KEY, 0.0)
    admission.proved(held)
    waiting = ask(admission, 0.1)
    step = admission.next(KEY, 10.0)
    assert (step.start, step.abort, step.wake_at) == (None, None, None)
    admission.finished(held)
    assert admission.next(KEY, 10.0).start is waiting


def test_failing_sources_wait_longer_and_longer() -> None:
    admission = Admission()
    fail(admission, "stranger", FREE_FAILURES - 1)
    assert ask(admission, 0.0, "stranger").not_before == 0.0
    waits = []
    for _ in range(30):
        fail(admission, "stranger", 1)
        waits.append(ask(admission, 0.0, "stranger").not_before)
    assert waits == sorted(waits)
    assert 0.0 < waits[0] < waits[1] < waits[-1] == MAX_DELAY
    assert ask(admission, 0.0, "peer").not_before == 0.0
    assert ask(admission, FORGET_FAILURES, "stranger").not_before == FORGET_FAILURES, "forgiven"


def test_a_delayed_handshake_is_started_when_its_time_comes() -> None:
    admission = Admission()
    fail(admission, "stranger", 50)
    ticket = ask(admission, 0.0, "stranger")
    assert admission.next(KEY, 0.0).wake_at == MAX_DELAY
    assert admission.next(KEY, MAX_DELAY).start is ticket


def test_success_clears_a_source() -> None:
    admission = Admission()
    fail(admission, "peer", 50)
    admission.proved(ask(admission, 0.0))
    assert ask(admission, 0.0).not_before == 0.0


def test_the_real_peer_gets_in_beside_a_flood_from_its_own_address() -> None:
    """Twenty strangers at a time, under the peer's name and from its address, each holding on as long as it can."""
    admission = Admission()
    now, started_at = 0.0, None
    strangers = [ask(admission, now) for _ in range(20)]
    held = admission.next(KEY, now).start
    peer = ask(admission, 0.1)
    while started_at is None and now < 7.0:
        now += 0.01
        step = admission.next(KEY, now)
        if step.start is peer:
            started_at = now
        elif step.start is not None:
            held = step.start
        elif step.abort is not None:
            assert step.abort is held
            admission.failed("peer", now)
            admission.finished(step.abort)
            strangers.append(ask(admission, now + 0.005))
    assert started_at is not None
    assert started_at < 2.0


# === shut out ===


def guess(admission: Admission, now: float, source: str = "stranger", name: str = "foo@h") -> bool:
    """Tries a wrong cookie, if admission lets it."""
    if admission.is_shut_out(source, now) or admission.is_shut_out(source, now, name):
        return False
    admission.failed(source, now, name)
    return True


def test_a_source_has_so_many_guesses_a_minute_at_a_name() -> None:
    admission = Admission()
    assert [guess(admission, 0.0) for _ in range(FAILURES_PER_NAME)] == [True] * FAILURES_PER_NAME
    assert not guess(admission, 0.0)
    minutes = 10
    guesses = sum(guess(admission, tick / 10) for tick in range(600 * minutes))
    assert abs(guesses - minutes * FAILURES_PER_NAME) <= 1, "however often it tries"


def test_no_other_source_and_no_other_name_is_shut_out() -> None:
    """A node with a wrong cookie tries again and again; another node runs on its host."""
    admission = Admission()
    for tick in range(3600):
        guess(admission, tick / 10, "host", "misconfigured@host")
        assert not admission.is_shut_out("host", tick / 10)
        assert not admission.is_shut_out("host", tick / 10, "foo@host")
        assert not admission.is_shut_out("peer", tick / 10, "misconfigured@host")
    guess(admission, 360.0, "host", "misconfigured@host")
    assert admission.is_shut_out("host", 360.0, "misconfigured@host")


def test_whoever_mends_its_cookie_gets_in_within_seconds_and_is_forgiven() -> None:
    admission = Admission()
    for tick in range(601):
        guess(admission, tick / 10)
    assert admission.is_shut_out("stranger", 60.0, "foo@h")
    now = 60.0 + 60.0 / FAILURES_PER_NAME
    assert not admission.is_shut_out("stranger", now, "foo@h")
    admission.proved(ask(admission, now, "stranger"))
    assert [guess(admission, now) for _ in range(FAILURES_PER_NAME)] == [True] * FAILURES_PER_NAME


def test_a_peer_with_one_cookie_gains_no_guesses_at_another() -> None:
    admission = Admission()
    guesses = 0
    for tick in range(600):
        guesses += guess(admission, tick / 10, "client", "admin@h")
        admission.proved(ask(admission, tick / 10, "client", "client@h"))
    assert guesses <= 2 * FAILURES_PER_NAME


def test_a_source_that_fails_under_many_names_or_none_is_shut_out_altogether() -> None:
    for names in (["a@h", *(f"n{number}@h" for number in range(50))], [None]):
        admission = Admission()
        for number in range(FAILURES_PER_SOURCE):
            assert not admission.is_shut_out("stranger", 0.0)
            admission.failed("stranger", 0.0, names[number % len(names)])
        assert admission.is_shut_out("stranger", 0.0)
        assert admission.is_shut_out("stranger", 0.0, "fresh@h")
        assert not admission.is_shut_out("peer", 0.0)
        assert not admission.is_shut_out("stranger", 1.0)


def test_whoever_has_proved_a_name_from_there_is_not_shut_out_with_its_neighbours() -> None:
    """Any host of an IPv6 network of 64 bits is the same source, and can fail as fast as it likes."""
    admission = Admission()
    admission.proved(ask(admission, 0.0, "network"))
    fail(admission, "network", 5 * FAILURES_PER_SOURCE)
    assert not admission.is_shut_out("network", 0.0)
    assert not admission.is_shut_out("network", 0.0, "foo@h")
    assert admission.is_shut_out("network", 0.0, "other@h")
    assert not admission.is_shut_out_of_tls("network", 0.0)
    for _ in range(FAILURES_PER_NAME):
        admission.failed("network", 1.0, "foo@h")
    assert admission.is_shut_out("network", 1.0, "foo@h"), "its own name has its own budget"


def test_tls_handshakes_that_fail_shut_out_of_tls_alone() -> None:
    admission = Admission()
    admission.proved(ask(admission, 0.0, "network"))
    for _ in range(FAILURES_PER_SOURCE):
        assert not admission.is_shut_out_of_tls("network", 0.0)
        admission.failed("network", 0.0, tls=True)
    assert admission.is_shut_out_of_tls("network", 0.0), "they take much CPU time, whoever has proved a name from there"
    assert not admission.is_shut_out("network", 0.0)
    assert not admission.is_shut_out("network", 0.0, "other@h")


def test_a_health_check_shuts_nobody_out() -> None:
    admission = Admission()
    for second in range(3600):
        admission.failed("host", float(second))
        assert not admission.is_shut_out("host", float(second), "foo@host")


def test_nobody_is_shut_out_for_longer_than_a_minute() -> None:
    """Also after many failures at once, of handshakes that were under way together."""
    for name in ("foo@h", None):
        admission = Admission()
        for _ in range(5 * FAILURES_PER_SOURCE):
            admission.failed("stranger", 0.0, name)
        assert admission.is_shut_out("stranger", MAX_SHUT_OUT - 1, name)
        assert not admission.is_shut_out("stranger", MAX_SHUT_OUT, name)


def turn_away(admission: Admission, name: str, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        admission.turned_away("host", now, name)


def test_a_source_whose_peers_are_turned_away_is_shut_out_until_it_pauses() -> None:
    admission = Admission()
    admission.proved(ask(admission, 0.0, "host"))
    turn_away(admission, "foo@h", TURNED_AWAY - 1)
    assert not admission.is_shut_out("host", 0.0)
    turn_away(admission, "foo@h", 5 * TURNED_AWAY)
    assert admission.is_shut_out("host", 0.0)
    assert not admission.is_shut_out("peer", 0.0)
    assert not admission.is_shut_out("host", 1.01 * TURNED_AWAY_REFILL), "a moment, however many they were"


def test_a_stranger_under_the_name_of_a_peer_that_is_turned_away_is_shut_out() -> None:
    admission = Admission()
    admission.proved(ask(admission, 0.0, "peer"))
    turn_away(admission, "foo@h", TURNED_AWAY)
    assert admission.is_shut_out("host", 0.0)
    assert not admission.is_shut_out("peer", 0.0)


def test_a_peer_that_was_not_turned_away_is_not_shut_out_with_its_neighbours() -> None:
    admission = Admission()
    for name in ("foo@h", "other@h"):
        admission.proved(ask(admission, 0.0, "host", name))
    turn_away(admission, "foo@h", 5 * TURNED_AWAY)
    assert not admission.is_shut_out("host", 0.0)
    turn_away(admission, "other@h", 1)
    assert admission.is_shut_out("host", 0.0), "none of them may come now"
    turn_away(admission, "foo@h", TURNED_AWAY, TURNED_AWAY_FOR)
    assert not admission.is_shut_out("host", TURNED_AWAY_FOR), "it may have room again"


def test_what_is_remembered_of_sources_is_bounded() -> None:
    admission = Admission()
    for number in range(MAX_REMEMBERED + 100):
        admission.proved(ask(admission, 0.0, f"peer{number // 2}", f"foo{number}@h"))
    assert len(admission._proved) == MAX_REMEMBERED
    assert sum(map(len, admission._sources_proved.values())) == MAX_REMEMBERED
    assert "peer0" not in admission._sources_proved
    for number in range(MAX_REMEMBERED + 100):
        admission.failed(f"stranger{number}", 0.0, "foo@h")
        admission.turned_away(f"peer{number}", 0.0, f"foo{number}@h")
        admission.turned_away(f"peer{number // 2}", 0.0, f"foo{number}@h")
    assert len(admission._turned_away) == MAX_REMEMBERED
    assert len(admission._names_turned_away) <= MAX_REMEMBERED
    assert len(admission._failures) == MAX_REMEMBERED
    assert len(admission._by_source._buckets) == len(admission._by_name._buckets) == MAX_REMEMBERED


# === names ===


def test_new_names_are_budgeted_per_source_and_in_all() -> None:
    admission = Admission()
    for number in range(NAMES_PER_SOURCE):
        ask(admission, 0.0, "stranger", f"n{number}@h", budgeted=True)
    assert admission.request("stranger", "bar", "one-more@h", 0.0, budgeted=True) is None
    ask(admission, 0.0, "stranger", "n0@h", budgeted=True)  # known already: no new atom
    ask(admission, 0.0, "stranger", "exact@h")
    assert admission.request("stranger", "baz", "n0@h", 0.0, budgeted=True), "another guarded node"
    ask(admission, 0.0, "peer", "foo@h", budgeted=True)
    ask(admission, NAME_REFILL, "stranger", "one-more@h", budgeted=True)
    assert admission.request("stranger", "bar", "two-more@h", NAME_REFILL, budgeted=True) is None

    admission = Admission()
    for number in range(NAMES_TOTAL):
        ask(admission, 0.0, f"stranger{number // NAMES_PER_SOURCE}", f"n{number}@h", budgeted=True)
    assert admission.request("peer", "bar", "foo@h", 0.0, budgeted=True) is None


def test_names_that_get_a_channel_cost_nothing() -> None:
    admission = Admission()
    for number in range(5 * NAMES_TOTAL):
        ticket = ask(admission, 0.0, name=f"cli{number}@h", budgeted=True)
        admission.next(ticket.key, 0.0)
        admission.proved(ticket)
        admission.established(ticket)
        admission.finished(ticket)


def test_names_that_the_guarded_node_makes_up_are_new_each_time_and_never_wait() -> None:
    admission = Admission()
    for _ in range(NAMES_PER_SOURCE):
        ticket = ask(admission, 0.0, "stranger", "undefined@h", budgeted=True, dynamic=True)
        assert admission.next(ticket.key, 0.0).start is ticket
    assert admission.request("stranger", "bar", "undefined@h", 0.0, budgeted=True, dynamic=True) is None


def test_a_party_gains_nothing_for_another_that_has_the_same_name() -> None:
    """Entries with cookies of their own let both in, each to another guarded node."""
    admission = Admission()
    mine = ask(admission, 0.0, "one", account="mine")
    admission.next(KEY, 0.0)
    for _ in range(FAILURES_PER_NAME):
        admission.failed("one", 0.0, "theirs")
    admission.proved(mine)
    admission.finished(mine)
    assert admission.is_shut_out("one", 0.0, "theirs")
    holder = ask(admission, 100.0, "other", account="theirs")
    assert admission.next(KEY, 100.0).start is holder
    ask(admission, 100.0, "one", account="theirs")
    assert admission.next(KEY, 100.0).abort is None
