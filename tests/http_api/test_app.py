"""The HTTP API: who may call what, what comes of it, and what is recorded."""

import getpass
import json
import os
import stat
import sys
import tempfile
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from distwall.control import Firewall
from distwall.http_api.app import create_app
from distwall.http_api.auth import MAX_BODY, Actor, SocketEntrance
from distwall.http_api.bearer_tokens import TokenFile
from distwall.http_api.event_stream import EventStream
from distwall.operations import FIREWALL, READERS, Operation, Role
from distwall.policy import load
from tests.http_api.serving import Served, over_tcp, run, serving

ME = f"unix:{getpass.getuser()}"

GOOD: dict[str, dict[str, Any]] = {
    "test_filter": {"node": "foo@h", "command": "link"},
    "set_filter": {"node": "foo@h", "command": "link", "verdict": "drop"},
    "add_filter": {"node": "foo@h", "command": "spawn_request", "key": ["m", "f", 0], "verdict": "accept"},
    "del_filter": {"node": "foo@h", "command": "link"},
    "attach": {"node": "foo@h", "table": "admin"},
    "detach": {"node": "foo@h", "table": "admin"},
    "grant": {"node": "foo@h", "table": "admin", "seconds": 60, "reason": "to look"},
    "issue_token": {"node": "foo@h", "table": "admin", "seconds": 60, "reason": "to look", "valid": 60},
    "revoke": {"node": "foo@h", "table": "admin"},
    "disconnect": {"node": "foo@h"},
    "set_default_filter": {"command": "_", "key": "_", "verdict": "drop"},
    "set_handler": {"node": "foo@h", "command": "send", "module": "m"},
    "filter": {"node": "foo@h", "module": "m"},
    "set_table": {"table": "new", "rules": ["accept link"]},
}


def token(served: Served, role: str, name: str | None = None) -> str:
    return TokenFile(served.settings.tokens).create(
        Role[role.upper()], timedelta(hours=1), name or role, datetime.now(UTC)
    )[1]


def _app(tmp_path: Path) -> FastAPI:
    served = Served(tmp_path)
    screen = create_app(served.firewall, served.reloader, SocketEntrance(), EventStream(served.audit))
    assert isinstance(screen._app, FastAPI)
    return screen._app


def _routes(app: FastAPI) -> list[APIRoute]:
    routes = [route for route in app.routes if isinstance(route, APIRoute)]
    assert len(routes) == len(app.routes)
    return routes


def test_every_function_of_the_runtime_api_is_there() -> None:
    assert set(GOOD) == {operation.name for operation in FIREWALL}
    assert all(callable(getattr(Firewall, operation.name)) for operation in FIREWALL)


@pytest.mark.parametrize("operation", READERS, ids=lambda each: each.path)
def test_a_reader_takes_the_declared_parameters(tmp_path: Path, operation: Operation) -> None:
    (route,) = [each for each in _routes(_app(tmp_path)) if each.path == f"/v1/{operation.path}"]
    taken = {parameter.name: parameter.field_info.is_required() for parameter in route.dependant.query_params}
    in_path = [parameter.name for parameter in route.dependant.path_params]
    declared = {each.name: each.required for each in operation.parameters}
    if "{" in str(operation.path):
        assert in_path == ["peer"]
        del declared["node"]
    else:
        assert in_path == []
    assert taken == declared


