"""The HTTP API of a running distwall: every function of the runtime API, the state, and the live events.

A handler names its role (`@needs`); without that it needs the highest role.
"""

import inspect
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, StreamingResponse
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from distwall import __version__, operations
from distwall.audit.event import Event, text
from distwall.audit.event_selection import FIELDS, EventSelection, SelectionError
from distwall.audit.schema import ApiCall
from distwall.control.errors import BadCallError, ControlError, NotFoundError
from distwall.control.firewall import Firewall
from distwall.control.reload import Reloader
from distwall.http_api.auth import Actor, Entrance, Recorder, RefusedError, RequestScreen, refused, source_of
from distwall.http_api.docs_page import render
from distwall.http_api.event_stream import EventStream, TooManyError
from distwall.http_api.operation_requests import OperationRequest, request_of
from distwall.http_api.policy_json import policy_to_json
from distwall.operations import Operation, Role

IDLE_SECONDS = 15.0
"""Seconds without an event after which the live stream says that it is alive."""

ErrorHandler = Callable[[Request, Any], Coroutine[Any, Any, Response]]
Handler = TypeVar("Handler", bound=Callable[..., Any])


def needs(role: Role | None) -> Callable[[Handler], Handler]:
    """Sets the role that a handler needs; None: anybody may call it, so it has to be harmless."""

    def mark(handler: Handler) -> Handler:
        handler.role = role  # type: ignore[attr-defined]
        return handler

    return mark


def create_app(firewall: Firewall, reloader: Reloader, entrance: Entrance, stream: EventStream) -> RequestScreen:
    """The API in front of ``firewall`` and its policy file; ``entrance`` identifies callers."""

    def authorize(request: Request, _: Annotated[Any, Depends(HTTPBearer(auto_error=False))]) -> None:
        role: Role | None = getattr(request.scope["endpoint"], "role", Role.ADMIN)
        request.state.actor = None
        if role is None:
            return
        actor = None
        try:
            actor = entrance.admit(source_of(request.scope), request.headers.get("authorization"))
            if actor.role < role:
                raise RefusedError(403, "role", f"this needs the role {role}, and {actor.name} has {actor.role}")
        except RefusedError as error:
            refused(firewall.record, request.scope, actor.name if actor else None, error.reason)
            headers = {"WWW-Authenticate": "Bearer"} if error.status == HTTPStatus.UNAUTHORIZED else None
            raise HTTPException(error.status, str(error), headers) from None
        request.state.actor = actor

    app = FastAPI(
        title="distwall",
        version=__version__,
        description=__doc__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        dependencies=[Depends(authorize)],
        exception_handlers={
            HTTPException: _http_error,
            RequestValidationError: _invalid,
            SelectionError: _with_status(400),
            BadCallError: _with_status(400),
            NotFoundError: _with_status(404),
            ControlError: _with_status(409),
            TooManyError: _with_status(409),
            Exception: _failed,
        },
    )
    _reads(app, firewall, reloader)
    _events(app, stream)
    for target, offered in ((firewall, operations.FIREWALL), (reloader, operations.RELOADER)):
        for operation in offered:
            _changes(app, firewall.record, target, request_of(operation))

    @app.get("/v1/openapi.json", include_in_schema=False)
    @needs(None)
    async def openapi() -> dict[str, Any]:
        return app.openapi()

    @app.get("/docs", include_in_schema=False)
    @needs(None)
    async def docs() -> HTMLResponse:
        return HTMLResponse(render(app.openapi()))

    return RequestScreen(app, entrance, firewall.record, _error)


