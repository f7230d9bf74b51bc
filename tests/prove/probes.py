"""What is sent to break a server's HTTP, by name, and the statuses it may be answered with."""

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tests.prove.client import get, post
from tests.support.raw_http import MALFORMED

BODY = json.dumps({"model": "spam", "inputs": "hello"}).encode()
AFTER = get("/livez").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
"""Ends what is sent where the connection should still be good."""
LINE = b"POST /classify HTTP/1.1\r\nHost: seqserve\r\nContent-Type: application/json\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: seqserve\r\n\r\n"
"""An answer more than was asked for is a 404 that gives it away."""


@dataclass(frozen=True)
class Probe:
    """Bytes to be sent, and every sequence of statuses that is a sound answer to them; none: the connection ends."""

    sent: bytes
    answers: tuple[tuple[int, ...], ...]


REFUSED = ((400,), (), (431,), (413,), (414,))
"""The connection ends, with one answer that says why or with none."""


def _with_header(line: bytes) -> bytes:
    return LINE + line + b"\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY


def _chunked(*parts: bytes) -> bytes:
    return LINE + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(parts)


def _whole(*chunks: bytes) -> bytes:
    return _chunked(*(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks), b"0\r\n\r\n")


def _encoded(encoding: str, body: bytes) -> bytes:
    return post("/classify", body, f"Content-Encoding: {encoding}\r\nConnection: close\r\n")


_ZEROS = b" " * (256 * 1024 * 1024)
_LONG = b"x" * 1_000_000

# fmt: off
PROBES: Mapping[str, Probe] = MappingProxyType(
    {
        # pipelining
        "three pipelined": Probe(get("/livez") * 2 + AFTER, ((200, 200, 200),)),
        "fifty pipelined, of three kinds": Probe((post("/classify", BODY) + get("/nope") + post("/classify", b"{")) * 16
            + get("/livez") + AFTER, ((*((200, 404, 400) * 16), 200, 200),)),
        "a refusal, then more": Probe(post("/classify", b"[]") + AFTER, ((422, 200),)),
        # chunked
        "byte by byte in chunks": Probe(_whole(*(bytes([byte]) for byte in BODY)) + AFTER, ((200, 200),)),
        "chunk extensions and trailers": Probe(
            _chunked(b"%x;a=b\r\n%s\r\n" % (len(BODY), BODY), b"0\r\nX-Trailer: 1\r\n\r\n") + AFTER,
            ((200, 200), *REFUSED)),
        "empty chunked body": Probe(_whole() + AFTER, ((400, 200),)),
        # two lengths: which one holds decides what is smuggled behind
        "length and chunked": Probe(LINE
            + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n" % (5 + len(SMUGGLED)) + b"0\r\n\r\n"
            + SMUGGLED, REFUSED),
        "length in hexadecimal": Probe(LINE + b"Content-Length: 0x10\r\n\r\n" + BODY, REFUSED),
        "chunked with a space before the colon": Probe(LINE + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"
            + SMUGGLED, REFUSED),
        "chunked behind a tab": Probe(LINE + b"Transfer-Encoding:\tchunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n"
            + SMUGGLED, REFUSED),
        "chunked, compressed": Probe(LINE + b"Transfer-Encoding: gzip, chunked\r\n\r\n%x\r\n" % 40
            + gzip.compress(_ZEROS)[:40] + b"\r\n0\r\n\r\n", (*REFUSED, (501,), (415,))),
        # headers
        "a header of a megabyte": Probe(_with_header(b"X-Long: " + _LONG), REFUSED),
        "ten thousand headers": Probe(_with_header(b"\r\n".join(b"X-%d: %s" % (n, b"y" * 90) for n in range(10_000))),
            REFUSED),
        "a path of a megabyte": Probe(b"GET /" + _LONG + b" HTTP/1.1\r\nHost: seqserve\r\n\r\n", (*REFUSED, (404,))),
        "no host": Probe(b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n", ((200,), (400,))),
        "ends of line without carriage return": Probe(b"GET /livez HTTP/1.1\nHost: seqserve\nConnection: close\n\n",
            ((200,), *REFUSED)),
        # not HTTP/1.1
        "HTTP/1.0": Probe(b"GET /livez HTTP/1.0\r\n\r\n", ((200,),)),
        "HTTP/0.9": Probe(b"GET /livez\r\n\r\n", ((200,), *REFUSED)),
        "HTTP/9.9": Probe(b"GET /livez HTTP/9.9\r\nHost: seqserve\r\n\r\n", (*REFUSED, (505,))),
        "random bytes": Probe(bytes((index * 197 + 31) % 256 for index in range(4096)), REFUSED),
        "a method that is none": Probe(b"GE\x00T / HTTP/1.1\r\nHost: seqserve\r\n\r\n", REFUSED),
        "an absolute address": Probe(
            b"GET http://example.org/livez HTTP/1.1\r\nHost: seqserve\r\nConnection: close\r\n\r\n",
            ((200,), (404,), (400,))),
        "an upgrade to HTTP/2": Probe(
            AFTER.replace(b"Connection: close",
            b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk"), ((200,),)),
        "an upgrade to a WebSocket": Probe(
            AFTER.replace(b"Connection: close",
            b"Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="), ((200,), (403,), *REFUSED)),
        "a body asked for first": Probe(_with_header(b"Expect: 100-continue"), ((200,), (100, 200))),
        # sizes
        "a body of a terabyte, by its header": Probe(LINE + b"Content-Length: 1099511627776\r\n\r\n{", ((413,),)),
        "a chunked body over the limit": Probe(_whole(*[b" " * 1_000_000] * 20), ((413,),)),
        "a gzip bomb": Probe(_encoded("gzip", gzip.compress(_ZEROS)), ((415,),)),
        "a deflate bomb": Probe(_encoded("deflate", zlib.compress(_ZEROS)), ((415,),)),
        "a bomb compressed twice": Probe(_encoded("gzip, gzip", gzip.compress(gzip.compress(_ZEROS))), ((415,),)),
        "a zstd frame that says it is huge": Probe(
            _encoded("zstd", bytes.fromhex("28b52ffd") + b"\xe0" + b"\xff" * 8 + b"\0" * 32), ((415,),)),
        **{name: Probe(sent + SMUGGLED, REFUSED) for name, sent in MALFORMED.items()},
    }
)
# fmt: on


HALVES: Mapping[str, bytes] = MappingProxyType(
    {
        "half a request line": b"POST /clas",
        "half the headers": LINE,
        "half a body": LINE + b"Content-Length: 100\r\n\r\n{",
        "half a chunk": _chunked(b"ff\r\n{"),
    }
)
"""What is sent by clients that then hang up, say nothing more, or send a byte a second."""
