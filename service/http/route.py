"""Routes that FastAPI documents, and that answer a `POST` by themselves.

FastAPI's own way from a request to an endpoint takes as long again as tokenising and computing a short text.
"""

import asyncio
import inspect
import re
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, get_type_hints

from fastapi import Request, Response
from fastapi.datastructures import DefaultPlaceholder
from fastapi.routing import APIRoute
from pydantic_core import to_json
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from service.http import body, json_codec, problem
from service.http.codec import Call, Codec, EncodedRequest
from service.state import Context
from service.telemetry.request_record import SCOPE_KEY, RequestRecord

_TASK = "seqserve.task"
"""In the ASGI scope of a running request: its task."""
_CALL = "seqserve.call"
"""In the ASGI scope: what the codec decoded. Removed at the end, since a connection keeps its last scope."""


def cancel(scope: Scope) -> None:
    """End the work on a request whose client has disconnected, and drop its queued rows."""
    task: asyncio.Task[None] | None = scope.pop(_TASK, None)
    if task is not None:
        task.cancel()


class BodyRoute(APIRoute):
    """A route that answers from the bytes of the body.

    Raises `TypeError` at construction for what FastAPI would document and this route not honour, and where it is part
    of an included router, which could add such options later.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        options.setdefault("methods", ["POST"])
        super().__init__(path, endpoint, **options)
        self._refuse_what_is_not_honoured()
        self._usual_media_type = self.media_types[0].encode()
        self.app = self._answer

    async def respond(self, content: bytes, scope: Scope, record: RequestRecord) -> bytes:
        """The body of the response to this body."""
        raise NotImplementedError

    media_types: Sequence[str] = json_codec.MEDIA_TYPES
    """Of the bodies that are read; the first is the usual one."""
    content_encodings: Sequence[str] = ()
    """Of bodies, beside `identity`."""
    response_media_type = "application/json"

    async def read(self, scope: Scope, receive: Receive, limit: int) -> bytes:
        """The whole body, decompressed; before and after that it has at most `limit` bytes.

        Raises `UnsupportedEncoding`, `UnsupportedMedia`, `BodyTooLarge`, and `ClientDisconnect` if it ends early.
        """
        headers = dict(scope["headers"])
        if encoding := headers.get(b"content-encoding", b"").strip().lower():
            body.check_encoding(encoding, self.content_encodings)
        if (media_type := headers.get(b"content-type", b"")) != self._usual_media_type:
            body.check_media_type(media_type.decode("latin-1").lower(), self.media_types)
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > limit:
            raise body.too_large(limit)
        message: Message = {"more_body": True}
        size, chunks = 0, []
        while message.get("more_body", False):
            message = await receive()
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > limit:  # without Content-Length too, no more than the limit is ever held
                raise body.too_large(limit)
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        whole = b"".join(chunks)
        return whole if encoding != b"gzip" else body.decompress(whole, limit)

    def error(self, error: Exception, call: Call | None) -> Response:  # noqa: ARG002 - for subclasses
        """The response to what was raised, before the call was decoded or after."""
        return problem.answer(error)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        record: RequestRecord = scope.get(SCOPE_KEY) or RequestRecord()
        try:
            content = await self._respond_unless_cancelled(scope, receive, record)
        except Exception as error:
            response = self.error(error, scope.get(_CALL))
            record.problem = problem.kind_of(error)
            await response(scope, receive, send)
            if not isinstance(error, problem.FORESEEN):
                raise
            return
        finally:
            scope.pop(_CALL, None)
        media_type = self.response_media_type.encode()
        headers = [(b"content-length", b"%d" % len(content)), (b"content-type", media_type)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})

    async def _respond_unless_cancelled(self, scope: Scope, receive: Receive, record: RequestRecord) -> bytes:
        scope[_TASK] = asyncio.current_task()
        try:
            context: Context = scope["state"]["context"]
            content = await self.read(scope, receive, context.settings.max_body_bytes)
            record.lap("read")
            return await self.respond(content, scope, record)
        except asyncio.CancelledError:
            if _TASK in scope:  # not by `cancel`: the service ends
                raise
            raise ClientDisconnect from None
        finally:
            scope.pop(_TASK, None)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's own, unused; called a second time where a router is included."""
        if hasattr(self, "app"):
            raise TypeError(f"{self.path}: a {type(self).__name__} can't be included; add it to the app's own routes")
        return super().get_route_handler()

    def _refuse_what_is_not_honoured(self) -> None:
        refused = {
            "dependencies": self.dependencies or self.dependant.dependencies,
            f"the status code {self.status_code}": self.status_code not in {None, 200},
            "the response class": not isinstance(self.response_class, DefaultPlaceholder),
        }
        for kind in ("path", "query", "header", "cookie"):
            refused |= {f"the {kind} parameter {one.alias}": True for one in getattr(self.dependant, f"{kind}_params")}
        _refuse(type(self), self.path, [what for what, is_there in refused.items() if is_there])