def _reads(app: FastAPI, firewall: Firewall, reloader: Reloader) -> None:
    def get(operation: Operation) -> Callable[[Handler], Handler]:
        """Makes a handler the answer to the request for an operation."""

        def offer(handler: Handler) -> Handler:
            handler.__doc__ = operation.summary
            app.get(f"/v1/{operation.path}", name=operation.name)(needs(operation.role)(handler))
            return handler

        return offer

    @get(operations.PEERS)
    async def peers(guard: str | None = None) -> list[dict[str, Any]]:
        return [info.to_json() for info in firewall.peers(guard)]

    @get(operations.STATISTICS)
    async def statistics(guard: str | None = None) -> dict[str, Any]:
        return {"peer": None, **firewall.statistics(guard=guard)}

    @get(operations.PEER_STATISTICS)
    async def peer_statistics(peer: str, guard: str | None = None) -> dict[str, Any]:
        return {"peer": peer, "known": firewall.knows(peer), **firewall.statistics(peer, guard=guard)}

    @get(operations.GRANTS)
    async def grants() -> list[dict[str, object]]:
        return [dict(grant.to_json()) for grant in firewall.grants()]

    @get(operations.SETTINGS)
    async def settings() -> list[dict[str, Any]]:
        return [{**setting.to_json(), "text": str(setting)} for setting in firewall.settings()]

    @get(operations.POLICY_IN_FORCE)
    async def policy() -> dict[str, Any]:
        trial, refusal = reloader.trial, reloader.refusal
        about = {
            "revision": reloader.revision,
            "trial": None if trial is None else asdict(trial),
            "refused": None if refusal is None else asdict(refusal),
        }
        return {**about, **policy_to_json(firewall.policy)}

    @get(operations.SHADOW)
    async def shadow() -> dict[str, Any]:
        return {"revision": firewall.shadow(), "differences": firewall.shadow_differences()}

    @get(operations.EXPLAIN)
    async def explain(node: str, command: str, key: str | None = None, guard: str | None = None) -> dict[str, Any]:
        return firewall.explain(node, command, key, guard=guard).to_json()


def _events(app: FastAPI, stream: EventStream) -> None:
    def chosen(**given: list[str]) -> EventSelection:
        unwanted = given.pop("unwanted")
        return EventSelection(given, unwanted)

    fields = {**{name: Query(description=meaning) for name, meaning in FIELDS.items()}, "unwanted": Query(alias="not")}
    chosen.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=[], annotation=Annotated[list[str], query])
            for name, query in fields.items()
        ]
    )

    @app.get("/v1/events", response_class=StreamingResponse)
    @needs(Role.READ)
    async def events(
        request: Request,
        wanted: Annotated[EventSelection, Depends(chosen)],
        last: Annotated[int, Query(ge=0, le=EventStream.MAX_KEPT)] = 0,
        follow: bool = True,
    ) -> StreamingResponse:
        """The events, live: as JSON lines, or as server-sent events if the request accepts them.

        Several values of one parameter mean "or", different parameters mean "and"; ``not=FIELD=VALUE`` leaves events
        out. ``last`` begins with the last events before the request. A reader that is too slow gets an
        ``events_dropped`` event with the number of missed events. An empty line (a comment) shows that the stream is
        alive.
        """
        sent = "text/event-stream" in request.headers.get("accept", "")
        subscriber = stream.subscribe(wanted) if follow else None
        before = stream.last(last, wanted)

        async def lines() -> AsyncIterator[bytes]:
            try:
                for made in before:
                    yield _line(made, sent=sent)
                if subscriber:
                    async for made_now in subscriber.events(IDLE_SECONDS):
                        yield _line(made_now, sent=sent)
            finally:
                if subscriber:
                    stream.unsubscribe(subscriber)

        return StreamingResponse(lines(), media_type="text/event-stream" if sent else "application/x-ndjson")


def _line(made: Event | None, *, sent: bool) -> bytes:
    if made is None:
        return b":\n\n" if sent else b"\n"
    data = text(made)
    return b"id: %d\ndata: %s\n\n" % (made["seq"] or 0, data) if sent else data + b"\n"


def _changes(app: FastAPI, record: Recorder, target: object, call: OperationRequest) -> None:
    operation = call.operation

    async def handler(request: Request, body: Any) -> dict[str, Any]:
        actor: Actor = request.state.actor
        error: str | None = None
        try:
            return call.run(target, body, actor.name)
        except ControlError as refusal:
            error = str(refusal)
            raise
        finally:
            if operation.acts:
                arguments = call.recorded(body)
                record(ApiCall(actor=actor.name, function=operation.name, arguments=arguments, error=error))

    handler.__annotations__["body"] = call.body
    handler.__doc__ = operation.summary
    needs(operation.role)(handler)
    app.post(f"/v1/{operation.name}", name=operation.name, operation_id=operation.name)(handler)


def _error(status: int, what: str) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else None
    return JSONResponse({"error": what}, status, headers)


def _with_status(status: int) -> ErrorHandler:
    async def handle(_: Request, error: Any) -> Response:
        return _error(status, str(error))

    return handle


async def _http_error(_: Request, error: Any) -> Response:
    return JSONResponse({"error": error.detail}, error.status_code, error.headers)


async def _failed(_: Request, error: Any) -> Response:
    # The server tells the traceback.
    return _error(500, f"distwall met an error here ({type(error).__name__}); standard error says more")


async def _invalid(_: Request, error: Any) -> Response:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"][1:]) or "body"
    return _error(400, f"{where}: {json.dumps(first['msg'])[1:-1]}")
