"""The live event stream: what is chosen, what comes late, and what is too much."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distwall.audit.event import Event
from distwall.audit.event_selection import EventSelection, SelectionError
from distwall.http_api.event_stream import EventStream, Subscriber, TooManyError
from tests.http_api.serving import Served, run, serving

ALL = EventSelection({})


def made(kind: str, seq: int = 1, **fields: Any) -> Event:
    return {"v": 1, "seq": seq, "time": "", "event": kind, **fields}


class TestFilter:
    EVENT = made(
        "refused", peer="foo@h", guard="bar@h", verdict="deny", command="link", direction="inbound", reason="rule"
    )

    @pytest.mark.parametrize(
        ("wanted", "unwanted", "matches"),
        [
            ({}, [], True),
            ({"verdict": ["deny"]}, [], True),
            ({"verdict": ["reject"]}, [], True),
            ({"verdict": ["drop"]}, [], False),
            ({"verdict": ["drop", "deny"]}, [], True),
            ({"verdict": ["deny"], "command": ["send"]}, [], False),
            ({"peer": ["foo@*"]}, [], True),
            ({"peer": ["bar@*"]}, [], False),
            ({"guard": ["bar@h"], "event": ["refused"], "reason": ["rule"], "direction": ["inbound"]}, [], True),
            ({}, ["command=link"], False),
            ({}, ["command=send"], True),
            ({"verdict": ["deny"]}, ["command=send", "peer=foo@*"], False),
        ],
    )
    def test_it_matches_what_is_wanted_and_not_unwanted(
        self, wanted: dict[str, list[str]], unwanted: list[str], matches: bool
    ) -> None:
        assert EventSelection(wanted, unwanted).matches(self.EVENT) is matches

    def test_a_grant_is_about_its_node(self) -> None:
        assert EventSelection({"peer": ["foo@*"]}).matches(made("grant", node="foo@h"))

    @pytest.mark.parametrize("text", ["", "command", "colour=red", "=x"])
    def test_nonsense_is_an_error_that_names_the_fields(self, text: str) -> None:
        with pytest.raises(SelectionError, match="is not FIELD=VALUE with a known field; the fields are event, peer"):
            EventSelection({}, [text])

    @pytest.mark.parametrize(
        ("wanted", "unwanted", "remedy"),
        [
            ({"event": ["refusd"]}, [], "did you mean `refused`?"),
            ({"event": ["refused", "Refused"]}, [], "no event has the event `Refused`"),
            ({"verdict": ["maybe"]}, [], "write one of accept, deny, drop, reject"),
            ({"command": ["reg-send"]}, [], "did you mean `reg_send`?"),
            ({"direction": ["in"]}, [], "no event has the direction `in`"),
            ({}, ["verdict=denied"], "did you mean `deny`?"),
        ],
    )
    def test_a_value_that_no_event_has_is_an_error(
        self, wanted: dict[str, list[str]], unwanted: list[str], remedy: str
    ) -> None:
        with pytest.raises(SelectionError, match=re.escape(remedy)):
            EventSelection(wanted, unwanted)


async def _read(subscriber: Subscriber, count: int) -> list[Event]:
    found: list[Event] = []
    async for event in subscriber.events(10):
        assert event is not None
        found.append(event)
        if len(found) == count:
            break
    return found


@settings(deadline=None)
@given(st.lists(st.integers(0, 30), max_size=20))
def test_every_event_is_read_or_counted(bursts: list[int]) -> None:
    """``bursts``: so many events, then somebody reads half of what waits."""

    async def scenario() -> None:
        subscriber = Subscriber(ALL)
        subscriber.MAX_WAITING = 10
        seen: list[Event] = []
        sent = 0
        for burst in bursts:
            for _ in range(burst):
                sent += 1
                subscriber.push(made("x", sent))
            if half := len(subscriber._waiting) // 2:
                seen += await _read(subscriber, half)
            assert len(subscriber._waiting) <= 11
        subscriber.end()
        seen += [event async for event in subscriber.events(10) if event]
        last = 0
        for event in seen:
            # What was dropped is told where it is missing.
            last += event["dropped"] if event["event"] == "events_dropped" else 1
            assert event["event"] == "events_dropped" or event["seq"] == last
        assert last == sent

    run(scenario())


def test_late_comers_get_the_last_events(tmp_path: Path) -> None:
    served = Served(tmp_path)
    stream = EventStream(served.audit)
    for name in ("foo@a", "foo@b", "foo@c"):
        served.connect(name)
    assert [event["peer"] for event in stream.last(2, ALL)] == ["foo@b", "foo@c"]
    assert [event["peer"] for event in stream.last(9, EventSelection({"peer": ["foo@a"]}))] == ["foo@a"]
    assert stream.last(0, ALL) == []


def test_readers_are_limited(tmp_path: Path) -> None:
    stream = EventStream(Served(tmp_path).audit)
    subscribers = [stream.subscribe(ALL) for _ in range(EventStream.MAX_SUBSCRIBERS)]
    with pytest.raises(TooManyError, match="already follow the events"):
        stream.subscribe(ALL)
    stream.unsubscribe(subscribers[0])
    stream.subscribe(ALL)


async def _lines(response: httpx.Response, count: int) -> list[str]:
    found: list[str] = []
    async for line in response.aiter_lines():
        if line:
            found.append(line)
        if len(found) == count:
            break
    return found


def test_events_are_json_lines(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as served, served.unix() as client:
            served.connect("foo@a")
            url = "/v1/events?last=5&event=connect&not=peer=foo@b"
            async with client.stream("GET", url) as response:
                assert response.headers["content-type"] == "application/x-ndjson"
                for name in ("foo@b", "foo@c"):
                    served.connect(name)
                events = [json.loads(line) for line in await _lines(response, 2)]
            assert [event["peer"] for event in events] == ["foo@a", "foo@c"]
            # Whoever has hung up is forgotten.
            while served.server._stream._subscribers:
                served.connect("foo@d")
                await asyncio.sleep(0.01)

    run(scenario())


def test_events_are_server_sent_if_asked_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as served, served.unix() as client:
            served.connect("foo@a")
            headers = {"Accept": "text/event-stream"}
            async with client.stream("GET", "/v1/events?last=1&follow=false", headers=headers) as response:
                assert response.headers["content-type"].startswith("text/event-stream")
                ident, data = await _lines(response, 2)
            assert ident == "id: 1"
            assert json.loads(data.removeprefix("data: "))["peer"] == "foo@a"

    run(scenario())


def test_it_says_that_it_is_still_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("distwall.http_api.app.IDLE_SECONDS", 0.02)

    async def scenario() -> None:
        async with serving(tmp_path) as served, served.unix() as client, client.stream("GET", "/v1/events") as response:
            async for line in response.aiter_lines():
                assert line == ""
                break

    run(scenario())


def test_readers_do_not_keep_it_from_ending(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as served, served.unix() as client, client.stream("GET", "/v1/events") as response:
            await served.server.close()
            assert await _lines(response, 1) == []

    run(scenario())


def test_a_filter_that_makes_no_sense_is_a_bad_request(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as served, served.unix() as client:
            response = await client.get("/v1/events?not=colour=red")
            assert response.status_code == 400
            assert "is not FIELD=VALUE" in response.json()["error"]

    run(scenario())
