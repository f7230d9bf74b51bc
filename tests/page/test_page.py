"""The page at `/` does what it shows, driven in a real browser against a real service."""

import datetime as dt
import json
import math
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Page, expect

from service.page.routes import CHART_LIBRARY_FILE
from tests.page.visit import ANSWERED, Visit

VIEWS = ["", "#forecast", "#models", "#models/spam-cnn", "#models/any-frequency"]
TEXTS = ["WINNER 😃 claim your 🏆 prize, it's free", "see you later at home"]
TYPING_MILLISECONDS = 250  # the page waits 150 for more
WEEKS = [100, 110, 120, 130, 140, 60, 50] * 20


def daily_csv(values: list[float | None], first: str = "2024-01-01") -> str:
    start = dt.date.fromisoformat(first)
    rows = [f"{start + dt.timedelta(days=day)},{'' if value is None else value}" for day, value in enumerate(values)]
    return "\n".join(["date,units", *rows])


def label(page: Page, texts: list[str]) -> None:
    page.get_by_label("Texts", exact=True).fill("\n".join(texts))
    page.get_by_role("button", name="Label", exact=True).click()
    page.wait_for_function(ANSWERED)


def forecast(page: Page, text: str) -> None:
    box = page.get_by_label("Series", exact=True)
    with page.expect_response("**/forecast"):
        box.fill(text)
    settle(page)


def settle(page: Page) -> None:
    """Wait until what was typed or moved has been asked, answered and drawn."""
    page.wait_for_timeout(TYPING_MILLISECONDS)
    page.wait_for_function(ANSWERED)


def traces(page: Page) -> dict[str, dict[str, Any]]:
    """What the chart draws, by name."""
    drawn: list[dict[str, Any]] = page.evaluate(
        "document.getElementById('chart').data.map(({name, x, y}) => ({name, x: [...x], y: [...y]}))"
    )
    return {one["name"]: one for one in drawn}


def asked(base: str, path: str, body: dict[str, Any]) -> Any:
    response = httpx2.post(f"{base}/{path}", json=body)
    assert response.status_code == 200, response.text
    return response.json()


# --- opening -------------------------------------------------------------------------------------------------------


def test_first_paint_needs_less_than_100_kilobytes(visit: Visit) -> None:
    page = visit.open()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    sizes = {request.url: request.sizes()["responseBodySize"] for request in visit.requests if "http" in request.url}
    assert not [url for url in sizes if CHART_LIBRARY_FILE in url]
    assert [url for url in sizes if "/models/" in url] == [f"{visit.base}/models/spam"]  # one card, of the model shown
    assert 5_000 < sum(sizes.values()) < 100_000


def test_page_opens_with_an_answered_example(visit: Visit) -> None:
    page = visit.open()
    expect(page.locator("#label-status")).to_contain_text("3 texts labelled by")
    expect(page.locator(".result")).to_have_count(3)


@pytest.mark.parametrize("view", [*VIEWS, "docs"])
def test_no_view_asks_another_host(visit: Visit, view: str) -> None:
    visit.open(view)
    assert len(visit.requests) > 1


# --- texts ---------------------------------------------------------------------------------------------------------


def test_every_text_has_its_label_and_a_bar_for_each_probability(visit: Visit) -> None:
    page = visit.open()
    label(page, TEXTS)
    results = asked(visit.base, "classify", {"model": "spam", "inputs": TEXTS})["results"]
    for item, result in zip(page.locator(".result").all(), results, strict=True):
        expect(item.locator(".verdict strong")).to_have_text(result["label"])
        for bar, (name, share) in zip(item.locator(".bar").all(), result["scores"].items(), strict=True):
            expect(bar.locator(".bar-name")).to_have_text(name)
            expect(bar.locator(".bar-share")).to_have_text(re.compile(r"[<>] \d|" + re.escape(f"{100 * share:.1f} %")))
            drawn = bar.locator(".bar-track").evaluate("track => track.style.getPropertyValue('--share')")
            assert float(drawn.rstrip("%")) == pytest.approx(100 * share)


