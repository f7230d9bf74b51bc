"""The task on the page: its tab, tile and card come from its own folder; no file of `service/page` names it."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from service.app import create_app
from service.settings import Settings
from service.tasks.table import TASKS
from tests.page.browser import Visit, chromium, serving, visit_in
from tests.support.service_process import wait_for_self_tests

pytestmark = pytest.mark.slow


@pytest.fixture
def visit(vowels_store: Path) -> Iterator[Visit]:
    with (
        serving(create_app(Settings(store=vowels_store))) as base,
        chromium() as browser,
        browser.new_context() as tabs,
    ):
        wait_for_self_tests(base)
        yield from visit_in(tabs, base)


@pytest.fixture
def without_page_files(registered: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(TASKS, "vowels", dataclasses.replace(TASKS["vowels"], page=tmp_path / "absent"))


def test_it_has_a_tab_a_tile_and_a_card(visit: Visit) -> None:
    page = visit.page
    page.goto(f"{visit.base}/#models")
    tabs = page.get_by_role("navigation").get_by_role("link").all_text_contents()
    assert tabs == ["Classify", "Forecast", "Count vowels", "Models", "API"]
    tile = page.locator(".tile").filter(has_text="vowels-linear")
    expect(tile).to_contain_text("version 1 · reads 64 characters")
    tile.get_by_role("link").click()
    expect(page.locator("#card .facts")).to_contain_text("window64 characters")
    expect(page.get_by_role("table")).to_contain_text("mae")
    page.get_by_role("link", name="Try it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Count vowels")
    expect(page.locator("#vowels-model")).to_have_value("vowels-linear")
    page.get_by_role("button", name="Count vowels").click()
    expect(page.locator("#vowels-status")).to_have_text("3 vowels")
    expect(page.locator("#vowels-request")).to_contain_text('"inputs":["aria"]')


@pytest.mark.usefixtures("without_page_files")
def test_its_models_are_listed_without_page_files(visit: Visit) -> None:
    page = visit.page
    page.goto(f"{visit.base}/#models")
    tile = page.locator(".tile").filter(has_text="vowels-linear")
    tile.get_by_role("link").click()
    expect(page.locator("#card .facts")).to_contain_text("version1")
    expect(page.get_by_role("link", name="Try it")).to_have_count(0)
    expect(page.get_by_role("link", name="Count vowels")).to_have_count(0)
