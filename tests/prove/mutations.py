"""Requests that nobody sane would send, and some that they would: endlessly many, the same for the same seed.

Most are JSON: half or more are to get past the parser, to what lies behind it.
"""

import json
import random
from collections.abc import Iterator
from typing import Any

from tests.prove.client import get, post

# fmt: off
SEEDS: list[tuple[str, dict[str, Any]]] = [
    ("/classify", {"model": "spam", "inputs": ["win a prize", "see you at 8"], "top_k": 1}),
    ("/classify", {"model": "sentiment", "inputs": "what a day", "explain": True}),
    ("/classify", {"model": "spam-cnn", "version": 4, "inputs": [""]}),
    ("/forecast", {"model": "forecast", "values": [1, 2, None, 4.5], "horizon": 3, "levels": [50, 80.5]}),
    ("/forecast",
        {"model": "ridership",
        "series": [
        {"id": "rail", "values": [717818, 724305, 736055, 756405, None, 394823, 275711], "start": "2019-01-07",
        "freq": "D", "past_covariates": {"bus": [1, 2, 3, 4, 5, 6, 7]},
        "future_covariates": {"day_type": ["W", "W", "W", "W", "W", "A", "U", "W"]}}], "explain": True}),
    ("/forecast", {"model": "forecast-wavenet", "values": [3.5] * 30, "start": "2020-02-29T12:00+01:00", "freq": "h"}),
    ("/outcomes",
        {"model": "ridership", "version": 3, "outcomes": [{"level": 80, "lower": 1, "upper": 2, "actual": 1.5}]}),
]
# fmt: on
"""Right requests, from which all others are made."""
PATHS = [
    "/",
    "/livez",
    "/readyz",
    "/metrics",
    "/models",
    "/models/spam",
    "/openapi.json",
    "/docs",
    "/classify",
    "/nope",
]
NUMBERS: list[Any] = [0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**400, 1e308, -1e308, 5e-324, 1e-7, 0.1, 94.9999999, -0.0]
STRINGS = [
    "",
    " ",
    "\x00",
    "\u202e\u0301\u200d",
    "\U0001f600" * 40,
    "a" * 5000,
    "ß\ufb03İ",
    "../../etc/passwd",
    "${jndi:ldap://x}",
    "' OR 1=1 --",
    "\ufffe\uffff",
    "9999-12-31",
    "0001-01-01",
    "2019-W01-1",
    "spam",
    "forecast",
    "D",
    "B",
    "\ud800",
    "\r\nSet-Cookie: x=y",
]
CONSTANTS: list[Any] = [None, True, False, [], {}, [[]], [None], {"": {}}, [1, "1"], "NaN", 1.5]


def requests(seed: int) -> Iterator[bytes]:
    """Requests, as bytes, each whole: another can follow on the same connection."""
    drawn = random.Random(seed)
    while True:
        path, document = drawn.choice(SEEDS)
        kind = drawn.random()
        if kind < 0.04:
            yield get(_odd_path(drawn))
        elif kind < 0.08:
            yield post(path, json.dumps(document).encode(), _odd_headers(drawn))
        elif kind < 0.24:
            yield post(path, _damaged(drawn, json.dumps(mutated(drawn, document)).encode()))
        else:
            for _ in range(drawn.choice([0, 1, 1, 1, 2, 4])):
                document = mutated(drawn, document)
            ascii_only = drawn.random() < 0.5
            yield post(path, json.dumps(document, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass"))


def mutated(drawn: random.Random, document: Any) -> Any:
    """A JSON document with one change somewhere."""
    if isinstance(document, dict) and document and drawn.random() < 0.9:
        key = drawn.choice(list(document))
        match drawn.randrange(12):
            case 0:
                return {other: value for other, value in document.items() if other != key}
            case 1:
                return document | {drawn.choice([*STRINGS, "model", "series", "values", "id"]): _anything(drawn)}
            case 2:
                return document | {key: document[drawn.choice(list(document))]}
            case _:
                return document | {key: mutated(drawn, document[key])}
    if isinstance(document, list) and document and drawn.random() < 0.9:
        place = drawn.randrange(len(document))
        match drawn.randrange(6):
            case 0:
                return document[:place] + document[place + 1 :]
            case 1:
                return document * drawn.choice([2, 3, 20])
            case 2:
                return [*document[:place], _anything(drawn), *document[place:]]
            case _:
                return [*document[:place], mutated(drawn, document[place]), *document[place + 1 :]]
    if isinstance(document, str) and document and drawn.random() < 0.6:
        place = drawn.randrange(len(document) + 1)
        character = chr(drawn.choice([drawn.randrange(128), drawn.randrange(0x2000), drawn.randrange(0x20000)]))
        return document[:place] + character + document[place:]
    if isinstance(document, int | float) and abs(document) < 1e300 and drawn.random() < 0.5:
        return document * drawn.choice([-1, 0.5, 2, 1e9])
    return _anything(drawn)


def _anything(drawn: random.Random) -> Any:
    match drawn.randrange(4):
        case 0:
            return drawn.choice(NUMBERS)
        case 1:
            return drawn.choice(STRINGS)
        case 2:
            return drawn.choice(CONSTANTS)
        case _:
            return [drawn.choice([*NUMBERS, None]) for _ in range(drawn.randrange(8))]


def _damaged(drawn: random.Random, body: bytes) -> bytes:
    """Bytes changed, lost, doubled, or put in."""
    damaged = bytearray(body)
    for _ in range(drawn.choice([1, 1, 2, 8])):
        place = drawn.randrange(len(damaged) + 1)
        match drawn.randrange(5):
            case 0:
                damaged[place : place + 1] = bytes([drawn.randrange(256)])
            case 1:
                del damaged[place : place + drawn.randrange(1, 9)]
            case 2:
                damaged[place:place] = damaged[place : place + 30]
            case 3:
                damaged[place:place] = drawn.choice(
                    [b"[" * 2000, b'{"a":' * 500, b"\xff", b"\xed\xa0\x80", b"NaN", b"1e999"]
                )
            case _:
                del damaged[place:]
    return bytes(damaged)


def _odd_path(drawn: random.Random) -> str:
    path = drawn.choice(PATHS)
    for _ in range(drawn.randrange(3)):
        path += drawn.choice(
            ["/", "/..", "%00", "%2e%2e/", "?a=b&a=c", "//", "/versions/", "99999999999999999999", ";x", "%ff"]
        )
    return path


def _odd_headers(drawn: random.Random) -> str:
    lines = {
        "X-Request-ID": drawn.choice(["", "x" * 3000, "\xff\xfe", "a b", "\t"]),
        "traceparent": drawn.choice(["00-0-0-00", "00-" + "a" * 32 + "-" + "b" * 16 + "-01", "x" * 500]),
        "Content-Encoding": drawn.choice(["identity", "gzip", "br", "", "identity, gzip"]),
        "Accept": drawn.choice(["text/html", "*/*;q=0", "application/json"]),
        "Range": "bytes=0-1",
        "Origin": "null",
        "Cookie": "a=b; " * 200,
        "Authorization": drawn.choice(["Bearer ", "Bearer " + "k" * 2000, "Basic ::", "\x7f"]),
        "X-Forwarded-For": "127.0.0.1, unknown",
    }
    chosen = drawn.sample(list(lines), drawn.randrange(1, 4))
    return "".join(f"{name}: {lines[name]}\r\n" for name in chosen)
