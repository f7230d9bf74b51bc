"""A server of an app, headless Chromium, and visits to the page: no visit may request another host or log an error."""

import dataclasses
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

from tests.support.retry import retry_until
from tests.support.service_process import free_port

NO_BROWSER = "no browser: the page's tests need Debian's package chromium (apt-get install chromium)"

IDLE = """() => {
  const shown = [...document.querySelectorAll(".view:not([hidden]) .status")];
  return !document.querySelector("[aria-busy]") && !shown.some((status) => status.textContent.startsWith("Nothing"));
}"""
"""No request is running, and the first one of the panel has been answered."""


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The address of an app that is served from a thread."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    retry_until(lambda: server.started or not thread.is_alive())
    assert server.started
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(30)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium; without it the test is skipped. No other event loop can run in this thread meanwhile."""
    executable = shutil.which("chromium")
    if executable is None and "CI" in os.environ:
        pytest.fail(NO_BROWSER)
    if executable is None:
        pytest.skip(NO_BROWSER)
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"]) as browser,
    ):
        yield browser


@dataclasses.dataclass(frozen=True)
class Visit:
    """One tab, its requests, and the errors and warnings that it logged."""

    page: Page
    base: str
    requests: list[Request]
    logged: list[str]

    def open(self, view: str = "") -> Page:
        """Go to a view and wait until it is idle."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.base}/{view}")
        self.page.wait_for_function(IDLE)
        return self.page


def visit_in(context: BrowserContext, base: str) -> Iterator[Visit]:
    """A tab in a context, closed after the test and checked for what it requested and logged."""
    context.set_default_timeout(15_000)
    visit = Visit(context.new_page(), base, [], [])

    def log(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            visit.logged.append(message.text)

    visit.page.on("console", log)
    visit.page.on("pageerror", lambda error: visit.logged.append(str(error)))
    visit.page.on("request", lambda request: visit.requests.append(request))
    yield visit
    foreign = [one.url for one in visit.requests if not one.url.startswith((base, "data:", "about:"))]
    visit.page.evaluate("localStorage.clear()")
    visit.page.close()
    assert foreign == []
    assert visit.logged == []