def test_words_are_coloured_by_their_weights_also_after_an_emoji(visit: Visit) -> None:
    page = visit.open()
    label(page, TEXTS)
    body = {"model": "spam", "inputs": TEXTS, "explain": True}
    for index, result in enumerate(asked(visit.base, "classify", body)["results"]):
        item = page.locator(".result").nth(index)
        assert item.locator(".text").text_content() == TEXTS[index]
        marks = item.locator("mark").evaluate_all("marks => marks.map((m) => [m.textContent, m.className, m.title])")
        words = sorted(result["explanation"], key=lambda word: word["start"])
        assert [text for text, _, _ in marks] == [TEXTS[index][word["start"] : word["end"]] for word in words]
        assert [kind for _, kind, _ in marks] == ["against" if word["weight"] < 0 else "for" for word in words]
        assert [float(title.replace("−", "-")) for _, _, title in marks] == pytest.approx(
            [word["weight"] for word in words], abs=6e-4
        )
        item.get_by_text("Words and weights").click()
        rows = item.locator("tbody tr")
        expect(rows).to_have_count(len(words))
        heaviest = max(words, key=lambda word: abs(word["weight"]))
        assert abs(heaviest["weight"]) == pytest.approx(
            abs(float((rows.first.locator("td").first.text_content() or "").replace("−", "-"))), abs=6e-4
        )


def test_texts_too_many_for_weights_are_labelled_without_and_that_is_said(visit: Visit) -> None:
    page = visit.open()
    label(page, ["one two three four five six seven eight nine ten"] * 200)
    expect(page.locator(".result")).to_have_count(200)
    expect(page.locator("#label-status")).to_contain_text("No weights: At most")
    expect(page.locator("mark")).to_have_count(0)
    assert "explain" not in (page.locator("[data-language=curl]").text_content() or "")
    visit.complaints.clear()  # the browser notes each refused request


def test_words_stay_plain_where_no_weights_are_asked_for(visit: Visit) -> None:
    page = visit.open()
    page.get_by_label("Colour words by weight").uncheck()
    label(page, TEXTS)
    expect(page.locator("mark")).to_have_count(0)
    assert "explain" not in (page.locator("[data-language=curl]").text_content() or "")


def test_box_is_one_text_where_that_is_said(visit: Visit) -> None:
    page = visit.open()
    page.get_by_label("The whole box is one text").check()
    label(page, TEXTS)
    expect(page.locator(".result")).to_have_count(1)
    assert page.locator(".result .text").text_content() == "\n".join(TEXTS)


def test_empty_box_is_said(visit: Visit) -> None:
    page = visit.open()
    page.get_by_label("Texts", exact=True).fill("  \n")
    page.get_by_role("button", name="Label", exact=True).click()
    expect(page.locator("#label-status")).to_have_text("Write or paste a text first.")


def test_models_of_somebodys_own_are_offered_and_answer(visit: Visit) -> None:
    page = visit.open("#label/mine")
    expect(page.locator("#label-model")).to_have_value("mine")
    label(page, TEXTS)
    expect(page.locator("#label-status")).to_contain_text("my-filter, version 1")


def test_texts_are_compared_across_models_with_their_latency(visit: Visit) -> None:
    page = visit.open()
    with page.expect_response(lambda response: '"my-filter"' in (response.request.post_data or "")):
        page.locator("#label-compare").check()
    settle(page)
    table = page.locator("#label-comparison table")
    assert table.locator("thead th small").all_text_contents() == ["my-filter", "spam-cnn"]
    expect(table.locator("tbody tr")).to_have_count(3)
    assert re.fullmatch(r"([\d.]+ ms){2}", "".join(table.locator("tfoot td").all_text_contents()))


# --- requests to copy ----------------------------------------------------------------------------------------------


