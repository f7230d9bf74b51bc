"""The pages at `/` and `/docs` and their assets, sent with a strict Content-Security-Policy.

The page is plain HTML, CSS and ES modules and calls the public routes. `static` holds what all tasks share; each task
adds the files of its own folder, under `/assets/<task>/`. The chart library comes from the installed `plotly` package,
never from another host; the page loads it when the first chart is drawn.
"""

import asyncio
import functools
import gzip
import hashlib
import html
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path

from fastapi import APIRouter, Request, Response

from service.errors import NotFound
from service.http.headers import OF_PAGES
from service.tasks.task import Task

PAGE = Path(__file__).parent / "static"
PANEL, MODULE, STYLE = "view.html", "view.js", "view.css"
"""Files of a task's folder that the page uses by name, each optional: see `service.tasks.task.Task.page`."""
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
CHART_LIBRARY = distribution("plotly")
CHART_LIBRARY_FILE = f"plotly-{CHART_LIBRARY.version}.min.js"

REVALIDATE, IMMUTABLE = "no-cache", "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Asset:
    """One file, kept compressed."""

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
        """The file, compressed if the client accepts gzip; 304 if it has the file already."""
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


def router(tasks: Mapping[str, Task]) -> APIRouter:
    """The routes of the page; each file is read when it is first requested."""
    files: dict[str, Callable[[], bytes]] = {path.name: path.read_bytes for path in _files(PAGE)}
    for task in tasks.values():
        files |= {f"{task.name}/{path.name}": path.read_bytes for path in _files(task.page)}
    files["index.html"] = functools.partial(_index, tasks)
    files["tasks.js"] = functools.partial(_tasks_module, tasks)
    files[CHART_LIBRARY_FILE] = _chart_library

    @functools.cache
    def load(name: str) -> Asset:
        return Asset.of(files[name](), Path(name).suffix, IMMUTABLE if name == CHART_LIBRARY_FILE else REVALIDATE)

    routes = APIRouter()

    @routes.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def page(request: Request) -> Response:
        return (await asyncio.to_thread(load, "index.html")).response(request)

    @routes.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
    async def docs(request: Request) -> Response:
        return (await asyncio.to_thread(load, "docs.html")).response(request)

    @routes.api_route("/assets/{name:path}", methods=["GET", "HEAD"], include_in_schema=False)
    async def asset(name: str, request: Request) -> Response:
        if name not in files or name.endswith(".html"):
            raise NotFound("The page has no such file.")
        return (await asyncio.to_thread(load, name)).response(request)

    return routes


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("*") if path.suffix in MEDIA_TYPES)


def _chart_library() -> bytes:
    return Path(str(CHART_LIBRARY.locate_file("plotly/package_data/plotly.min.js"))).read_bytes()


def _index(tasks: Mapping[str, Task]) -> bytes:
    """`index.html` with a tab and a panel for each task that has one.

    The chart library also draws maps. For them it inserts a style sheet, which the policy refuses, unless an element
    with that sheet's id exists: the page has an empty one.
    """
    map_style = re.search(rb'getElementById\("([0-9a-f]{64})"\)', _chart_library())
    shown = [task for task in tasks.values() if (task.page / PANEL).is_file()]
    blanks = {
        "chart_library": CHART_LIBRARY_FILE,
        "map_style": map_style[1].decode() if map_style else "no-map-style",
        "styles": "\n".join(
            f'<link rel="stylesheet" href="assets/{task.name}/{STYLE}">'
            for task in shown
            if (task.page / STYLE).is_file()
        ),
        "tabs": "\n    ".join(f'<a href="#{task.name}">{html.escape(task.title)}</a>' for task in shown),
        "panels": "\n".join(
            f'''<section id="view-{task.name}" class="view" aria-labelledby="{task.name}-title" hidden>
<h1 id="{task.name}-title" tabindex="-1">{html.escape(task.title)}</h1>
{(task.page / PANEL).read_text()}</section>'''
            for task in shown
        ),
    }
    page = (PAGE / "index.html").read_text()
    return re.sub(r"\{\{(\w+)\}\}", lambda blank: blanks[blank[1]], page).encode()


def _tasks_module(tasks: Mapping[str, Task]) -> bytes:
    """An ES module that exports `tasks`: name, title, and what the task's own module exports."""
    imports, entries = [], []
    for index, task in enumerate(tasks.values()):
        own = {"name": task.name, "title": task.title}
        if (task.page / MODULE).is_file():
            imports.append(f'import * as view{index} from "./{task.name}/{MODULE}";\n')
            entries.append(f"  {{ ...view{index}, ...{json.dumps(own)} }},\n")
        else:
            entries.append(f"  {json.dumps(own)},\n")
    return f"{''.join(imports)}export const tasks = [\n{''.join(entries)}];\n".encode()
