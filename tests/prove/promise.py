"""A promise, and the counts that show whether it is kept."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.catalog.text_table import text_table


@dataclass(frozen=True)
class Measure:
    """One count, and the bound it must keep."""

    what: str
    count: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def kept(self) -> bool:
        """Whether the count is within its bounds; a NaN isn't."""
        return (self.at_least is None or self.count >= self.at_least) and (
            self.at_most is None or self.count <= self.at_most
        )

    @property
    def wanted(self) -> str:
        """The bounds, in words."""
        if self.at_least is not None and self.at_least == self.at_most:
            return _number(self.at_least)
        bounds = (("at least", self.at_least), ("at most", self.at_most))
        return ", ".join(f"{word} {_number(bound)}" for word, bound in bounds if bound is not None)


def none_of(what: str, count: int) -> Measure:
    """What must not happen once."""
    return Measure(what, count, at_least=0, at_most=0)


@dataclass(frozen=True)
class Outcome:
    """What a run found."""

    measures: Sequence[Measure]
    notes: Sequence[str] = ()
    """What this machine could not show and why; the first of what went wrong."""


@dataclass(frozen=True)
class Promise:
    """One line of the table."""

    name: str
    measures: Sequence[Measure]
    notes: Sequence[str] = ()

    @property
    def kept(self) -> bool:
        """Whether every count is as wanted; without a count nothing is shown."""
        return bool(self.measures) and all(measure.kept for measure in self.measures)


def document(promises: Sequence[Promise]) -> list[dict[str, Any]]:
    """As `prove.json` has them: counts and bounds by what is counted."""
    return [
        {
            "promise": promise.name,
            "count": {measure.what: measure.count for measure in promise.measures},
            "wanted": {measure.what: measure.wanted for measure in promise.measures},
            "kept": promise.kept,
            "notes": list(promise.notes),
        }
        for promise in promises
    ]


def write(path: Path, promises: Sequence[Promise], earlier: Sequence[dict[str, Any]] = ()) -> None:
    """Replace `prove.json` in one step; lines of `earlier` runs stay unless these promises were tried again."""
    tried = {promise.name for promise in promises}
    lines = [*(line for line in earlier if line["promise"] not in tried), *document(promises)]
    unfinished = path.with_name(path.name + ".unfinished")
    unfinished.write_text(json.dumps(lines, indent=1) + "\n")
    unfinished.rename(path)


def read(path: Path) -> list[dict[str, Any]]:
    """Lines of a `prove.json`; none where there is no such file."""
    return list(json.loads(path.read_text())) if path.exists() else []


def table(promises: Sequence[Promise]) -> str:
    """All promises, a line for every count."""
    header = ("promise", "what is counted", "count", "wanted", "kept")
    lines = [
        (
            promise.name if index == 0 else "",
            measure.what,
            _number(measure.count),
            measure.wanted,
            "yes" if measure.kept else "NO",
        )
        for promise in promises
        for index, measure in enumerate(promise.measures)
    ]
    rule = ["-" * max(map(len, column)) for column in zip(header, *lines, strict=True)]
    notes = [f"{promise.name}: {note}" for promise in promises for note in promise.notes]
    return "\n".join([text_table([header, rule, *lines]), *notes])


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.3f}"
