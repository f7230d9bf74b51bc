"""A real service on a free port and a real browser: what every test of the page stands on."""

import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from bundle.manifest import Manifest
from bundle.store import Bundle, publish, read_bundle, set_alias, version_folder
from service.app import create_app
from service.settings import Settings
from tests.page.visit import Visit, visit_in
from tests.support.service_process import wait_for_self_tests

DESKTOP = ViewportSize(width=1280, height=850)
PHONE = ViewportSize(width=375, height=800)
NO_BROWSER = "no browser: the page's tests need Debian's package chromium (apt-get install chromium)"


def renamed(bundle: Bundle, name: str, version: int, checksums: dict[str, str]) -> Manifest:
    update = {"name": name, "version": version, "architecture": "rnn", "files": checksums, "limits": f"Of {name}."}
    return bundle.manifest.model_copy(update=update)


@pytest.fixture(scope="session")
def page_store(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny store, and models of somebody's own: one for texts and one for series."""
    store = Path(shutil.copytree(tiny_store, tmp_path_factory.mktemp("page") / "store"))
    for original, name in (("spam-cnn", "my-filter"), ("ridership-wavenet", "ridership-rnn")):
        bundle = read_bundle(version_folder(store, original, 1))
        publish(store, name, dict(bundle.files), partial(renamed, bundle, name))
    set_alias(store, "mine", "my-filter")
    return store


@contextmanager
def served(settings: Settings, headers: dict[str, str] | None = None) -> Iterator[str]:
    """The address of a service; `headers` are those that it wants to be asked with."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until = time.monotonic() + 30
    while not server.started and thread.is_alive() and time.monotonic() < until:
        time.sleep(0.05)
    assert server.started
    wait_for_self_tests(f"http://127.0.0.1:{port}", headers)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(30)


@pytest.fixture(scope="session")
def base(page_store: Path) -> Iterator[str]:
    """Address of the service."""
    with served(Settings(store=page_store)) as address:
        yield address


# For one module: as long as it runs, no other event loop can run in this thread.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None and "CI" in os.environ:
        pytest.fail(NO_BROWSER)
    if chromium is None:
        pytest.skip(NO_BROWSER)
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as browser,
    ):
        yield browser


@pytest.fixture(scope="module")
def opened(browser: Browser, base: str) -> Iterator[Page]:
    """A page that is only asked what its modules compute."""
    page = browser.new_page()
    page.goto(base)
    yield page
    page.close()


@pytest.fixture(scope="module")
def desk(browser: Browser) -> Iterator[BrowserContext]:
    """What visits at a desk share: the browser's cache, so that the chart library is fetched once."""
    with browser.new_context(viewport=DESKTOP, permissions=["clipboard-read", "clipboard-write"]) as context:
        yield context


@pytest.fixture
def visit(desk: BrowserContext, base: str) -> Iterator[Visit]:
    """A visit at a desk, in light colours."""
    yield from visit_in(desk, base)


@pytest.fixture
def bare_visit(desk: BrowserContext, tmp_path: Path) -> Iterator[Visit]:
    """A visit to a service without models."""
    with served(Settings(store=tmp_path)) as base:
        yield from visit_in(desk, base)


@pytest.fixture(params=[("light", "desktop"), ("dark", "desktop"), ("light", "phone"), ("dark", "phone")], ids="-".join)
def looks(request: pytest.FixtureRequest, browser: Browser, base: str) -> Iterator[Visit]:
    """The same visit in both themes, at a desk and on a phone."""
    theme, size = request.param
    with browser.new_context(viewport=PHONE if size == "phone" else DESKTOP, color_scheme=theme) as context:
        yield from visit_in(context, base)