def copied(page: Page, language: str) -> str:
    page.get_by_role("button", name=f"Copy the {language} request").locator("visible=true").click()
    expect(page.get_by_text("Copied").locator("visible=true")).to_be_visible()
    text: str = page.evaluate("navigator.clipboard.readText()")
    return text


def ran(language: str, text: str) -> Any:
    command = ["bash"] if language == "curl" else [sys.executable, "-"]
    return json.loads(subprocess.run(command, input=text.encode(), check=True, capture_output=True, timeout=60).stdout)


@pytest.mark.parametrize("language", ["curl", "Python"])
def test_copied_request_for_texts_runs(visit: Visit, language: str) -> None:
    texts = [*TEXTS, "quotes ' \" and \\ and $HOME `ls`"]
    page = visit.open()
    label(page, texts)
    expected = asked(visit.base, "classify", {"model": "spam", "inputs": texts, "explain": True})
    assert ran(language, copied(page, language)) == expected


@pytest.mark.parametrize("language", ["curl", "Python"])
def test_copied_request_for_a_series_runs(visit: Visit, language: str) -> None:
    page = visit.open("#forecast/ridership")
    settle(page)
    answer = ran(language, copied(page, language))
    assert answer["model"] == "ridership-wavenet"
    assert answer["forecasts"][0]["median"] == traces(page)["median"]["y"]


def test_copied_request_of_a_long_text_runs(visit: Visit) -> None:
    text = "it's $HOME and `ls` " * 9000  # more than the shell takes in one argument
    page = visit.open()
    page.get_by_label("The whole box is one text").check()
    page.get_by_label("Colour words by weight").uncheck()
    label(page, [text])
    assert ran("curl", copied(page, "curl")) == asked(
        visit.base, "classify", {"model": "spam", "inputs": [text.strip()]}
    )


# --- series --------------------------------------------------------------------------------------------------------


def test_chart_shows_history_median_bands_missing_points_and_the_seasonal_naive_line(visit: Visit) -> None:
    values: list[float | None] = [*WEEKS]
    for gap in (-9, -8, -3):
        values[gap] = None
    page = visit.open("#forecast/ridership")
    forecast(page, daily_csv(values))
    expect(page.locator("#forecast-understood")).to_contain_text(
        "140 values of units, daily from 2024-01-01 to 2024-05-19"
    )
    expect(page.locator("#forecast-understood")).to_contain_text("3 missing")
    drawn = traces(page)
    assert drawn["history"]["y"] == values
    assert drawn["missing"]["x"] == ["2024-05-11", "2024-05-12", "2024-05-17"]
    season = [values[133 + step] if values[133 + step] is not None else values[126 + step] for step in range(7)]
    assert drawn["seasonal naive"]["y"] == [season[step % 7] for step in range(14)]
    body = {"model": "ridership", "values": values, "start": "2024-01-01", "horizon": 14, "levels": [80, 95]}
    [answer] = asked(visit.base, "forecast", body)["forecasts"]
    # Rows that share a batch with others may differ in their last digit.
    assert drawn["median"]["y"] == pytest.approx(answer["median"], rel=1e-5)
    assert drawn["median"]["x"] == answer["timestamps"]
    for level in ("80", "95"):
        assert drawn[f"{level} % from"]["y"] == pytest.approx(answer["intervals"][level]["lower"], rel=1e-5)
        assert drawn[f"{level} % to"]["y"] == pytest.approx(answer["intervals"][level]["upper"], rel=1e-5)
    assert "14 steps by ridership-wavenet" in (page.locator("#forecast-status").text_content() or "")
    assert "3 of them missing" in (page.locator("#chart").get_attribute("aria-label") or "")
    expect(page.locator("#forecast-legend")).to_contain_text("no value")
    for warning in answer["warnings"]:
        expect(page.locator("#forecast-remarks")).to_contain_text(warning)


