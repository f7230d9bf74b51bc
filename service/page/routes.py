"""The pages at `/` and `/docs`: the files of `service/page/static` and what they draw with, sent with a strict policy.

The page is plain HTML, CSS and ES modules and calls the routes that anyone may call. The chart library comes from the
installed `plotly` package, never from another host; the page asks for it when the first chart is drawn.
"""

import asyncio
import functools
import gzip
import hashlib
import re
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from fastapi import APIRouter, Request, Response

from service.errors import UnknownFile
from service.http.headers import OF_PAGES

PAGE = Path(__file__).parent / "static"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
CHART_LIBRARY = distribution("plotly")
CHART_LIBRARY_FILE = f"plotly-{CHART_LIBRARY.version}.min.js"

ASK_AGAIN, KEEP = "no-cache", "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Asset:
    """One file as nearly all browsers take it; compressed is how it is kept, too."""

    gzipped: bytes
    media_type: str
    etag: str
    cache_control: str

    @classmethod
    def of(cls, content: bytes, suffix: str, cache_control: str) -> "Asset":
        """Compress the content once."""
        etag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
        return cls(gzip.compress(content, 6), MEDIA_TYPES[suffix], etag, cache_control)

    def response(self, request: Request) -> Response:
        """The file, compressed where the browser takes it; 304 where the browser has it."""
        headers = {
            **OF_PAGES,
            "Cache-Control": self.cache_control,
            "ETag": self.etag,
            "Vary": "Accept-Encoding",
        }
        if self.etag in request.headers.get("If-None-Match", ""):
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            return Response(self.gzipped, media_type=self.media_type, headers={**headers, "Content-Encoding": "gzip"})
        return Response(gzip.decompress(self.gzipped), media_type=self.media_type, headers=headers)


def router() -> APIRouter:
    """The routes of the page; each file is read when it is first asked for."""
    names = {path.name for path in PAGE.iterdir() if path.suffix in MEDIA_TYPES} - {"index.html", "docs.html"}
    routes = APIRouter()

    @routes.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def page(request: Request) -> Response:
        return (await asyncio.to_thread(_index)).response(request)

    @routes.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
    async def docs(request: Request) -> Response:
        return (await asyncio.to_thread(_file, "docs.html")).response(request)

    @routes.api_route("/assets/{name}", methods=["GET", "HEAD"], include_in_schema=False)
    async def asset(name: str, request: Request) -> Response:
        if name == CHART_LIBRARY_FILE:
            return (await asyncio.to_thread(_chart_library)).response(request)
        if name not in names:
            raise UnknownFile("The page has no such file.")
        return (await asyncio.to_thread(_file, name)).response(request)

    return routes


@functools.cache
def _index() -> Asset:
    return Asset.of(_filled_in((PAGE / "index.html").read_bytes()), ".html", ASK_AGAIN)


@functools.cache
def _file(name: str) -> Asset:
    return Asset.of((PAGE / name).read_bytes(), Path(name).suffix, ASK_AGAIN)


@functools.cache
def _chart_library() -> Asset:
    return Asset.of(_chart_library_source(), ".js", KEEP)


def _chart_library_source() -> bytes:
    return Path(str(CHART_LIBRARY.locate_file("plotly/package_data/plotly.min.js"))).read_bytes()


def _filled_in(index: bytes) -> bytes:
    """The page with what it must know of the chart library.

    Maps, which the library can draw too, bring a style sheet along that the policy refuses, unless an element of its id
    is there already: then the library doesn't add it, and nothing is refused.
    """
    map_style = re.search(rb'getElementById\("([0-9a-f]{64})"\)', _chart_library_source())
    return index.replace(b"{{chart_library}}", CHART_LIBRARY_FILE.encode()).replace(
        b"{{map_style}}", map_style[1] if map_style else b"no-map-style"
    )
