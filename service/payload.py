"""From the bytes of a request to a JSON document: media type, size, syntax. Shapes and values are checked after it.

A route that takes JSON uses `JSONRoute`. It refuses what isn't JSON before FastAPI validates the rest.
"""

import json
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from fastapi import Request, Response
from fastapi.routing import APIRoute

from service import request_record
from service.errors import BodyTooLarge, Invalid, NotJSON, Place, UnsupportedEncoding, UnsupportedMedia
from service.state import context_of


class JSONRoute(APIRoute):
    """A route whose body must be JSON, within the limit of the settings."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, given a body that is read and parsed already."""
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            record = request_record.current()
            _check_headers(request)
            body = await _read(request, context_of(request).settings.max_body_bytes)
            record.lap("read")
            document = parse(body)
            if b"\\ud" in body or b"\\uD" in body:  # an escaped surrogate, paired or not
                _refuse_lone_surrogates(document)
            record.lap("parse")
            return await handle(_ParsedRequest(request, body, document))

        return handle_json


class _ParsedRequest(Request):
    """A request whose body has been read and parsed."""

    def __init__(self, request: Request, body: bytes, document: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._body = body
        self._document = document

    async def json(self) -> Any:
        return self._document


def _check_headers(request: Request) -> None:
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise UnsupportedEncoding(
            "Compressed bodies are not spoken here; send the JSON as it is, without Content-Encoding."
        )
    media_type, *parameters = request.headers.get("content-type", "").lower().split(";")
    media_type = media_type.strip()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise UnsupportedMedia("Send the body as Content-Type: application/json.")
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name == "charset" and value.strip('"') not in {"utf-8", "utf8", "us-ascii"}:
            raise UnsupportedMedia("JSON is UTF-8; send it so, and leave charset out.")


async def _read(request: Request, limit: int) -> bytes:
    too_large = f"The body is over the limit of {limit} bytes; send fewer or shorter inputs a request."
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise BodyTooLarge(too_large)
    chunks, size = [], 0
    async for chunk in request.stream():  # without Content-Length too, no more than the limit is ever held
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(too_large)
        chunks.append(chunk)
    return b"".join(chunks)


def parse(body: bytes) -> Any:
    """A JSON document (RFC 8259, UTF-8) from bytes. Raises `NotJSON` saying where and why it is none."""
    if not body.strip():
        raise NotJSON("The body is empty; send a JSON object.")
    try:
        return json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant, parse_int=_parse_int)
    except UnicodeDecodeError as error:
        raise NotJSON(f"The body is not UTF-8 at byte {error.start}; JSON is UTF-8.") from None
    except json.JSONDecodeError as error:
        raise NotJSON(f"{error.msg} at line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise NotJSON("The JSON is nested too deeply.") from None


def _refuse_lone_surrogates(document: Any) -> None:
    """Raise `Invalid` with the place where a string holds half of a surrogate pair.

    JSON can escape one; UTF-8 can't hold it, and neither can the tokenizer.
    """
    try:
        json.dumps(document, ensure_ascii=False).encode()
        return
    except UnicodeEncodeError:
        message = "A lone surrogate is no Unicode character; send whole code points"
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), document)]  # no recursion: nesting may be deep
    while waiting:
        place, value = waiting.pop()
        if isinstance(value, str) and _has_lone_surrogate(value):
            raise Invalid([Place(place, message)])
        if isinstance(value, dict):
            if any(_has_lone_surrogate(key) for key in value):
                raise Invalid([Place(place, message)])
            waiting += [((*place, key), child) for key, child in value.items() if isinstance(child, str | dict | list)]
        elif isinstance(value, list):
            waiting += [
                ((*place, index), child) for index, child in enumerate(value) if isinstance(child, str | dict | list)
            ]


def _has_lone_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _refuse_constant(name: str) -> NoReturn:
    raise NotJSON(f"{name} is not JSON; send null where a value is missing.")


def _parse_int(digits: str) -> int | float:
    # Python reads no integer of over 4,300 digits; as a float it is infinite, and refused as a value, not as syntax.
    return int(digits) if len(digits) <= 300 else float(digits)