def test_table_says_what_the_chart_draws(visit: Visit) -> None:
    page = visit.open("#forecast/ridership")
    settle(page)
    page.get_by_text("The forecast as a table").click()
    rows = page.locator("#forecast-table tbody tr")
    drawn = traces(page)
    expect(rows).to_have_count(14)
    assert rows.first.locator("th").text_content() == drawn["median"]["x"][0]
    shown = [float(text.replace(",", "")) for text in rows.nth(4).locator("td").all_text_contents()]
    names = ["median", "80 % from", "80 % to", "95 % from", "95 % to", "seasonal naive"]
    assert shown == pytest.approx([drawn[name]["y"][4] for name in names], rel=1e-3)


def test_huge_values_are_drawn(visit: Visit) -> None:
    page = visit.open("#forecast/any")
    settle(page)
    forecast(page, daily_csv([1e30 * value for value in WEEKS]))
    assert traces(page)["history"]["y"][0] == pytest.approx(1e32, rel=1e-12)
    ticks = page.locator("#chart .ytick text").all_text_contents()
    assert any(re.search(r"e[+−-]", tick) for tick in ticks), ticks


def test_hovering_shows_the_values(visit: Visit) -> None:
    page = visit.open("#forecast/ridership")
    settle(page)
    box = page.locator("#chart .nsewdrag").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.95 * box["width"], box["y"] + 0.5 * box["height"])
    said = page.locator("#chart .hoverlayer")
    drawn = traces(page)
    expect(said).to_contain_text("median")
    expect(said).to_contain_text("80 of 100 in")
    expect(said).to_contain_text("seasonal naive")
    date = re.search(r"\d{4}-\d\d-\d\d", said.text_content() or "")
    assert date is not None
    step = drawn["median"]["x"].index(date[0])
    expect(said).to_contain_text(f"median {drawn['median']['y'][step]:,.0f}")
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    expect(said).not_to_contain_text("median")
    expect(said).to_contain_text("value")


def test_history_that_mattered_is_shaded(visit: Visit) -> None:
    page = visit.open("#forecast/ridership")
    settle(page)
    body = json.loads([one for one in visit.requests if one.method == "POST"][-1].post_data or "")
    assert body["explain"] is True
    [answer] = asked(visit.base, "forecast", body)["forecasts"]
    num_shaded = "document.getElementById('chart').layout.shapes.filter(({type}) => type === 'rect').length"
    assert page.evaluate(num_shaded) == len(answer["explanation"]) > 0
    heaviest = max(answer["explanation"], key=lambda stretch: stretch["weight"])
    expect(page.locator("#forecast-remarks")).to_contain_text(f"({round(100 * heaviest['weight'])} %)")
    page.get_by_label("Shade the history that mattered").uncheck()
    settle(page)
    assert page.evaluate(num_shaded) == 0


def test_slider_changes_the_number_of_steps_by_keyboard_too(visit: Visit) -> None:
    page = visit.open("#forecast/ridership")
    settle(page)
    slider = page.get_by_label("Steps ahead")
    slider.fill("3")
    settle(page)
    assert len(traces(page)["median"]["y"]) == 3
    slider.focus()
    page.keyboard.press("ArrowRight")
    settle(page)
    assert len(traces(page)["median"]["y"]) == 4
    expect(page.locator("#forecast-steps")).to_have_text("4")
    slider.fill("20")
    settle(page)
    assert len(traces(page)["median"]["y"]) == 20
    expect(page.locator("#forecast-legend")).to_contain_text("iterated from here on")


def test_naive_line_and_older_history_can_be_switched(visit: Visit) -> None:
    page = visit.open("#forecast/ridership")
    settle(page)
    first = "document.getElementById('chart').layout.xaxis.range[0]"
    before = page.evaluate(first)
    page.get_by_label("Show the whole history").check()
    page.get_by_label("Seasonal-naive line").uncheck()
    settle(page)
    assert page.evaluate(first) < before
    assert "seasonal naive" not in traces(page)


