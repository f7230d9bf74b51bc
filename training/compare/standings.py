"""Standings: what the numbers of a comparison say, by architecture and baseline."""

import dataclasses
import statistics
from collections.abc import Mapping
from typing import Any

from training.compare.compare import Compared
from training.compare.outcomes import Outcome
from training.tasks import Measure
from training.tasks.table import TASKS


class Standings:
    """Numbers of every fit, and who is best.

    Args:
        compared: what was fitted.
        microseconds: of one answer, by the outcome's name.
    """

    def __init__(self, compared: Compared, microseconds: Mapping[str, float]) -> None:
        self.compared = compared
        self.outcomes: dict[str, list[Outcome]] = {
            name: [outcome for outcome, _ in found] for name, found in compared.outcomes.items()
        }
        self.microseconds = {
            name: [microseconds[outcome.name] for outcome in found] for name, found in self.outcomes.items()
        }
        self.baselines = compared.baselines
        self.measures = TASKS[compared.recipe.task].measures(compared.recipe)
        self.selected = {name: [outcome.selected for outcome in found] for name, found in self.outcomes.items()}

    @property
    def main(self) -> Measure:
        """The figure to compare by."""
        return self.measures.main

    def figures(self, name: str, measure: Measure) -> list[float]:
        """Of each seed, or of the baseline; empty where it has no such figure."""
        rows = [outcome.figures for outcome in self.outcomes[name]] if name in self.outcomes else [self.baselines[name]]
        return [row[measure.key] for row in rows if measure.key in row]

    def parts(self) -> list[Measure]:
        """One for each part of the data that has a figure of its own."""
        parts = self.measures.parts
        if parts is None:
            return []
        rows = [found[0].figures for found in self.outcomes.values()]
        keys = dict.fromkeys(key for row in rows for key in row if key.startswith(parts.key) and key != self.main.key)
        return [Measure(key, key.removeprefix(parts.key), parts.aim) for key in keys]

    def median(self, name: str) -> float:
        """Of the main figure, on the reported rows."""
        return statistics.median(self.figures(name, self.main))

    def median_microseconds(self, name: str) -> float:
        """Of one answer."""
        return statistics.median(self.microseconds[name])

    def best(self) -> str:
        """The architecture to choose, by the rows that choices are made on."""
        aim = self.measures.selection.aim
        return min(self.selected, key=lambda name: _loss(statistics.median(self.selected[name]), aim))

    def as_good(self) -> list[str]:
        """Architectures whose seeds reach into the spread of the best one's seeds, on those same rows."""
        best = self.selected[self.best()]
        return [
            name
            for name, found in self.selected.items()
            if name != self.best() and min(found) <= max(best) and min(best) <= max(found)
        ]

    def strongest_baseline(self) -> str | None:
        """By the reported rows; None where no baseline has the main figure."""
        known = [name for name in self.baselines if self.figures(name, self.main)]
        return min(known, key=lambda name: _loss(self.median(name), self.main.aim), default=None)

    def better_than(self, baseline: str) -> list[str]:
        """Architectures whose median is better."""
        bar = _loss(self.median(baseline), self.main.aim)
        return [name for name in self.outcomes if _loss(self.median(name), self.main.aim) < bar]

    def typical(self, name: str) -> Outcome:
        """Of an architecture's seeds the one whose main figure is nearest to their median."""
        return min(self.outcomes[name], key=lambda outcome: abs(outcome.figures[self.main.key] - self.median(name)))

    def plain(self) -> dict[str, Any]:
        """For JSON: every number, no curves."""
        left_out = ("curves", "fan", "labels", "data")
        return {
            "name": self.compared.comparison.name,
            "seeds": self.compared.seeds,
            "compared_by": self.main.key,
            "chosen": self.best(),
            "fits": [
                {
                    **{key: value for key, value in dataclasses.asdict(outcome).items() if key not in left_out},
                    "microseconds_per_answer": microseconds,
                }
                for name, found in self.outcomes.items()
                for outcome, microseconds in zip(found, self.microseconds[name], strict=True)
            ],
            "baselines": self.baselines,
        }


def _loss(figure: float, aim: str | float) -> float:
    return -figure if aim == "high" else figure
