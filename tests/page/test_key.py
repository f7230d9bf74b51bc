"""The pages where the service asks for a key, in a real browser; and `/docs` under its policy."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from service.access.keys import Limits, new_key, write_keys
from service.settings import Settings
from tests.page.browser import IDLE, Visit, visit_in
from tests.page.conftest import served

pytestmark = pytest.mark.slow

UNAUTHORIZED = "Failed to load resource: the server responded with a status of 401 (Unauthorized)"


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    made = new_key("page", ["predict", "read"], None, Limits())
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    write_keys(path, [made.key])
    return path, made.text


@pytest.fixture(scope="module")
def keyed_base(page_store: Path, key: tuple[Path, str]) -> Iterator[str]:
    with served(Settings(store=page_store, api_keys_file=key[0]), {"X-API-Key": key[1]}) as address:
        yield address


@pytest.fixture
def keyed(desktop: BrowserContext, keyed_base: str) -> Iterator[Visit]:
    """A visit to a service that asks for a key; the browser logs the 401 of the first request."""
    for visit in visit_in(desktop, keyed_base):
        yield visit
        assert set(visit.logged) <= {UNAUTHORIZED}
        visit.logged.clear()


def enter(page: Page, key: str) -> None:
    page.get_by_label("Key").fill(key)
    page.get_by_role("button", name="Use this key").click()


def test_the_page_asks_for_a_key_and_then_works(keyed: Visit, key: tuple[Path, str]) -> None:
    page = keyed.page
    page.goto(keyed.base)
    expect(page.get_by_role("heading", level=1)).to_have_text("This service asks for a key")
    enter(page, "seqserve_no")
    expect(page.get_by_role("alert")).to_contain_text("none of this service's")
    enter(page, key[1])
    page.wait_for_function(IDLE)
    expect(page.locator(".result")).to_have_count(3)
    assert key[1] not in page.content()
    page.locator("#classify-jump").click()
    expect(page.locator("#classify-request")).to_contain_text('-H "Authorization: Bearer $API_KEY"')
    page.get_by_role("button", name="Forget key").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("This service asks for a key")


def test_plots_and_reports_are_shown_with_a_key(keyed: Visit, key: tuple[Path, str]) -> None:
    page = keyed.page
    page.goto(f"{keyed.base}/#models/spam-cnn")
    enter(page, key[1])
    plots = page.locator(".plots img")
    expect(plots.first).to_have_attribute("src", re.compile("^data:image/svg"))
    with page.expect_popup() as opened:
        page.get_by_role("link", name="report.md").click()
    assert opened.value.url.startswith("blob:")
    opened.value.close()


def test_the_documentation_asks_with_the_same_key(keyed: Visit, key: tuple[Path, str]) -> None:
    page = keyed.page
    page.goto(f"{keyed.base}/docs")
    enter(page, key[1])
    page.locator("#operations-models-list_models").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table .response-col_status").last).to_contain_text("200")


def test_the_documentation_keeps_to_its_policy(visit: Visit) -> None:
    page = visit.page
    page.goto(f"{visit.base}/docs")
    page.locator("#operations-predict-classify").click()
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table").first).to_be_visible()
