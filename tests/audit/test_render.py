"""Events for human eyes."""

import pytest

from distwall.audit import describe
from distwall.audit.event import Event

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


def test_no_name_reaches_the_terminal_unescaped() -> None:
    evil = "\x1b[2J\r\n\u202e[red]"
    text = describe({**REFUSED, "peer": evil, "target": evil, "reason": evil, "rule": None, "command": evil}).plain
    assert text.isprintable()
    assert "[red]" in text