def test_dropped_and_chosen_files_are_read(visit: Visit, tmp_path: Path) -> None:
    page = visit.open("#forecast/any")
    text = "Datum;Umsatz\n31.01.2023;1.234,5\n28.02.2023;\n31.03.2023;999,5\n30.04.2023;1.000,0"
    with page.expect_response("**/forecast"):
        page.evaluate(
            """text => {
                const carried = new DataTransfer();
                carried.items.add(new File([text], "sales.csv", { type: "text/csv" }));
                const drop = new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true });
                document.getElementById("forecast-drop").dispatchEvent(drop);
            }""",
            text,
        )
    settle(page)
    understood = page.locator("#forecast-understood")
    expect(understood).to_contain_text("4 values of Umsatz, monthly from 2023-01-01 to 2023-04-01, 1 missing.")
    expect(understood).to_contain_text("decimal commas; month ends stand for their months")
    assert traces(page)["history"]["y"] == [1234.5, None, 999.5, 1000]
    file = tmp_path / "week.csv"
    file.write_text(daily_csv([*WEEKS[:30]]))
    with page.expect_response("**/forecast"):
        page.locator("#forecast-file").set_input_files(file)
    settle(page)
    expect(understood).to_contain_text("30 values of units, daily")


def test_examples_are_drawn(visit: Visit) -> None:
    page = visit.open("#forecast/any")
    settle(page)
    names = page.locator("#forecast-examples button").all_text_contents()
    assert len(names) == 3
    for name in names:
        page.get_by_role("button", name=name).click()
        settle(page)
        assert len(traces(page)["median"]["y"]) > 0
        expect(page.get_by_role("alert")).to_have_count(0)


def test_covariates_of_a_table_go_along(visit: Visit) -> None:
    page = visit.open("#forecast/ridership")
    settle(page)
    expect(page.locator("#forecast-understood")).to_contain_text("Together with bus.")
    body = json.loads([one for one in visit.requests if one.method == "POST"][-1].post_data or "")
    assert len(body["past_covariates"]["bus"]) == len(body["values"])


def test_another_column_can_be_chosen(visit: Visit) -> None:
    page = visit.open("#forecast/any")
    settle(page)
    forecast(page, "time,a,b\n" + "\n".join(f"2024-01-{day:02},{3 * day},{100 * day}" for day in range(1, 29)))
    assert traces(page)["history"]["y"][0] == 3
    page.get_by_label("Column").select_option("b")
    settle(page)
    assert traces(page)["history"]["y"][0] == 100


def test_series_without_dates_has_no_naive_line_until_its_spacing_is_told(visit: Visit) -> None:
    page = visit.open("#forecast/any")
    settle(page)
    forecast(page, " ".join(map(str, WEEKS[:42])))
    assert traces(page)["history"]["x"] == list(range(1, 43))
    assert "seasonal naive" not in traces(page)
    expect(page.locator("#forecast-remarks")).to_contain_text("no seasonal-naive line")
    page.get_by_label("Spacing").select_option("D")
    page.get_by_label("First date").fill("2024-01-01")
    settle(page)
    drawn = traces(page)
    assert drawn["history"]["x"][0] == "2024-01-01"
    assert drawn["seasonal naive"]["y"][:3] == WEEKS[:3]


def test_series_are_compared_across_architectures_with_their_latency(visit: Visit) -> None:
    page = visit.open("#forecast/ridership")
    settle(page)
    page.locator("#forecast-compare").check()
    expect(page.locator("#forecast-comparison tbody tr")).to_have_count(2)
    settle(page)
    table = page.locator("#forecast-comparison table")
    assert table.locator("tbody th small").all_text_contents() == ["ridership-rnn", "ridership-wavenet"]
    assert all(re.fullmatch(r"[\d.]+ ms", text) for text in table.locator("tbody td:nth-child(2)").all_text_contents())
    assert "ridership-rnn" in traces(page)


def test_formula_of_the_examples_gives_the_same_everywhere(opened: Page) -> None:
    make = """() => import("/assets/examples.js").then(({ seriesFor }) =>
      seriesFor({ frequencies: ["D", "h", "MS"] }, ["bus"]).map((one) => one.make().split("\\n")))"""
    drawn: list[list[str]] = opened.evaluate(make)
    assert drawn == opened.evaluate(make)
    assert [len(lines) > 100 for lines in drawn] == [True] * 4
    assert math.isclose(float(drawn[1][1].split(",")[1]), 752)


