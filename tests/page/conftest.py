"""Fixtures of the page's tests: a real service with tiny models, and a real browser."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize

from bundle.manifest import Manifest
from bundle.store import Bundle, publish, read_bundle, set_alias, version_folder
from service.app import create_app
from service.settings import Settings
from tests.page.browser import Visit, chromium, serving, visit_in
from tests.support.service_process import wait_for_self_tests

DESKTOP = ViewportSize(width=1280, height=850)
PHONE = ViewportSize(width=375, height=800)


def renamed(bundle: Bundle, name: str, version: int, checksums: dict[str, str]) -> Manifest:
    update = {"name": name, "version": version, "architecture": "rnn", "files": checksums, "limits": f"Of {name}."}
    return bundle.manifest.model_copy(update=update)


@pytest.fixture(scope="session")
def page_store(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny store, a forecaster of any frequency, and a second model of each task, one with an alias of its own."""
    store = Path(shutil.copytree(tiny_store, tmp_path_factory.mktemp("page") / "store"))
    for original, name in (("spam-cnn", "my-filter"), ("ridership-wavenet", "ridership-rnn")):
        bundle = read_bundle(version_folder(store, original, 1))
        publish(store, name, dict(bundle.files), partial(renamed, bundle, name))
    set_alias(store, "mine", "my-filter")
    return store


@contextmanager
def served(settings: Settings, headers: dict[str, str] | None = None) -> Iterator[str]:
    """The address of a service once its models are tested; `headers` are those of a client that it accepts."""
    with serving(create_app(settings)) as address:
        wait_for_self_tests(address, headers)
        yield address


@pytest.fixture(scope="session")
def base(page_store: Path) -> Iterator[str]:
    """Address of the service."""
    with served(Settings(store=page_store)) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def modules(browser: Browser, base: str) -> Iterator[Page]:
    """A tab whose modules are called directly."""
    page = browser.new_page()
    page.goto(base)
    yield page
    page.close()


@pytest.fixture(scope="module")
def desktop(browser: Browser) -> Iterator[BrowserContext]:
    """Shared by visits, so that the chart library is fetched once."""
    with browser.new_context(viewport=DESKTOP, permissions=["clipboard-read", "clipboard-write"]) as context:
        yield context


@pytest.fixture
def visit(desktop: BrowserContext, base: str) -> Iterator[Visit]:
    """A visit on a desktop, in light colours."""
    yield from visit_in(desktop, base)


@pytest.fixture
def empty_visit(desktop: BrowserContext, tmp_path: Path) -> Iterator[Visit]:
    """A visit to a service without models."""
    with served(Settings(store=tmp_path)) as base:
        yield from visit_in(desktop, base)


@pytest.fixture(params=["light", "dark"])
def themed_visit(request: pytest.FixtureRequest, browser: Browser, base: str) -> Iterator[Visit]:
    """The same visit on a desktop in light colours, and on a phone in dark ones."""
    size = DESKTOP if request.param == "light" else PHONE
    with browser.new_context(viewport=size, color_scheme=request.param) as context:
        yield from visit_in(context, base)
