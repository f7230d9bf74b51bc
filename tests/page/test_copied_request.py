"""The request shown below the results runs as it is copied, in a shell and in Python."""

import json
import subprocess
import sys
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.page.browser import IDLE, Visit

pytestmark = pytest.mark.slow


def send(page: Page, texts: str) -> None:
    page.get_by_label("Texts", exact=True).fill(texts)
    page.get_by_role("checkbox", name="Explain").uncheck()
    page.get_by_role("button", name="Classify").click()
    page.wait_for_function(IDLE)


def run_copied(page: Page, language: str) -> Any:
    page.get_by_role("button", name=f"Copy the {language} request").locator("visible=true").click()
    expect(page.get_by_text("Copied").locator("visible=true")).to_be_visible()
    text: str = page.evaluate("navigator.clipboard.readText()")
    command = ["bash"] if language == "curl" else [sys.executable, "-"]
    return json.loads(subprocess.run(command, input=text.encode(), check=True, capture_output=True, timeout=60).stdout)


@pytest.mark.parametrize("language", ["curl", "Python"])
def test_request_with_quotes_runs(visit: Visit, language: str) -> None:
    texts = ["WINNER 😃 claim your 🏆 prize, it's free", "quotes ' \" and \\ and $HOME `ls`"]
    page = visit.open()
    send(page, "\n".join(texts))
    answer = httpx2.post(f"{visit.base}/classify", json={"model": "spam", "inputs": texts}).json()
    assert run_copied(page, language) == answer


@pytest.mark.parametrize("language", ["curl", "Python"])
def test_request_with_missing_values_runs(visit: Visit, language: str) -> None:
    page = visit.open("#forecast/ridership")
    answer = run_copied(page, language)
    assert answer["model"] == "ridership-wavenet"
    median = "document.getElementById('forecast-chart').data.find(({name}) => name === 'median').y.slice()"
    assert answer["forecasts"][0]["median"] == page.evaluate(f"[...{median}]")


def test_request_longer_than_a_shell_argument_runs(visit: Visit) -> None:
    text = ("it's $HOME and `ls` " * 9000).strip()
    page = visit.open()
    page.get_by_label("All lines are one text").check()
    send(page, text)
    answer = httpx2.post(f"{visit.base}/classify", json={"model": "spam", "inputs": [text]}).json()
    assert run_copied(page, "curl") == answer
