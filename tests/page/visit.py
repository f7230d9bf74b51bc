"""A visit to the page: no test may ask another host or leave a complaint in the console."""

import dataclasses
from collections.abc import Iterator

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request

ANSWERED = """() => {
  const shown = [...document.querySelectorAll(".view:not([hidden]) .status")];
  return !document.querySelector("[aria-busy]") && !shown.some((status) => status.textContent.startsWith("Nothing"));
}"""
"""Nothing that was asked is still open, and the first question of the view has been asked."""


@dataclasses.dataclass(frozen=True)
class Visit:
    """One page, and what it did besides showing itself."""

    page: Page
    base: str
    requests: list[Request]
    complaints: list[str]

    def open(self, view: str = "") -> Page:
        """Go to a view and wait until it has running_app."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.base}/{view}")
        self.page.wait_for_function(ANSWERED)
        return self.page


def visit_in(context: BrowserContext, base: str) -> Iterator[Visit]:
    """A page in a context; closed and judged after the test."""
    context.set_default_timeout(15_000)
    visit = Visit(context.new_page(), base, [], [])

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            visit.complaints.append(message.text)

    visit.page.on("console", listen)
    visit.page.on("pageerror", lambda error: visit.complaints.append(str(error)))
    visit.page.on("request", lambda request: visit.requests.append(request))
    yield visit
    foreign = [one.url for one in visit.requests if not one.url.startswith((base, "data:", "about:"))]
    visit.page.evaluate("localStorage.clear()")
    visit.page.close()
    assert foreign == []
    assert visit.complaints == []
