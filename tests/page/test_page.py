"""The shell of the page at `/`: opening, views, models and cards, themes, accessibility."""

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import expect

from service.page.routes import CHART_LIBRARY_FILE
from service.tasks.table import TASKS
from tests.page.browser import IDLE, Visit

pytestmark = pytest.mark.slow

VIEWS = ["", "#forecast", "#models", "#models/spam-cnn", "#models/any-frequency"]


def test_page_opens_with_an_answered_example_in_less_than_100_kilobytes(visit: Visit) -> None:
    page = visit.open()
    expect(page.get_by_role("heading", level=1)).to_have_text("Classify")
    expect(page.locator(".result")).to_have_count(3)
    sizes = {request.url: request.sizes()["responseBodySize"] for request in visit.requests if "http" in request.url}
    assert not [url for url in sizes if CHART_LIBRARY_FILE in url]
    assert [url for url in sizes if "/models/" in url] == [f"{visit.base}/models/spam"]  # one card, of the model shown
    assert 5_000 < sum(sizes.values()) < 100_000


def test_service_without_models_says_so_and_sends_no_request(empty_visit: Visit) -> None:
    page = empty_visit.page
    page.goto(empty_visit.base)
    expect(page.locator("#classify-status")).to_have_text("No classifier is served.")
    page.get_by_role("button", name="Classify").click()
    page.get_by_role("link", name="Forecast").click()
    expect(page.locator("#forecast-status")).to_have_text("No forecaster is served.")
    page.get_by_role("button", name="Forecast").click()
    assert [request.url for request in empty_visit.requests if request.method == "POST"] == []


@pytest.mark.parametrize("view", ["#models/%", "#forecast/%ff"])
def test_address_with_a_stray_percent_sign_opens(visit: Visit, view: str) -> None:
    page = visit.open(view)
    page.get_by_role("link", name="Models", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Models")
    assert visit.logged == [one for one in visit.logged if "404" in one]
    visit.logged.clear()


def test_service_that_is_gone_is_reported(visit: Visit) -> None:
    page = visit.open()
    page.context.set_offline(True)
    page.get_by_role("button", name="Classify").click()
    expect(page.get_by_role("alert")).to_contain_text("could not be reached")
    page.context.set_offline(False)
    visit.logged.clear()


# --- models --------------------------------------------------------------------------------------------------------


def test_every_model_is_listed_and_its_card_holds_metrics_limits_data_and_plots(visit: Visit) -> None:
    page = visit.open("#models")
    models = httpx2.get(f"{visit.base}/models").json()["models"]
    names = [one["name"] for task in TASKS for one in models if one["task"] == task]
    assert page.locator("#models-list h2").all_text_contents() == [task.title for task in TASKS.values()]
    assert page.locator(".tile h3 a").all_text_contents() == names
    for name in names:
        page = visit.open("#models")
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(name)
        expect(page.locator("#card .facts")).to_be_visible()
        shown = page.locator("#card").text_content() or ""
        card = httpx2.get(f"{visit.base}/models/{name}").json()
        assert card["manifest"]["limits"] in shown
        assert all(data["name"] in shown for data in card["manifest"]["data"])
        baselines = ["model", *(name.replace("_", " ") for name in card["baselines"])] if card["metrics"] else []
        assert page.locator("#card thead th").all_text_contents() == baselines
        expect(page.locator("#card img")).to_have_count(len([file for file in card["files"] if file.endswith(".svg")]))
        for image in page.locator("#card img").all():
            image.scroll_into_view_if_needed()
            assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0


def test_card_leads_to_the_model(visit: Visit) -> None:
    page = visit.open("#models/ridership-rnn")
    page.get_by_role("link", name="Try it").click()
    expect(page.locator("#forecast-model")).to_have_value("ridership-rnn")
    expect(page.locator("#forecast-status")).to_contain_text("ridership-rnn, version 1")


def test_unknown_model_in_the_address_is_reported(visit: Visit) -> None:
    page = visit.open("#models/no-such-model")
    expect(page.get_by_role("alert")).to_contain_text("No such route, model or version")
    visit.logged.clear()


# --- for everybody -------------------------------------------------------------------------------------------------


def test_everything_is_reached_by_keyboard(visit: Visit) -> None:
    page = visit.open()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
    controls = {"theme", "classify-model", "classify-texts", "classify-explain", "classify-jump"}
    assert controls | {"Forecast", "Classify", "Copy"} <= reached
    page.get_by_label("Texts", exact=True).fill("free prize")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".result")).to_have_count(1)
    page.get_by_role("link", name="Forecast").press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()


def test_theme_follows_the_system_until_one_is_chosen(visit: Visit) -> None:
    page = visit.open()
    switch = page.get_by_role("button", name="Dark")
    expect(switch).to_have_attribute("aria-pressed", "false")
    page.emulate_media(color_scheme="dark")
    expect(switch).to_have_attribute("aria-pressed", "true")
    switch.click()
    page.emulate_media(color_scheme="light")
    page.emulate_media(color_scheme="dark")
    expect(switch).to_have_attribute("aria-pressed", "false")


def test_chosen_theme_applies_to_the_chart_and_is_stored(visit: Visit) -> None:
    page = visit.open("#forecast/ridership")
    line = "document.getElementById('forecast-chart').data.find(({name}) => name === 'median').line.color"
    colours = f"[getComputedStyle(document.body).backgroundColor, {line}]"
    light = page.evaluate(colours)
    page.get_by_role("button", name="Dark").click()
    dark = page.evaluate(colours)
    assert (dark[0] != light[0], dark[1] != light[1]) == (True, True)
    page.reload()
    page.wait_for_function(IDLE)
    assert page.evaluate(colours) == dark
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")


def test_browser_that_blocks_storage_has_both_themes(visit: Visit) -> None:
    blocked = (
        "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError'); }})"
    )
    page = visit.page.context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.add_init_script(blocked)
    page.goto(visit.base)
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator(".result")).to_have_count(3)
    page.close()
    assert errors == []
    visit.page.goto(visit.base)  # the end of the visit clears its storage


@pytest.mark.parametrize("view", VIEWS)
def test_view_is_accessible_and_never_scrolls_sideways(themed_visit: Visit, view: str) -> None:
    page = themed_visit.open(view)
    if view.startswith("#models/"):
        expect(page.locator("#card .facts")).to_be_visible()
    for box in page.get_by_label("Compare architectures").locator("visible=true").all():
        box.check()
    page.wait_for_function(IDLE)
    for summary in page.locator("summary").locator("visible=true").all():
        summary.click()
    found = Axe().run(page).response["violations"]
    serious = [one for one in found if one["impact"] in ("serious", "critical") or one["id"] == "landmark-unique"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in serious] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")
