"""A document as a reader follows it: its fenced blocks, one step after another.

A `json` or `text` block shows the answer to the step before it. A comment `<!-- no-run: reason -->` on the line before
a step says why no test can run it, and goes for its answer, too. Before a `json` or `text` block it says why that is no
answer.
"""

import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

ANSWERS = ("json", "text")
NO_RUN = re.compile(r"<!-- no-run: (\S.*) -->")
RELATIVE, ABSOLUTE = 1e-3, 1e-5
"""Tolerance of numbers with a fraction: another processor rounds otherwise."""


@dataclass(frozen=True)
class Answer:
    """What a document shows below a step. `…` stands for anything: text, further entries, further keys."""

    language: str
    content: str

    def check(self, given: str) -> None:
        """Raise AssertionError unless `given` is such an answer."""
        if self.language == "json":
            assert _is_like(json.loads(given), json.loads(_with_quoted_ellipses(self.content)), "$"), given
        else:
            pattern = ".*".join(re.escape(part) for part in self.content.strip().split("…"))
            assert re.fullmatch(pattern, given.strip(), re.DOTALL), f"shown:\n{self.content}\ngiven:\n{given}"


@dataclass(frozen=True)
class Step:
    """One block that does something, with the answer shown for it."""

    document: str
    line: int
    language: str
    content: str
    no_run: str | None
    answer: Answer | None = None

    @property
    def place(self) -> str:
        """As an editor takes it."""
        return f"{self.document}:{self.line}"


def steps(path: Path, name: str) -> list[Step]:
    """The steps of a Markdown file. Raises `ValueError` for an answer without a step before it."""
    found: list[Step] = []
    for comment, block in _blocks(path.read_text()):
        assert block.map is not None
        reason = NO_RUN.fullmatch(comment.strip())
        step = Step(name, block.map[0] + 1, block.info, block.content, reason.group(1) if reason else None)
        if step.language not in ANSWERS or step.no_run:
            found.append(step)
        elif found and found[-1].answer is None:
            found[-1] = replace(found[-1], answer=Answer(step.language, step.content))
        else:
            raise ValueError(f"{step.place}: shows an answer, but no step stands before it")
    return found


def _blocks(text: str) -> Iterator[tuple[str, Token]]:
    """Each fence, with the HTML comment right before it."""
    comment = ""
    for token in MarkdownIt("commonmark").parse(text):
        if token.type in {"fence", "code_block"}:
            yield comment, token
        comment = token.content if token.type == "html_block" else ""


def _with_quoted_ellipses(content: str) -> str:
    """As JSON: a document writes `[1, …]` and `{"a": 1, …}`."""

    def quoted(found: re.Match[str]) -> str:
        if not found[0].endswith("…"):
            return found[0]
        colon = found[1] or ""
        ends_object = content[found.end() :].lstrip().startswith("}")
        return '"…": "…"' if ends_object and not colon else f'{colon}"…"'

    return re.sub(r'"(?:[^"\\]|\\.)*"|(:\s*)?…', quoted, content)


def _is_like(given: Any, shown: Any, place: str) -> bool:
    match shown:
        case "…":
            return True
        case str():
            pattern = ".*".join(re.escape(part) for part in shown.split("…"))
            alike = isinstance(given, str) and re.fullmatch(pattern, given, re.DOTALL) is not None
        case float():
            alike = isinstance(given, int | float) and math.isclose(given, shown, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
        case list() if not isinstance(given, list):
            alike = False
        case [*wanted, "…"]:
            alike = len(given) >= len(wanted) and _are_like(enumerate(given), enumerate(wanted), place)
        case list():
            alike = len(given) == len(shown) and _are_like(enumerate(given), enumerate(shown), place)
        case dict() if not isinstance(given, dict):
            alike = False
        case dict():
            keys = shown.keys() - {"…"}
            alike = given.keys() >= keys if "…" in shown else given.keys() == keys
            alike = alike and _are_like(given.items(), [(key, shown[key]) for key in keys], place)
        case _:
            alike = given == shown and type(given) is type(shown)
    return _said(alike, given, shown, place)


def _are_like(given: Iterable[tuple[Any, Any]], shown: Iterable[tuple[Any, Any]], place: str) -> bool:
    """Whether each entry shown, by index or key, is like the one given."""
    entries = dict(given)
    return all(_is_like(entries[key], value, f"{place}.{key}") for key, value in shown)


def _said(alike: bool, given: Any, shown: Any, place: str) -> bool:
    if not alike:
        print(f"{place}: shown {shown!r}, given {given!r}")  # pytest shows it where the check fails
    return alike