class JSONRoute(BodyRoute):
    """Its endpoint takes `payload`, a `RequestModel`, `context` and `record`; the path has no parameters."""

    def __init__(
        self, path: str, endpoint: Callable[..., Coroutine[Any, Any, Mapping[str, object]]], **options: Any
    ) -> None:
        hints = get_type_hints(endpoint)
        self._payload = hints["payload"]
        taken = {"payload", "context", "record"}
        unhonoured = [f"the parameter {name}" for name in inspect.signature(endpoint).parameters if name not in taken]
        unhonoured += [f"the path parameter {name}" for name in re.findall(r"{(\w+)", path)]
        _refuse(type(self), path, unhonoured)
        self._endpoint = endpoint
        options.setdefault("description", inspect.getdoc(endpoint))
        super().__init__(path, _documented(endpoint.__name__, hints["payload"], hints["return"]), **options)

    async def respond(self, content: bytes, scope: Scope, record: RequestRecord) -> bytes:
        """JSON to JSON."""
        payload = json_codec.validated(self._payload, content)
        record.lap("validate")
        return to_json(await self._endpoint(payload, scope["state"]["context"], record))


class PredictRoute(BodyRoute):
    """Decodes a call, has it answered by `predict`, encodes the answers.

    The codec reads parameters of the path, if it has any; `name` is that of the operation.
    """

    def __init__(self, path: str, codec: Codec, *, name: str, **options: Any) -> None:
        self._codec = codec
        self.media_types, self.content_encodings = codec.media_types, codec.content_encodings
        self.response_media_type = codec.response_media_type
        endpoint = _documented(name, getattr(codec, "payload", None), getattr(codec, "response", None))
        super().__init__(path, endpoint, **options)

    async def respond(self, content: bytes, scope: Scope, record: RequestRecord) -> bytes:
        """One call."""
        codec, context = self._codec, scope["state"]["context"]
        call = codec.decode(EncodedRequest(content, scope["headers"], scope.get("path_params", {})))
        scope[_CALL] = call
        record.lap("validate")
        deadline = time.monotonic() + context.settings.deadline_seconds - record.waited
        answers = await context.predictor.predict(
            codec.task, call.model, call.version, call.inputs, call.options, deadline, record
        )
        encoded = codec.encode(call, answers)
        record.lap("decode")
        return encoded

    def error(self, error: Exception, call: Call | None) -> Response:
        """As the codec words it."""
        return self._codec.error(error, call)


def _refuse(route: type[BodyRoute], path: str, unhonoured: Sequence[str]) -> None:
    if unhonoured:
        raise TypeError(
            f"{path}: a {route.__name__} answers from the body alone and would not honour {', '.join(unhonoured)}; "
            "use an APIRoute, or leave them out"
        )


def _documented(name: str, payload: Any, response: Any) -> Callable[..., Any]:
    """An endpoint for FastAPI's document, with the types that the route decodes and encodes."""

    def endpoint() -> None:
        """Never called."""

    parameter = inspect.Parameter("payload", inspect.Parameter.KEYWORD_ONLY, annotation=payload)
    signature = inspect.Signature([] if payload is None else [parameter], return_annotation=response)
    endpoint.__name__ = name
    endpoint.__signature__ = signature  # type: ignore[attr-defined]
    return endpoint
