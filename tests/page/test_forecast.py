"""The panel of forecasters, in a real browser against a real service."""

import datetime as dt
import json
import math
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.page.browser import IDLE, Visit

pytestmark = pytest.mark.slow

WEEKS = [100, 110, 120, 130, 140, 60, 50] * 20
CHART = "document.getElementById('forecast-chart')"


def daily_csv(values: list[float | None]) -> str:
    rows = [
        f"{dt.date(2024, 1, 1) + dt.timedelta(days=day)},{'' if value is None else value}"
        for day, value in enumerate(values)
    ]
    return "\n".join(["date,units", *rows])


def forecast(page: Page, text: str) -> None:
    page.get_by_label("Series", exact=True).fill(text)
    page.wait_for_function(IDLE)


def traces(page: Page) -> dict[str, dict[str, Any]]:
    """What the chart draws, by name."""
    drawn: list[dict[str, Any]] = page.evaluate(
        f"{CHART}.data.map(({{name, x, y}}) => ({{name, x: [...x], y: [...y]}}))"
    )
    return {one["name"]: one for one in drawn}


def request_sent(visit: Visit) -> Any:
    return json.loads([one for one in visit.requests if one.method == "POST"][-1].post_data or "")


def forecast_of(base: str, body: dict[str, Any]) -> Any:
    response = httpx2.post(f"{base}/forecast", json=body)
    assert response.status_code == 200, response.text
    return response.json()["forecasts"][0]


def test_chart_shows_history_median_intervals_missing_values_and_the_seasonal_naive_forecast(visit: Visit) -> None:
    values: list[float | None] = [*WEEKS]
    for gap in (-9, -8, -3):
        values[gap] = None
    page = visit.open("#forecast/ridership")
    forecast(page, daily_csv(values))
    parsed = page.locator("#forecast-parsed")
    expect(parsed).to_contain_text("140 values of units, daily from 2024-01-01 to 2024-05-19, 3 missing")
    drawn = traces(page)
    assert drawn["history"]["y"] == values
    assert drawn["missing"]["x"] == ["2024-05-11", "2024-05-12", "2024-05-17"]
    season = [values[133 + step] if values[133 + step] is not None else values[126 + step] for step in range(7)]
    assert drawn["seasonal naive"]["y"] == [season[step % 7] for step in range(14)]
    body = {"model": "ridership", "values": values, "start": "2024-01-01", "horizon": 14, "levels": [80, 95]}
    answer = forecast_of(visit.base, body)
    # Rows of different batches may differ in their last digit.
    assert drawn["median"]["y"] == pytest.approx(answer["median"], rel=1e-5)
    assert drawn["median"]["x"] == answer["timestamps"]
    for level in ("80", "95"):
        assert drawn[f"{level} % from"]["y"] == pytest.approx(answer["intervals"][level]["lower"], rel=1e-5)
        assert drawn[f"{level} % to"]["y"] == pytest.approx(answer["intervals"][level]["upper"], rel=1e-5)
    expect(page.locator("#forecast-status")).to_contain_text("ridership-wavenet, version 1")
    assert "3 of them missing" in (page.locator("#forecast-chart").get_attribute("aria-label") or "")
    expect(page.locator("#forecast-legend")).to_contain_text("missing")
    for warning in answer["warnings"]:
        expect(page.locator("#forecast-remarks")).to_contain_text(warning)


def test_table_holds_what_the_chart_draws(visit: Visit) -> None:
    page = visit.open("#forecast/ridership")
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
    forecast(page, daily_csv([1e30 * value for value in WEEKS]))
    assert traces(page)["history"]["y"][0] == pytest.approx(1e32, rel=1e-12)
    ticks = page.locator("#forecast-chart .ytick text").all_text_contents()
    assert any(re.search(r"e[+−-]", tick) for tick in ticks), ticks


