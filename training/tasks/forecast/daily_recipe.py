"""What decides a published forecaster."""

import datetime as dt
from dataclasses import dataclass
from typing import Any, ClassVar

from bundle.tasks.forecast.spec import ForecastSpec, FutureCovariate, PastCovariate
from training.fit import Schedule
from training.models.forecaster import WEEK, ForecasterConfig


@dataclass(frozen=True)
class ForecastRecipe:
    """Everything that decides a published forecaster."""

    task: ClassVar[str] = "forecast"
    name: str
    alias: str
    data: str
    """Name of a data set in `training.data.COVARIATE_SERIES`."""
    target: str
    unit: str
    past: tuple[str, ...]
    day_types: tuple[str, ...]
    calibration_start: dt.date
    """First target day the width of the intervals is fitted to; training uses the days before it."""
    selection_start: dt.date
    """First target day the epoch is chosen by."""
    selection_end: dt.date
    """Last target day of both."""
    reporting_start: dt.date
    """First target day of the held-out figures."""
    reporting_end: dt.date
    """Last target day of the held-out figures."""
    context_length: int
    architecture: str
    settings: Any
    """Of the architecture."""
    network: ForecasterConfig
    stretch_days: int
    """Days of one training stretch."""
    stretches_per_epoch: int
    steps_per_stretch: int
    """Steps of a stretch that the loss is taken at, drawn anew each time."""
    warm_up_days: int
    """Steps at the beginning of a stretch that the loss leaves out."""
    first_step_weight: float
    """Weight of the next day's loss relative to that of each later day."""
    spoiling: float
    """How often training hides values, a past series or day types, relative to the shares in `stretches`."""
    schedule: Schedule
    intended_use: str
    limits: str

    def spec(self) -> ForecastSpec:
        """What the bundle's manifest says of the task."""
        return ForecastSpec(
            target=self.target,
            unit=self.unit,
            freq="D",
            season=WEEK,
            context_length=self.context_length,
            horizon=self.network.horizon,
            quantile_levels=list(self.network.quantile_levels),
            past_covariates=[PastCovariate(name=name, unit=self.unit) for name in self.past],
            future_covariates=[
                FutureCovariate(name="day_type", categories=list(self.day_types), derived_from_dates="day_type")
            ],
        )
