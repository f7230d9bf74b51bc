"""A route that takes JSON and gives JSON, by the shortest way: one validation in compiled code, one serialisation.

FastAPI knows these routes as all others, for its document and for what isn't a `POST`. A `POST` goes straight to
`JSONRoute.__call__` (see `JSONRoutes`): FastAPI's own way takes as long again as tokenising and computing a short text.

A body that is as it should be is parsed and validated by pydantic at once. Any other is read once more, slowly, by
`payload` and pydantic, which find the place and the words to say what is wrong.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, get_type_hints

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import ValidationError
from pydantic_core import to_json
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from service.http import body as payload
from service.http import problem
from service.http.schema import RequestModel
from service.state import Context
from service.telemetry import request_record

_TASK = "seqserve.task"
"""In the scope of a request that is worked on: its task."""


def give_up(scope: Scope) -> None:
    """End the work on a request whose caller has gone; the rows of it that wait are dropped."""
    task: asyncio.Task[None] | None = scope.pop(_TASK, None)
    if task is not None:
        task.cancel()


class JSONRoute(APIRoute):
    """A route whose function takes `payload`, a `RequestModel`, and `context`, and gives a typed dictionary."""

    def __init__(
        self, path: str, endpoint: Callable[..., Coroutine[Any, Any, Mapping[str, object]]], **options: Any
    ) -> None:
        super().__init__(path, endpoint, **options)
        self._answer = endpoint
        self._payload: type[RequestModel] = get_type_hints(endpoint)["payload"]

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The same for FastAPI, should it be asked."""

        async def handle(request: Request) -> Response:
            return Response(await self._respond(request.scope, request.receive), media_type="application/json")

        return handle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; what is refused, and defects, as problem+json."""
        scope["route"] = self
        try:
            content = await self._respond_unless_given_up(scope, receive)
        except Exception as error:
            await problem.answer(error)(scope, receive, send)
            if not problem.is_foreseen(error):
                raise
            return
        headers = [(b"content-length", b"%d" % len(content)), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _respond_unless_given_up(self, scope: Scope, receive: Receive) -> bytes:
        scope[_TASK] = asyncio.current_task()
        try:
            return await self._respond(scope, receive)
        except asyncio.CancelledError:
            if _TASK in scope:  # nobody has given it up: the service ends
                raise
            raise ClientDisconnect from None
        finally:
            scope.pop(_TASK, None)

    async def _respond(self, scope: Scope, receive: Receive) -> bytes:
        context: Context = scope["state"]["context"]
        record = request_record.current()
        body = await payload.read(scope["headers"], receive, context.settings.max_body_bytes)
        record.lap("read")
        self._refuse_unread(body, context)
        asked = self._validated(body)
        record.lap("validate")
        return to_json(await self._answer(asked, context))

    def _refuse_unread(self, body: bytes, context: Context) -> None:
        """For routes that can tell from the bytes that the rest would be in vain. Raises a `Refusal`."""

    def _validated(self, body: bytes) -> RequestModel:
        try:
            return self._payload.__pydantic_validator__.validate_json(body)  # type: ignore[no-any-return]
        except ValidationError:
            pass
        document = payload.parse(body)
        try:
            self._payload.refuse_unknown_keys(document)
            return self._payload.model_validate(document)
        except ValidationError as error:
            faults = error.errors(include_url=False)
            raise RequestValidationError([{**fault, "loc": ("body", *fault["loc"])} for fault in faults]) from None


class JSONRoutes:
    """ASGI middleware in front of FastAPI: what is posted to a `JSONRoute` goes there at once."""

    def __init__(self, app: ASGIApp, routes: Iterable[JSONRoute]) -> None:
        self._app = app
        self._routes = {route.path: route for route in routes}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        route = self._routes.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        await (self._app if route is None else route)(scope, receive, send)