def test_hovering_shows_the_values(visit: Visit) -> None:
    page = visit.open("#forecast/ridership")
    box = page.locator("#forecast-chart .nsewdrag").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 0.95 * box["width"], box["y"] + 0.5 * box["height"])
    label = page.locator("#forecast-chart .hoverlayer")
    for text in ("median", "80 % interval", "seasonal naive"):
        expect(label).to_contain_text(text)
    date = re.search(r"\d{4}-\d\d-\d\d", label.text_content() or "")
    assert date is not None
    median = traces(page)["median"]
    expect(label).to_contain_text(f"median {median['y'][median['x'].index(date[0])]:,.0f}")
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.5 * box["height"])
    expect(label).not_to_contain_text("median")
    expect(label).to_contain_text("value")


def test_history_is_shaded_by_weight(visit: Visit) -> None:
    page = visit.open("#forecast/ridership")
    body = request_sent(visit)
    assert body["explain"] is True
    explanation = forecast_of(visit.base, body)["explanation"]
    num_shaded = f"{CHART}.layout.shapes.filter(({{type}}) => type === 'rect').length"
    assert page.evaluate(num_shaded) == len(explanation) > 0
    largest = max(segment["weight"] for segment in explanation)
    expect(page.locator("#forecast-remarks")).to_contain_text(f"({round(100 * largest)} %)")
    page.get_by_role("checkbox", name="Explain").uncheck()
    page.wait_for_function(IDLE)
    assert page.evaluate(num_shaded) == 0


def test_slider_sets_the_horizon_by_keyboard_too(visit: Visit) -> None:
    page = visit.open("#forecast/ridership")
    slider = page.get_by_label("Horizon")
    slider.fill("3")
    page.wait_for_function(IDLE)
    assert len(traces(page)["median"]["y"]) == 3
    slider.press("ArrowRight")
    page.wait_for_function(IDLE)
    assert len(traces(page)["median"]["y"]) == 4
    expect(page.locator("#forecast-steps")).to_have_text("4")
    slider.fill("20")
    page.wait_for_function(IDLE)
    assert len(traces(page)["median"]["y"]) == 20
    expect(page.locator("#forecast-legend")).to_contain_text("recursive from here on")


def test_seasonal_naive_forecast_and_older_history_are_optional(visit: Visit) -> None:
    page = visit.open("#forecast/ridership")
    first = f"{CHART}.layout.xaxis.range[0]"
    before = page.evaluate(first)
    page.get_by_label("Show the whole history").check()
    page.get_by_label("Seasonal-naive forecast").uncheck()
    page.wait_for_function(IDLE)
    assert page.evaluate(first) < before
    assert "seasonal naive" not in traces(page)


def test_dropped_and_chosen_files_are_read(visit: Visit, tmp_path: Path) -> None:
    page = visit.open("#forecast/any")
    text = "Datum;Umsatz\n31.01.2023;1.234,5\n28.02.2023;\n31.03.2023;999,5\n30.04.2023;1.000,0"
    page.evaluate(
        """text => {
            const dataTransfer = new DataTransfer();
            dataTransfer.items.add(new File([text], "sales.csv", { type: "text/csv" }));
            const drop = new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true });
            document.getElementById("forecast-drop").dispatchEvent(drop);
        }""",
        text,
    )
    parsed = page.locator("#forecast-parsed")
    expect(parsed).to_contain_text("4 values of Umsatz, monthly from 2023-01-01 to 2023-04-01, 1 missing.")
    expect(parsed).to_contain_text("decimal commas; month ends taken as months")
    page.wait_for_function(IDLE)
    assert traces(page)["history"]["y"] == [1234.5, None, 999.5, 1000]
    file = tmp_path / "week.csv"
    file.write_text(daily_csv([*WEEKS[:30]]))
    page.locator("#forecast-file").set_input_files(file)
    expect(parsed).to_contain_text("30 values of units, daily")


def test_examples_are_drawn(visit: Visit) -> None:
    page = visit.open("#forecast/any")
    names = page.locator("#forecast-examples button").all_text_contents()
    assert len(names) == 3
    for name in names:
        page.get_by_role("button", name=name).click()
        page.wait_for_function(IDLE)
        assert len(traces(page)["median"]["y"]) > 0
        expect(page.get_by_role("alert")).to_have_count(0)


