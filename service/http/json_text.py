"""JSON text (RFC 8259, UTF-8) to a document, with words for what is wrong. Shapes and values are checked after it."""

import json
import re
from typing import Any, NoReturn

from service.errors import FieldError, Invalid, NotJSON


def parse(body: bytes) -> Any:
    """The document. Raises `NotJSON` saying where and why it is none; `Invalid` for half of a surrogate pair."""
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


_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def _refuse_lone_surrogates(document: Any) -> None:
    """Raise `Invalid` for a string with half of a surrogate pair: JSON can escape one, but UTF-8 can't hold it."""
    try:
        json.dumps(document, ensure_ascii=False).encode()
        return
    except UnicodeEncodeError:
        message = "A lone surrogate is no Unicode character; send whole code points"
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), document)]  # no recursion: nesting may be deep
    while waiting:
        loc, value = waiting.pop()
        text = value if isinstance(value, str) else "".join(value) if isinstance(value, dict) else ""
        if _LONE_SURROGATE.search(text):
            raise Invalid([FieldError(loc, message)])
        if not isinstance(value, str):
            children = value.items() if isinstance(value, dict) else enumerate(value)
            waiting += [((*loc, key), child) for key, child in children if isinstance(child, str | dict | list)]


def _refuse_constant(name: str) -> NoReturn:
    raise NotJSON(f"{name} is not JSON; send null where a value is missing.")


def _parse_int(digits: str) -> int | float:
    # Python reads no integer of over 4,300 digits; as a float it is infinite, and refused as a value, not as syntax.
    return int(digits) if len(digits) <= 310 else float(digits)
