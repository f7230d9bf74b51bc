"""A real service on a free port and a real browser: what every test of the page stands on."""

import dataclasses
import os
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from bundle.manifest import Manifest
from bundle.store import Bundle, publish, read_bundle, set_alias, version_folder
from service.app import create_app
from service.settings import Settings
from tests.any_frequency import publish_any_frequency

DESKTOP = {"width": 1280, "height": 850}
PHONE = {"width": 375, "height": 800}
NO_BROWSER = "no browser: the page's tests need Debian's package chromium (apt-get install chromium)"


@dataclasses.dataclass(frozen=True)
class Visit:
    """One page, and what it did besides showing itself."""

    page: Page
    base: str
    requests: list[Request]
    complaints: list[str]

    def open(self, view: str = "") -> Page:
        """Go to a view and wait until it has settled."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.base}/{view}")
        self.page.wait_for_load_state("networkidle")
        return self.page


def renamed(bundle: Bundle, name: str, version: int, checksums: dict[str, str]) -> Manifest:
    recipe = {**bundle.manifest.recipe, "name": name}
    return bundle.manifest.model_copy(
        update={"name": name, "version": version, "recipe": recipe, "files": checksums, "limits": f"Limits of {name}."}
    )


@pytest.fixture(scope="session")
def page_store(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny store, a model of any frequency, and models of somebody's own: one for texts and one for series."""
    store = Path(shutil.copytree(tiny_store, tmp_path_factory.mktemp("page") / "store"))
    publish_any_frequency(store)
    for original, name in (("spam-cnn", "my-filter"), ("ridership-wavenet", "ridership-rnn")):
        bundle = read_bundle(version_folder(store, original, 1))
        publish(store, name, dict(bundle.files), partial(renamed, bundle, name))
    set_alias(store, "mine", "my-filter")
    return store


@pytest.fixture(scope="session")
def base(page_store: Path) -> Iterator[str]:
    """Address of the service."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = create_app(Settings(store=page_store))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    until = time.monotonic() + 30
    while not server.started and thread.is_alive() and time.monotonic() < until:
        time.sleep(0.05)
    assert server.started
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(30)


# For one module: as long as it runs, no other event loop can run in this thread.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium")
    if chromium is None and "CI" in os.environ:
        pytest.fail(NO_BROWSER)
    if chromium is None:
        pytest.skip(NO_BROWSER)
    with sync_playwright() as playwright:
        with playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"]) as browser:
            yield browser


def visit_in(context: BrowserContext, base: str) -> Iterator[Visit]:
    context.set_default_timeout(15_000)
    visit = Visit(context.new_page(), base, [], [])

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            visit.complaints.append(message.text)

    visit.page.on("console", listen)
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.on("request", lambda request: visit.requests.append(request))
    yield visit
    foreign = [one.url for one in visit.requests if not one.url.startswith((base, "data:", "about:"))]
    context.close()
    assert foreign == []
    assert visit.complaints == []


@pytest.fixture
def visit(browser: Browser, base: str) -> Iterator[Visit]:
    """A visit at a desk, in light colours. No test may ask another host or leave a complaint in the console."""
    context = browser.new_context(viewport=DESKTOP, permissions=["clipboard-read", "clipboard-write"])  # type: ignore[arg-type]
    yield from visit_in(context, base)


@pytest.fixture(params=[("light", "desktop"), ("dark", "desktop"), ("light", "phone"), ("dark", "phone")], ids="-".join)
def looks(request: pytest.FixtureRequest, browser: Browser, base: str) -> Iterator[Visit]:
    """The same visit in both themes, at a desk and on a phone."""
    theme, size = request.param
    context = browser.new_context(viewport=PHONE if size == "phone" else DESKTOP, color_scheme=theme)  # type: ignore[arg-type]
    yield from visit_in(context, base)
