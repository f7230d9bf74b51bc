"""A third task on the page: its tab, tile and card come from its own folder; no file of `static` names it."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from playwright.sync_api import expect

from service.page import routes
from service.tasks.table import TASKS
from service.tasks.task import Task
from tests.page.browser import Visit, chromium, serving, visit_in

pytestmark = pytest.mark.slow

MODEL = {
    "name": "vowels-cnn",
    "task": "vowels",
    "architecture": "cnn",
    "version": 3,
    "versions": [3],
    "aliases": ["counter"],
    "alphabet": "English",
}
CARD: dict[str, Any] = {
    "name": "vowels-cnn",
    "version": 3,
    "versions": [3],
    "aliases": ["counter"],
    "manifest": {
        "name": "vowels-cnn",
        "spec": {"task": "vowels", "max_characters": 256},
        "architecture": "cnn",
        "parameters": 321,
        "created": "2026-01-31T00:00:00Z",
        "seed": 7,
        "intended_use": "Count the vowels of English words.",
        "limits": "Names are not words.",
        "data": [],
        "calibration": {},
    },
    "metrics": {"mae": 0.25},
    "baselines": {"length": {"mae": 1.5}},
    "report": {},
    "files": [],
}


def stubbed_api() -> APIRouter:
    router = APIRouter()
    models = {
        "models": [MODEL],
        "aliases": {"counter": {"name": "vowels-cnn", "pinned": None, "version": 3}},
        "refused": [],
        "pending": [],
    }
    router.add_api_route("/models", lambda: models)
    router.add_api_route("/models/vowels-cnn", lambda: CARD)
    router.add_api_route("/vowels", lambda: {"results": [{"vowels": 4.0}]}, methods=["POST"])
    return router


def visit_with(task: Task) -> Iterator[Visit]:
    app = FastAPI()
    app.include_router(routes.router({**TASKS, task.name: task}))
    app.include_router(stubbed_api())
    with serving(app) as base, chromium() as browser, browser.new_context() as context:
        yield from visit_in(context, base)


@pytest.fixture
def vowels() -> Task:
    """The entry of the third task, as far as the page reads it."""
    folder = Path(__file__).parent / "page"
    return dataclasses.replace(TASKS["classify"], name="vowels", title="Count vowels", page=folder)


@pytest.fixture
def visit(vowels: Task) -> Iterator[Visit]:
    yield from visit_with(vowels)


@pytest.fixture
def visit_without_files(vowels: Task, tmp_path: Path) -> Iterator[Visit]:
    yield from visit_with(dataclasses.replace(vowels, page=tmp_path / "absent"))


def test_third_task_has_a_tab_a_tile_and_a_card(visit: Visit) -> None:
    page = visit.page
    page.goto(visit.base)
    assert page.get_by_role("navigation").get_by_role("link").all_text_contents() == [
        *(task.title for task in TASKS.values()),
        "Count vowels",
        "Models",
        "API",
    ]
    page.get_by_role("link", name="Models", exact=True).click()
    tile = page.locator(".tile")
    expect(tile).to_contain_text("Count the vowels of English words.")
    expect(tile).to_contain_text("cnn · version 3 · alphabet: English")
    assert page.locator("#models-list h2").all_text_contents() == ["Count vowels"]
    tile.get_by_role("link").click()
    expect(page.locator("#card .facts")).to_contain_text("window256 characters")
    expect(page.get_by_role("table")).to_contain_text("mae0.251.5")
    page.get_by_role("link", name="Try it").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Count vowels")
    expect(page.locator("#vowels-model")).to_have_value("vowels-cnn")
    page.get_by_role("button", name="Count vowels").click()
    expect(page.locator("#vowels-status")).to_have_text("4.0 vowels")
    expect(page.locator("#vowels-request")).to_contain_text('"inputs":["seaside"]')


def test_models_of_a_task_without_page_files_are_listed(visit_without_files: Visit) -> None:
    page = visit_without_files.page
    page.goto(f"{visit_without_files.base}/#models")
    expect(page.locator(".tile")).to_contain_text("cnn · version 3")
    page.locator(".tile").get_by_role("link").click()
    expect(page.locator("#card")).to_contain_text("Names are not words.")
    expect(page.get_by_role("link", name="Try it")).to_have_count(0)
    expect(page.get_by_role("link", name="Count vowels")).to_have_count(0)
