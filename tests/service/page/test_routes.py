"""The page's files: media types, caching, the Content-Security-Policy, no other host."""

import gzip
import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from service.page.routes import CHART_LIBRARY_FILE, PAGE, PANEL
from service.tasks.table import TASKS

NAMESPACE = "http://www.w3.org/2000/svg"
FILES = [*PAGE.iterdir(), *(path for task in TASKS.values() for path in task.page.iterdir())]
ASSETS = [
    "tasks.js",
    *(path.name for path in PAGE.iterdir() if path.suffix != ".html"),
    *(f"{task.name}/{path.name}" for task in TASKS.values() for path in task.page.iterdir() if path.name != PANEL),
]


@pytest.fixture(params=["/", "/docs", *(f"/assets/{name}" for name in sorted(ASSETS))])
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_file_is_sent_with_its_type_and_a_strict_policy(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 200
    kind = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}.get(Path(path).suffix, "text/html")
    assert response.headers["content-type"].startswith(kind)
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy


def test_browser_that_has_a_file_is_not_sent_it_again(client: TestClient, path: str) -> None:
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]


def test_files_are_compressed_for_who_takes_it_only(client: TestClient, path: str) -> None:
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    small = client.get(path, headers={"Accept-Encoding": "gzip"})
    assert small.headers["content-encoding"] == "gzip"
    assert small.content == plain.content
    assert int(small.headers["content-length"]) < len(plain.content)


def test_chart_library_comes_from_the_installed_package_and_is_kept(client: TestClient) -> None:
    assert CHART_LIBRARY_FILE in client.get("/").text
    response = client.get(f"/assets/{CHART_LIBRARY_FILE}", headers={"Accept-Encoding": "gzip"})
    assert response.status_code == 200
    assert response.content[:200].lstrip().startswith(b"/**")
    assert "immutable" in response.headers["cache-control"]
    assert int(response.headers["content-length"]) < len(gzip.compress(response.content, 1))


def test_page_answers_head_and_leaves_nothing_to_fill_in(client: TestClient) -> None:
    assert client.head("/").status_code == 200
    assert "{{" not in client.get("/").text


def test_unknown_file_is_a_problem(client: TestClient) -> None:
    for name in (
        "nothing.js",
        "index.html",
        "docs.html",
        "classify/view.html",
        "classify/nothing.js",
        "..%2Fassets.py",
    ):
        response = client.get(f"/assets/{name}")
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"


def test_files_of_the_page_name_no_other_host() -> None:
    for file in FILES:
        found = re.findall(r"""(?:https?:)?//[\w.-]+\.[a-z]{2,}[^\s"'`)]*""", file.read_text().replace(NAMESPACE, ""))
        assert found == [], file.name