def test_covariates_of_a_table_are_sent(visit: Visit) -> None:
    page = visit.open("#forecast/ridership")
    expect(page.locator("#forecast-parsed")).to_contain_text("With bus.")
    body = request_sent(visit)
    assert len(body["past_covariates"]["bus"]) == len(body["values"])


def test_another_column_can_be_chosen(visit: Visit) -> None:
    page = visit.open("#forecast/any")
    forecast(page, "time,a,b\n" + "\n".join(f"2024-01-{day:02},{3 * day},{100 * day}" for day in range(1, 29)))
    assert traces(page)["history"]["y"][0] == 3
    page.get_by_label("Column").select_option("b")
    page.wait_for_function(IDLE)
    assert traces(page)["history"]["y"][0] == 100


def test_series_without_dates_has_a_seasonal_naive_forecast_once_its_frequency_is_chosen(visit: Visit) -> None:
    page = visit.open("#forecast/any")
    forecast(page, " ".join(map(str, WEEKS[:42])))
    assert traces(page)["history"]["x"] == list(range(1, 43))
    assert "seasonal naive" not in traces(page)
    expect(page.locator("#forecast-remarks")).to_contain_text("no seasonal-naive forecast")
    page.get_by_label("Frequency").select_option("D")
    page.get_by_label("First date").fill("2024-01-01")
    page.wait_for_function(IDLE)
    drawn = traces(page)
    assert drawn["history"]["x"][0] == "2024-01-01"
    assert drawn["seasonal naive"]["y"][:3] == WEEKS[:3]


def test_architectures_are_compared(visit: Visit) -> None:
    page = visit.open("#forecast/ridership")
    page.locator("#forecast-compare").check()
    page.wait_for_function(IDLE)
    table = page.locator("#forecast-comparison table")
    assert table.locator("tbody th small").all_text_contents() == ["ridership-rnn", "ridership-wavenet"]
    assert all(re.fullmatch(r"[\d.]+ ms", text) for text in table.locator("tbody td:nth-child(2)").all_text_contents())
    assert "ridership-rnn" in traces(page)


def test_formulas_of_the_examples_give_the_same_everywhere(modules: Page) -> None:
    make = """() => import("/assets/forecast/examples.js").then(({ seriesFor }) =>
      seriesFor(["D", "h", "MS"], ["bus"]).map((one) => one.make().split("\\n")))"""
    drawn: list[list[str]] = modules.evaluate(make)
    assert drawn == modules.evaluate(make)
    assert [len(lines) > 100 for lines in drawn] == [True] * 4
    assert math.isclose(float(drawn[1][1].split(",")[1]), 752)


def test_refusal_of_the_service_is_shown_beside_the_series(visit: Visit) -> None:
    page = visit.open("#forecast/ridership")
    forecast(page, "month,v\n2024-01-01,1\n2024-02-01,2\n2024-03-01,4")
    problem = page.locator("#forecast-drop").get_by_role("alert")
    expect(problem).to_contain_text("The request has the wrong shape or value")
    expect(problem.locator("code")).to_have_text("freq")
    expect(problem).to_contain_text("This model forecasts series of freq D")
    expect(page.locator("#forecast-figure")).to_be_hidden()
    assert visit.logged
    visit.logged.clear()  # the browser logs each refused request


def test_error_of_a_table_is_shown_until_it_is_corrected(visit: Visit) -> None:
    page = visit.open("#forecast/ridership")
    forecast(page, "date,v\n2024-01-01,1\n2024-01-02,abc\n2024-01-03,3")
    expect(page.get_by_role("alert")).to_contain_text("Line 3: “abc” in v is not a number")
    forecast(page, daily_csv([*WEEKS]))
    expect(page.locator("#forecast-series-problem")).to_be_empty()
    expect(page.locator("#forecast-figure")).to_be_visible()
