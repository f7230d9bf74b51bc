"""Pages: sections of prose, tables and plots, as HTML that needs nothing beside it and as Markdown with plots in files.

What a page says is written once; the templates know only the kinds of parts there are.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import jinja2
from markupsafe import Markup

TEMPLATES = {"html": "page.html.j2", "md": "page.md.j2"}


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Findings:
    """What matters most, sentence by sentence."""

    kind: ClassVar[str] = "findings"
    sentences: Sequence[str]


@dataclass(frozen=True)
class Facts:
    """Names and what is to be said of them."""

    kind: ClassVar[str] = "facts"
    facts: Mapping[str, str]
    code: bool = False


@dataclass(frozen=True)
class Command:
    """What to type."""

    kind: ClassVar[str] = "command"
    command: str


@dataclass(frozen=True)
class Table:
    """Cells by row, the first of each its name."""

    kind: ClassVar[str] = "table"
    caption: str
    columns: Sequence[str]
    """Without that of the names."""
    rows: Sequence[Sequence[str]]
    chosen: str | None = None
    """Name of the row that is marked."""
    quiet: frozenset[str] = frozenset()
    """Names of rows that stand back."""
    words: bool = False
    """Cells are sentences, not numbers."""


@dataclass(frozen=True)
class Plot:
    """An SVG, its file's name and what it shows, for those who don't see it."""

    file: str
    svg: bytes
    alt: str

    def inline(self) -> Markup:
        """As part of a page: its identifiers are its own, and nothing in it names another place."""
        text = self.svg.decode()
        text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
        text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text)
        text = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{self.file.removesuffix('.svg')}-", text)
        text = re.sub(r'^<svg width="[^"]*" height="[^"]*"', "<svg", text)
        described = Markup('<svg role="img" aria-label="{}"').format(self.alt)
        return described + Markup(text.removeprefix("<svg"))  # noqa: S704 - drawn by us, its texts escaped by matplotlib


@dataclass(frozen=True)
class Plots:
    """Side by side where there is room."""

    kind: ClassVar[str] = "plots"
    plots: Sequence[Plot]


Part = Text | Findings | Facts | Command | Table | Plots


@dataclass(frozen=True)
class Section:
    """A heading, and what stands under it."""

    heading: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Page:
    """A title, and sections; the first part stands above them."""

    title: str
    findings: Findings
    sections: Sequence[Section]

    def plots(self) -> list[Plot]:
        """Every plot on the page."""
        parts = [part for section in self.sections for part in section.parts]
        return [plot for part in parts if isinstance(part, Plots) for plot in part.plots]


def write_page(page: Page, folder: Path, name: str) -> None:
    """Write `<name>.html`, `<name>.md` and the plots of the latter; what has these names in the folder is replaced."""
    templates = jinja2.Environment(
        loader=jinja2.PackageLoader("training"),
        autoescape=jinja2.select_autoescape(["html.j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    templates.filters["markdown"] = _markdown
    folder.mkdir(parents=True, exist_ok=True)
    for plot in page.plots():
        (folder / plot.file).write_bytes(plot.svg)
    for ending, template in TEMPLATES.items():
        (folder / f"{name}.{ending}").write_text(templates.get_template(template).render(page=page))


def _markdown(text: str) -> str:
    """Text as Markdown that shows it as it is: no column ends in it, no tag begins."""
    return re.sub(r"([\\|*_`\[\]])", r"\\\1", text).replace("&", "&amp;").replace("<", "&lt;")
