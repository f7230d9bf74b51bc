"""From the bytes of a request to a JSON document: media type, size, syntax. Shapes and values are checked after it."""

import json
from collections.abc import Iterable
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from service.errors import BodyTooLarge, Invalid, NotJSON, Place, UnsupportedEncoding, UnsupportedMedia

RawHeaders = Iterable[tuple[bytes, bytes]]
"""As ASGI has them: names in lower case."""


def _check_media_type(content_type: str) -> None:
    media_type, *parameters = content_type.split(";")
    media_type = media_type.strip()
    if media_type != "application/json" and not (
        media_type.startswith("application/") and media_type.endswith("+json")
    ):
        raise UnsupportedMedia("Send the body as Content-Type: application/json.")
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name == "charset" and value.strip('"') not in {"utf-8", "utf8", "us-ascii"}:
            raise UnsupportedMedia("JSON is UTF-8; send it so, and leave charset out.")


async def read(headers: RawHeaders, receive: Receive, limit: int) -> bytes:
    """The whole body.

    Raises `UnsupportedEncoding` or `UnsupportedMedia` unless it is declared as plain JSON, `BodyTooLarge` when it gets
    over `limit` bytes, `ClientDisconnect` if it ends early.
    """
    if _declared_bytes(headers) > limit:
        raise _too_large(limit)
    message = await receive()
    body: bytes = message.get("body", b"")
    size, chunks = len(body), [body]
    while message.get("more_body", False):
        if size > limit:  # without Content-Length too, no more than the limit is ever held
            raise _too_large(limit)
        message = await receive()
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    if size > limit:
        raise _too_large(limit)
    return body if len(chunks) == 1 else b"".join(chunks)


def _too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is over the limit of {limit} bytes; send fewer or shorter inputs a request.")


def _declared_bytes(headers: RawHeaders) -> int:
    """What the headers say of the body: its length, 0 where they don't tell. Raises unless it is plain JSON."""
    media_type = encoding = b""
    length = 0
    for name, value in headers:
        if name == b"content-type":
            media_type = value
        elif name == b"content-length":
            length = int(value) if value.isdigit() else 0
        elif name == b"content-encoding":
            encoding = value
    if encoding.strip().lower() not in {b"", b"identity"}:
        raise UnsupportedEncoding(
            "Compressed bodies are not spoken here; send the JSON as it is, without Content-Encoding."
        )
    if media_type != b"application/json":
        _check_media_type(media_type.decode("latin-1").lower())
    return length


def parse(body: bytes) -> Any:
    """A JSON document (RFC 8259, UTF-8) from bytes.

    Raises `NotJSON` saying where and why it is none, `Invalid` where a string holds half of a surrogate pair.
    """
    if not body.strip():
        raise NotJSON("The body is empty; send a JSON object.")
    try:
        document = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant, parse_int=_parse_int)
    except UnicodeDecodeError as error:
        raise NotJSON(f"The body is not UTF-8 at byte {error.start}; JSON is UTF-8.") from None
    except json.JSONDecodeError as error:
        raise NotJSON(f"{error.msg} at line {error.lineno}, column {error.colno}.") from None
    except RecursionError:
        raise NotJSON("The JSON is nested too deeply.") from None
    if b"\\ud" in body or b"\\uD" in body:  # an escaped surrogate, paired or not
        _refuse_lone_surrogates(document)
    return document


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