def test_every_function_works_over_the_socket(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as served, served.unix() as client:
            closed: list[str] = []
            served.connect(close=closed.append)
            results = {}
            for name, body in GOOD.items():
                response = await client.post(f"/v1/{name}", json=body)
                assert response.status_code == 200, response.text
                results[name] = response.json()
            grant = results.pop("grant")
            assert (grant["reason"], grant["actor"]) == ("to look", ME)
            token = results.pop("issue_token")["token"]
            assert token not in json.dumps(served.events)
            assert served.firewall.redeem("foo@h", token).actor == f"token of {ME}"
            assert results == {
                "test_filter": {"verdict": "accept"},
                "set_filter": {"previous": "accept"},
                "add_filter": {"previous": "deny"},
                "del_filter": {"previous": "drop"},
                "attach": {"ok": True},
                "detach": {"ok": True},
                "revoke": {"ok": True, "revoked": [None], "left": []},
                "disconnect": {"closed": 1},
                "set_default_filter": {"previous": "deny"},
                "set_handler": {"previous": None},
                "filter": {"previous": None},
                "set_table": {"ok": True},
            }
            assert closed == [f"disconnected by {ME}"]
            assert served.firewall.test_filter("foo@h", "spawn_request", "m:f/0") == "accept"
            # Whoever changes something is on record, with what they asked for.
            calls = served.recorded("api_call")
            assert [event["function"] for event in calls] == [name for name in GOOD if name != "test_filter"]
            assert {event["actor"] for event in calls} == {ME}
            assert calls[0]["arguments"] == GOOD["set_filter"]
            assert {event["actor"] for event in served.recorded("setting")} == {ME}

    run(scenario())


def test_what_can_be_read_is_what_is_in_force(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as served, served.unix() as client:
            served.connect()
            served.firewall.grant("foo@h", "admin", 60, "to look", actor="me")
            served.firewall.set_filter("foo@h", "link", "drop")

            async def get(what: str) -> Any:
                response = await client.get(f"/v1/{what}")
                assert response.status_code == 200, response.text
                assert "secret" not in response.text
                return response.json()

            assert [peer["peer"] for peer in await get("peers")] == ["foo@h"]
            assert await get("peers?guard=other@h") == []
            assert (await get("statistics"))["peer"] is None
            assert (await get("statistics/foo@h"))["known"] is True
            assert [grant["table"] for grant in await get("grants")] == ["admin"]
            assert [setting["rule"] for setting in await get("settings")] == ["link"]
            found = await get("policy")
            assert found["peers"][0]["rules"] == ["accept link", "deny *"]
            assert found["tables"] == {"admin": ["accept *"]}
            assert (await get("explain?node=foo@h&command=link"))["verdict"] == "accept"
            assert served.recorded("api_call") == []

    run(scenario())


@pytest.mark.parametrize(
    ("call", "body", "status", "what"),
    [
        ("set_filter", {"node": "foo@h", "command": "link", "verdict": "maybe"}, 400, "unknown verdict `maybe`"),
        ("set_filter", {"node": "foo", "command": "link", "verdict": "deny"}, 400, "is not the name of a node"),
        ("set_filter", {"node": "foo@h", "command": "link"}, 400, "verdict: Field required"),
        ("set_filter", {**GOOD["set_filter"], "persist": 1}, 400, "persist: "),
        ("set_filter", {**GOOD["set_filter"], "actor": "god"}, 400, "actor: Extra inputs are not permitted"),
        ("attach", {"node": "foo@h", "table": "none"}, 404, "no table `none`"),
        ("revoke", {"node": "foo@h", "table": "admin"}, 404, "no grant of `admin`"),
        ("disconnect", {"node": "foo@h"}, 404, "is not connected"),
        ("nothing", {}, 404, "Not Found"),
        ("grant", {**GOOD["grant"], "seconds": -1}, 400, "-1 seconds"),
        ("grant", {**GOOD["grant"], "reason": " "}, 400, "without a reason"),
    ],
)
def test_errors_are_one_line(tmp_path: Path, call: str, body: dict[str, Any], status: int, what: str) -> None:
    async def scenario() -> None:
        async with serving(tmp_path) as served, served.unix() as client:
            response = await client.post(f"/v1/{call}", json=body)
            assert response.status_code == status, response.text
            assert list(response.json()) == ["error"]
            assert what in response.json()["error"]
            assert "\n" not in response.json()["error"]
            assert list(served.firewall.settings()) == []
            for event in served.recorded("api_call"):
                assert what in event["error"]

    run(scenario())


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b'"x"', b"{" * 5000, b"[" * 100_000])
def test_bodies_that_are_no_json_object_are_refused(tmp_path: Path, content: bytes) -> None:
    # As in distwall itself; other tests raise it.
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)

    async def scenario() -> None:
        async with serving(tmp_path) as served, served.unix() as client:
            response = await client.post(
                "/v1/set_filter", content=content, headers={"Content-Type": "application/json"}
            )
            assert response.status_code == 400
            assert list(response.json()) == ["error"]

    try:
        run(scenario())
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.parametrize("told", [True, False])
def test_a_body_that_is_too_large_is_refused(tmp_path: Path, told: bool) -> None:
    async def chunks() -> Any:
        for _ in range(MAX_BODY // 1000):
            yield b" " * 1001

    async def scenario() -> None:
        async with serving(tmp_path) as served, served.unix() as client:
            content = b" " * (MAX_BODY + 1) if told else chunks()
            response = await client.post(
                "/v1/set_filter", content=content, headers={"Content-Type": "application/json"}
            )
            assert response.status_code in ((413,) if told else (413, 400))
            assert list(response.json()) == ["error"]

    run(scenario())


class TestRoles:
    def test_every_route_says_what_it_needs(self, tmp_path: Path) -> None:
        public = {route.path for route in _routes(_app(tmp_path)) if getattr(route.endpoint, "role", "") is None}
        assert public == {"/docs", "/v1/openapi.json"}
        assert all(isinstance(getattr(r.endpoint, "role", None), Role | None) for r in _routes(_app(tmp_path)))

    def test_no_route_without_a_token_and_none_with_too_small_a_role(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with serving(tmp_path, http=over_tcp()) as served, AsyncExitStack() as stack:
                # One client each: it takes longer to make one than to ask.
                given: list[Role | None] = [None, *Role]
                clients = {
                    role: await stack.enter_async_context(served.http(token(served, str(role)) if role else None))
                    for role in given
                }
                for route in _routes(_app(tmp_path)):
                    needed: Role | None = route.endpoint.role  # type: ignore[attr-defined]
                    path = route.path.replace("{peer:path}", "foo@h")
                    method = next(iter(route.methods or ()))
                    query = "?follow=false" if path == "/v1/events" else ""
                    for role, client in clients.items():
                        # What is called right is changed right; this calls nothing right.
                        response = await client.request(method, path + query, json={"no such": "argument"})
                        if needed is None:
                            expected = {200}
                        elif role is None:
                            expected = {401}
                        elif role < needed:
                            expected = {403}
                        else:
                            expected = {200, 400}
                        assert response.status_code in expected, (path, role, response.text)
                        if response.status_code in (401, 403):
                            assert list(response.json()) == ["error"]
                assert {event["reason"] for event in served.recorded("api_refused")} == {"token", "role"}

        run(scenario())

    def test_a_route_that_says_nothing_needs_the_highest(self, tmp_path: Path) -> None:
        class Operators(SocketEntrance):
            def admit(self, source: str, _authorization: str | None) -> Actor:
                return Actor(source, Role.OPERATE)

        async def scenario() -> None:
            served = Served(tmp_path)
            screen = create_app(served.firewall, served.reloader, Operators(), EventStream(served.audit))
            assert isinstance(screen._app, FastAPI)

            @screen._app.get("/new")
            async def new() -> None:
                pass

            transport = httpx.ASGITransport(screen)
            async with httpx.AsyncClient(transport=transport, base_url="http://distwall") as client:
                assert (await client.get("/v1/peers")).status_code == 200
                assert (await client.get("/new")).status_code == 403
            await served.audit.close()

        run(scenario())

    def test_the_name_of_the_token_is_the_actor(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with serving(tmp_path, http=over_tcp()) as served:
                text = token(served, "operate", "ci")
                async with served.http(text) as client:
                    assert (await client.post("/v1/set_filter", json=GOOD["set_filter"])).status_code == 200
                (setting,) = served.firewall.settings()
                assert setting.actor == "token:ci"
                assert text not in json.dumps(served.events)
                TokenFile(served.settings.tokens).revoke("ci")
                async with served.http(text) as client:
                    assert (await client.get("/v1/peers")).status_code == 401
                assert served.recorded("tokens_changed")[0]["removed"] == ["ci"]

        run(scenario())

    def test_a_body_of_nobody_is_not_read(self, tmp_path: Path) -> None:
        """To read and parse a large one takes memory and time."""

        async def scenario() -> None:
            async with serving(tmp_path, http=over_tcp()) as served:
                for number, content in enumerate((b"[" * 1000, b"{}", b"no JSON", b" " * (1 << 19))):
                    async with served.http("nobody's", **{"Content-Type": "application/json"}) as client:
                        response = await client.post("/v1/set_filter", content=content)
                    assert response.status_code == 401
                    assert response.headers["www-authenticate"] == "Bearer"
                    assert [each["reason"] for each in served.recorded("api_refused")] == ["token"] * (number + 1)

        run(scenario())


class TestBrowsers:
    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 200),
            ({"Host": "localhost:4380"}, 200),
            ({"Host": "[::1]:4380"}, 200),
            ({"Host": "wall.example:4380"}, 200),
            ({"Host": "evil.example"}, 403),
            ({"Host": "127.0.0.1.evil.example"}, 403),
            ({"Host": ""}, 403),
            ({"Host": "[::1"}, 403),
            ({"Origin": "http://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Host": "wall.example", "Origin": "http://wall.example"}, 200),
        ],
    )
    def test_a_foreign_host_or_origin_is_refused(self, tmp_path: Path, headers: dict[str, str], status: int) -> None:
        async def scenario() -> None:
            async with serving(tmp_path, http=over_tcp(), hosts=("wall.example",)) as served:
                async with served.http(token(served, "read"), **headers) as client:
                    for path in ("/v1/peers", "/docs"):
                        response = await client.get(path)
                        assert response.status_code == status, response.text
                if status == 403:
                    assert served.recorded("api_refused")[0]["reason"] in ("host", "origin")

        run(scenario())

    def test_the_page_loads_nothing_from_elsewhere_and_runs_nothing(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with serving(tmp_path, http=over_tcp()) as served, served.http() as client:
                page = await client.get("/docs")
                assert page.headers["content-security-policy"].startswith("default-src 'none'")
                assert "<script" not in page.text
                assert "http://" not in page.text.replace(f"http://{served.settings.http}", "")
                assert "https://" not in page.text
                for name in (*GOOD, "apply", "confirm", "roll_back"):
                    assert f"/v1/{name}</h2>" in page.text
                assert "openapi" in (await client.get("/v1/openapi.json")).json()

        run(scenario())


class TestSocket:
    def test_it_has_the_mode_and_group_of_the_policy(self, tmp_path: Path) -> None:
        group = os.getgid()

        async def scenario() -> None:
            import grp

            async with serving(tmp_path, socket_mode=0o660, socket_group=grp.getgrgid(group).gr_name) as served:
                status = served.settings.socket.stat()
                assert stat.S_IMODE(status.st_mode) == 0o660
                assert status.st_gid == group

        run(scenario())

    def test_nothing_is_served_over_tcp_unless_asked_for(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            async with serving(tmp_path) as served:
                assert len(served.server._serving) == 1

        run(scenario())

    def test_an_address_that_is_taken_is_an_error_and_leaves_no_socket(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            import socket

            with socket.socket() as sock:
                sock.bind(("127.0.0.1", 0))
                sock.listen()
                from distwall.policy import Address

                address = Address("127.0.0.1", sock.getsockname()[1])
                with pytest.raises(OSError, match=r"\[control\] http: .*set it to another address"):
                    async with serving(tmp_path, http=address):
                        pass
                assert not (tmp_path / "s").exists()

        run(scenario())


class TestPolicy:
    """Another policy, over HTTP."""

    def _file(self, tmp_path: Path) -> Path:
        (tmp_path / "foo.cookie").write_text("foo-secret")
        (tmp_path / "foo.cookie").chmod(0o600)
        file = tmp_path / "distwall.toml"
        file.write_text(
            '[guard]\nnodes = ["bar@127.0.0.2"]\ncookie = "a-secret-of-the-cluster"\n'
            '[[peers]]\nnode = "foo@*"\ncookie_file = "foo.cookie"\nrules = ["deny *"]\n'
        )
        file.chmod(0o600)
        return file

    def test_it_is_applied_on_trial_confirmed_and_taken_back(self, tmp_path: Path) -> None:
        file = self._file(tmp_path)
        before = file.read_text()
        after = before.replace('"deny *"', '"deny *", "accept link"')

        async def scenario() -> None:
            async with serving(tmp_path, load(file)) as served, served.unix() as client:

                async def call(name: str, **body: Any) -> tuple[int, dict[str, Any]]:
                    response = await client.post(f"/v1/{name}", json=body)
                    assert "a-secret-of-the-cluster" not in response.text
                    return response.status_code, response.json()

                status, applied = await call("apply", text=after, confirm_within=600)
                assert (status, applied["confirm_within"]) == (200, 600)
                assert any("accept link" in line for line in applied["changes"])
                assert file.read_text() == before
                found = (await client.get("/v1/policy")).json()
                assert found["revision"] == applied["revision"]
                assert found["trial"]["before"] != applied["revision"]
                assert 0 < found["trial"]["seconds_left"] <= 600
                assert served.firewall.test_filter("foo@h", "link") == "accept"
                assert (await call("roll_back"))[0] == 200
                assert (await client.get("/v1/policy")).json()["trial"] is None
                assert served.firewall.test_filter("foo@h", "link") == "deny"
                assert (await call("confirm")) == (
                    409,
                    {"error": "no policy is on trial; it was confirmed already, or rolled back"},
                )
                await call("apply", text=after, confirm_within=600)
                assert (await call("confirm"))[1] == {"revision": applied["revision"]}
                assert file.read_text() == after
                status, refused = await call("apply", text=after.replace("accept link", "accept nonsense"))
                assert status == 400
                assert "nonsense" in refused["error"]
                assert served.firewall.test_filter("foo@h", "link") == "accept"
                # The text of a policy may hold cookies: it is not in the log.
                assert "a-secret-of-the-cluster" not in json.dumps(served.events)
                functions = [event["function"] for event in served.recorded("api_call")]
                assert functions == ["apply", "roll_back", "confirm", "apply", "confirm", "apply"]

        run(scenario())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
VALUES = JSON | st.sampled_from(
    ["foo@h", "link", "_", "*", "accept", "m:f/0", "admin", "'", "\n", "é", "\ud800", "a" * 5000]
)


@hypothesis.settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_body_breaks_it(tmp_path: Path, data: st.DataObject) -> None:
    bodies: list[tuple[str, Any]] = []
    for _number in range(20):
        name = data.draw(st.sampled_from(sorted([*GOOD, "apply", "confirm"])))
        body: Any = dict(GOOD.get(name, {"text": ""}))
        for key in data.draw(st.lists(st.sampled_from([*body, "guard", "persist", "x"]), max_size=3)):
            body[key] = data.draw(VALUES)
        bodies.append((name, data.draw(JSON) if data.draw(st.integers(0, 9)) == 0 else body))

    async def scenario() -> None:
        async with serving(Path(tempfile.mkdtemp(dir=tmp_path))) as served, served.unix() as client:
            for name, body in bodies:
                content = json.dumps(body)
                headers = {"Content-Type": "application/json"}
                response = await client.post(f"/v1/{name}", content=content, headers=headers)
                assert response.status_code in (200, 400, 404, 409), (name, body, response.text)
                if response.status_code != 200:
                    assert list(response.json()) == ["error"]
            assert (await client.get("/v1/settings")).status_code == 200

    run(scenario())
