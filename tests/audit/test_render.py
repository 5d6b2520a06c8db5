"""Events for human eyes."""

import re

import pytest

from distwall.audit.event import Event
from distwall.audit.plain_words import word
from distwall.audit.render import describe

REFUSED: Event = {
    "time": "2026-11-23T07:05:09.120Z",
    "event": "refused",
    "peer": "foo@h",
    "guard": "bar@h",
    "direction": "inbound",
    "command": "spawn_request",
    "target": "erlang:halt/1",
    "verdict": "deny",
    "rule": {"text": "deny *", "where": "defaults", "file": "/etc/distwall/distwall.toml", "line": 7, "column": 3},
    "reason": "rule",
    "folded": 0,
}


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (REFUSED, "07:05:09  DENY   foo@h → bar@h  spawn_request erlang:halt/1  distwall.toml:7 deny *"),
        (
            {**REFUSED, "folded": 12, "verdict": "drop", "direction": "outbound"},
            "07:05:09  DROP   foo@h ← bar@h  spawn_request erlang:halt/1  distwall.toml:7 deny *  and 12 more",
        ),
        (
            {**REFUSED, "rule": None, "reason": "default", "command": "send", "target": None},
            "07:05:09  DENY   foo@h → bar@h  send  no rule matches it",
        ),
        (
            {**REFUSED, "rule": None, "reason": "limit:new_atoms", "command": None},
            "07:05:09  DENY   foo@h → bar@h  ? erlang:halt/1  limit:new_atoms",
        ),
        (
            {
                "time": "2026-11-23T07:05:09.120Z",
                "event": "handshake_refused",
                "source": "10.0.0.1",
                "peer": "x@h",
                "guard": "bar@h",
                "reason": "cookie",
                "detail": "",
                "folded": 3,
            },
            "07:05:09  handshake refused  x@h → bar@h  source 10.0.0.1  reason cookie  and 3 more",
        ),
        (
            {"time": "2026-11-23T07:05:09.120Z", "event": "register", "guard": "bar", "port": 1},
            "07:05:09  register  bar  port 1",
        ),
    ],
)
def test_each_event_is_one_line(event: Event, expected: str) -> None:
    assert describe(event).plain == expected


EVIL = [
    "\x1b[2J\r\n\u202e[red]",
    "x@h → bar@h  reg_send ok",
    "x@h  reason none",
    "x@h\nDENY",
    "x@h\u2028DENY",
    "x@h\u00a0\u00a0reason\u3000none",
    "reason=none",
    'x" → y@h',
    "'x' by y",
    "\\",
    '\\"',
    "\u05d0@\u0661",
    "\u0301@h",
    " x@h",
    "x@h ",
    "x, y",
    "",
]


@pytest.mark.parametrize("evil", EVIL)
def test_hostile_values_stay_between_their_quotes(evil: str) -> None:
    for event in (
        {**REFUSED, "time": "", "peer": evil, "target": evil, "reason": evil, "rule": None, "command": evil},
        {"time": "", "event": "grant", "guard": evil, "peer": evil, "reason": evil, "actor": ["a", evil]},
    ):
        text = describe(event).plain
        assert text.isprintable()
        # What is left without the quoted values is what honest values would have left.
        rest = re.sub(r'"(?:[^"\\]|\\.)*"', "X", text)
        assert not re.search(r'["\\\n=\u05d0\u0661\u0301\u2028\u00a0]', rest)
        assert rest in (
            "  DENY   X → bar@h  X X  X",
            "  DENY   X → bar@h  ?  X",
            "  grant  X → X  reason X  actor a, X",
            "  grant  actor a, X",
        )


@pytest.mark.parametrize("one", EVIL)
def test_no_two_values_look_alike(one: str) -> None:
    assert [other for other in [*EVIL, word(one)] if word(other) == word(one)] == [one]


@pytest.mark.parametrize("value", ["foo@127.0.0.1", "<0.12.0>", "#Ref<0.1.2>", "erlang:halt/1", "[::1]:4369", 7, True])
def test_ordinary_values_need_no_quotes(value: object) -> None:
    assert word(value) == str(value)


def test_letters_of_other_scripts_can_be_read() -> None:
    assert word("füü@hörn") == '"füü@hörn"'