# --- refusals ------------------------------------------------------------------------------------------------------


def test_refusal_of_the_service_is_shown_in_its_words(visit: Visit) -> None:
    page = visit.open("#forecast/ridership")
    settle(page)
    forecast(page, "month,v\n2024-01-01,1\n2024-02-01,2\n2024-03-01,4")
    problem = page.locator("#forecast-drop").get_by_role("alert")
    expect(problem).to_contain_text("The request has the wrong shape or value")
    expect(problem.locator("code")).to_have_text("freq")
    expect(problem).to_contain_text("This model forecasts series of freq D")
    expect(page.locator("#forecast-figure")).to_be_hidden()
    assert visit.complaints
    visit.complaints.clear()  # the browser notes each refused request


def test_texts_too_many_are_refused_with_the_limit_first(visit: Visit) -> None:
    page = visit.open()
    page.get_by_label("Colour words by weight").uncheck()
    label(page, ["one"] * 1025)
    assert "At most 1024 texts a request" in (page.get_by_role("alert").text_content() or "")[:60]
    visit.complaints.clear()  # the browser notes each refused request


def test_service_without_models_says_so_and_takes_no_texts(bare_visit: Visit) -> None:
    page = bare_visit.page
    page.goto(bare_visit.base)
    expect(page.locator("#label-status")).to_have_text("No classifier is served.")
    page.get_by_role("button", name="Label", exact=True).click()
    page.get_by_role("link", name="Continue series").first.click()
    expect(page.locator("#forecast-status")).to_have_text("No forecaster is served.")
    page.get_by_role("button", name="Forecast", exact=True).click()
    assert [request.url for request in bare_visit.requests if request.method == "POST"] == []


@pytest.mark.parametrize("view", ["#models/%", "#forecast/%ff", "#label/%"])
def test_address_with_a_stray_percent_sign_leaves_the_page_whole(visit: Visit, view: str) -> None:
    page = visit.open(view)
    page.get_by_role("link", name="Models", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Models")
    assert visit.complaints == [one for one in visit.complaints if "404" in one]
    visit.complaints.clear()


def test_browser_that_keeps_nothing_has_both_themes(visit: Visit) -> None:
    denied = "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError'); }})"
    page = visit.page.context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.add_init_script(denied)
    page.goto(visit.base)
    switch = page.get_by_role("button", name="Dark")
    switch.click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.locator("#label-status")).to_contain_text("labelled by")
    page.close()
    assert faults == []
    visit.page.goto(visit.base)  # where the visit's own end finds a store to clear


def test_unreadable_table_is_said_and_goes_away_when_mended(visit: Visit) -> None:
    page = visit.open("#forecast/ridership")
    settle(page)
    page.get_by_label("Series", exact=True).fill("date,v\n2024-01-01,1\n2024-01-02,abc\n2024-01-03,3")
    expect(page.get_by_role("alert")).to_contain_text("Line 3: “abc” in v is not a number")
    forecast(page, daily_csv([*WEEKS]))
    expect(page.locator("#forecast-unread")).to_be_empty()
    expect(page.locator("#forecast-figure")).to_be_visible()


