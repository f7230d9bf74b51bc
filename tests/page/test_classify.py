"""The panel of classifiers, in a real browser against a real service."""

import re
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.page.browser import IDLE, Visit

pytestmark = pytest.mark.slow

TEXTS = ["WINNER 😃 claim your 🏆 prize, it's free", "see you later at home"]


def classify(page: Page, texts: list[str]) -> None:
    page.get_by_label("Texts", exact=True).fill("\n".join(texts))
    page.get_by_role("button", name="Classify").click()
    page.wait_for_function(IDLE)


def answer_of(base: str, **body: Any) -> Any:
    response = httpx2.post(f"{base}/classify", json={"model": "spam", **body})
    assert response.status_code == 200, response.text
    return response.json()


def weight_in(text: str | None) -> float:
    return float((text or "").replace("−", "-"))


def request_shown(page: Page) -> str:
    return page.locator("[data-language=curl]").text_content() or ""


def test_every_text_has_its_label_and_a_bar_for_each_probability(visit: Visit) -> None:
    page = visit.open()
    classify(page, TEXTS)
    results = answer_of(visit.base, inputs=TEXTS)["results"]
    for item, result in zip(page.locator(".result").all(), results, strict=True):
        expect(item.locator(".prediction strong")).to_have_text(result["label"])
        for bar, (name, share) in zip(item.locator(".bar").all(), result["scores"].items(), strict=True):
            expect(bar.locator(".bar-name")).to_have_text(name)
            expect(bar.locator(".bar-share")).to_have_text(re.compile(r"[<>] \d|" + re.escape(f"{100 * share:.1f} %")))
            drawn = bar.locator(".bar-track").evaluate("track => track.style.getPropertyValue('--share')")
            assert float(drawn.rstrip("%")) == pytest.approx(100 * share)


def highlights(item: Locator) -> list[tuple[str, str, float]]:
    """Text, class and weight of each highlighted word."""
    marks = item.locator("mark").evaluate_all("marks => marks.map((m) => [m.textContent, m.className, m.title])")
    return [(text, kind, weight_in(title)) for text, kind, title in marks]


def test_words_are_highlighted_by_weight_even_after_an_emoji(visit: Visit) -> None:
    page = visit.open()
    classify(page, TEXTS)
    for index, result in enumerate(answer_of(visit.base, inputs=TEXTS, explain=True)["results"]):
        item = page.locator(".result").nth(index)
        assert item.locator(".text").text_content() == TEXTS[index]
        words = sorted(result["explanation"], key=lambda word: word["start"])
        expected: list[tuple[str, str, object]] = [
            (
                TEXTS[index][word["start"] : word["end"]],
                "lowers" if word["weight"] < 0 else "raises",
                pytest.approx(word["weight"], abs=6e-4),
            )
            for word in words
        ]
        assert highlights(item) == expected
        item.get_by_text("Word weights").click()
        rows = item.locator("tbody tr")
        expect(rows).to_have_count(len(words))
        largest = max(abs(word["weight"]) for word in words)
        assert abs(weight_in(rows.first.locator("td").first.text_content())) == pytest.approx(largest, abs=6e-4)


def test_texts_too_many_to_explain_are_classified_without_explanation(visit: Visit) -> None:
    page = visit.open()
    classify(page, ["one two three four five six seven eight nine ten"] * 200)
    expect(page.locator(".result")).to_have_count(200)
    expect(page.locator("#classify-status")).to_contain_text("No explanation: At most")
    expect(page.locator("mark")).to_have_count(0)
    assert "explain" not in request_shown(page)
    visit.logged.clear()  # the browser logs each refused request


def test_all_lines_are_one_unexplained_text_where_that_is_chosen(visit: Visit) -> None:
    page = visit.open()
    page.get_by_role("checkbox", name="Explain").uncheck()
    page.get_by_label("All lines are one text").check()
    classify(page, TEXTS)
    expect(page.locator(".result")).to_have_count(1)
    assert page.locator(".result .text").text_content() == "\n".join(TEXTS)
    expect(page.locator("mark")).to_have_count(0)
    assert "explain" not in request_shown(page)


def test_empty_box_asks_for_a_text(visit: Visit) -> None:
    page = visit.open()
    classify(page, ["  ", ""])
    expect(page.locator("#classify-status")).to_have_text("Write or paste a text first.")


def test_alias_in_the_address_selects_its_model(visit: Visit) -> None:
    page = visit.open("#classify/mine")
    expect(page.locator("#classify-model")).to_have_value("mine")
    expect(page.locator("#classify-status")).to_contain_text("my-filter, version 1")


def test_models_with_the_same_labels_are_compared(visit: Visit) -> None:
    page = visit.open()
    page.locator("#classify-compare").check()
    page.wait_for_function(IDLE)
    table = page.locator("#classify-comparison table")
    assert table.locator("thead th small").all_text_contents() == ["my-filter", "spam-cnn"]
    expect(table.locator("tbody tr")).to_have_count(3)
    assert re.fullmatch(r"([\d.]+ ms){2}", "".join(table.locator("tfoot td").all_text_contents()))


def test_texts_too_many_are_refused_with_the_limit_first(visit: Visit) -> None:
    page = visit.open()
    page.get_by_role("checkbox", name="Explain").uncheck()
    classify(page, ["one"] * 1025)
    assert "At most 1024 texts a request" in (page.get_by_role("alert").text_content() or "")[:60]
    visit.logged.clear()