def test_service_that_is_gone_is_said(visit: Visit) -> None:
    page = visit.open()
    page.context.set_offline(True)
    page.get_by_role("button", name="Label", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("could not be reached")
    page.context.set_offline(False)
    visit.complaints.clear()


def test_unknown_model_in_the_address_is_said(visit: Visit) -> None:
    page = visit.open("#models/no-such-model")
    expect(page.get_by_role("alert")).to_contain_text("No such route, model or version")
    visit.complaints.clear()


# --- cards ---------------------------------------------------------------------------------------------------------


def test_every_model_is_listed_and_its_card_holds_figures_limits_data_and_plots(visit: Visit) -> None:
    page = visit.open("#models")
    names = [one["name"] for one in httpx2.get(f"{visit.base}/models").json()["models"]]
    assert page.locator(".tile h3 a").all_text_contents() == sorted(
        names, key=lambda name: ("spam" not in name and "my-" not in name, name)
    )
    for name in names:
        page = visit.open("#models")
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text(name)
        expect(page.locator("#card .facts")).to_be_visible()
        shown = page.locator("#card").text_content() or ""
        card = httpx2.get(f"{visit.base}/models/{name}").json()
        assert card["manifest"]["limits"] in shown
        assert all(data["name"] in shown for data in card["manifest"]["data"])
        heads = page.locator("#card thead th").all_text_contents()
        assert heads == (
            [] if not card["metrics"] else ["model", *(key.replace("_", " ") for key in card["baselines"])]
        )
        plots = [file for file in card["files"] if file.endswith(".svg")]
        expect(page.locator("#card img")).to_have_count(len(plots))
        for image in page.locator("#card img").all():
            image.scroll_into_view_if_needed()
            assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0


def test_card_leads_to_the_model(visit: Visit) -> None:
    page = visit.open("#models/ridership-rnn")
    page.get_by_role("link", name="Try it").click()
    settle(page)
    expect(page.locator("#forecast-model")).to_have_value("ridership-rnn")
    expect(page.locator("#forecast-status")).to_contain_text("by ridership-rnn")


# --- for everybody -------------------------------------------------------------------------------------------------


def test_everything_is_reached_by_keyboard(visit: Visit) -> None:
    page = visit.open()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    reached = []
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()"))
    for wanted in (
        "Continue series",
        "theme",
        "label-model",
        "label-texts",
        "label-explain",
        "Label",
        "label-jump",
        "Copy",
    ):
        assert wanted in reached
    page.get_by_label("Texts", exact=True).fill("free prize")
    with page.expect_response("**/classify"):
        page.keyboard.press("Control+Enter")
    expect(page.locator(".result")).to_have_count(1)
    page.get_by_role("link", name="Continue series").first.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()


def test_theme_follows_the_system_while_none_is_chosen(visit: Visit) -> None:
    page = visit.open("")
    switch = page.get_by_role("button", name="Dark")
    expect(switch).to_have_attribute("aria-pressed", "false")
    page.emulate_media(color_scheme="dark")
    expect(switch).to_have_attribute("aria-pressed", "true")
    switch.click()
    page.emulate_media(color_scheme="light")
    page.emulate_media(color_scheme="dark")
    expect(switch).to_have_attribute("aria-pressed", "false")


def test_theme_follows_the_switch_and_is_kept(visit: Visit) -> None:
    page = visit.open("#forecast/ridership")
    settle(page)
    line = "document.getElementById('chart').data.find(({name}) => name === 'median').line.color"
    colours = f"[getComputedStyle(document.body).backgroundColor, {line}]"
    light = page.evaluate(colours)
    page.get_by_role("button", name="Dark").click()
    settle(page)
    dark = page.evaluate(colours)
    assert (dark[0] != light[0], dark[1] != light[1]) == (True, True)
    page.reload()
    settle(page)
    assert page.evaluate(colours) == dark
    expect(page.get_by_role("button", name="Dark")).to_have_attribute("aria-pressed", "true")


@pytest.mark.parametrize("view", VIEWS)
def test_accessibility_checker_finds_nothing_serious_and_nothing_scrolls_sideways(looks: Visit, view: str) -> None:
    page = looks.open(view)
    if view.startswith("#models/"):
        expect(page.locator("#card .facts")).to_be_visible()
    for box in ("label-compare", "forecast-compare"):
        if page.locator(f"#{box}").is_visible():
            page.locator(f"#{box}").check()
    settle(page)
    for summary in page.locator("summary").all():
        if summary.is_visible():
            summary.click()
    found = Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["id"] == "landmark-unique"] == []
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= page.evaluate("innerWidth")
