"""What decides a published forecaster of many series."""

from dataclasses import dataclass
from typing import Any, ClassVar

from bundle.tasks.forecast.series import SEASONS, Freq
from bundle.tasks.forecast.spec import ForecastSpec
from training.data.loaders import SERIES_SETS
from training.data.own_series import OwnSeries
from training.data.series_set import SeriesSet
from training.fit import Schedule
from training.models.global_forecaster import GlobalForecasterConfig


@dataclass(frozen=True)
class GlobalForecastRecipe:
    """Everything that decides a published forecaster of many series."""

    task: ClassVar[str] = "global_forecast"
    name: str
    alias: str | None
    """Short name that the first published version gets; None for none."""
    data: tuple[str, ...] | OwnSeries
    """Names of data sets in `training.data.loaders.SERIES_SETS`, or an own file."""
    freq: Freq | None
    """Spacing of the series the bundle takes; None for any."""
    context_length: int
    architecture: str
    settings: Any
    """Of the architecture."""
    network: GlobalForecasterConfig
    batches_per_epoch: int
    """Each of one set; `histories.shares` says how often each is drawn."""
    spoiling: float
    """How often training shortens a history, hides values of it, or its spacing."""
    schedule: Schedule
    intended_use: str
    limits: str

    def sets(self) -> list[SeriesSet]:
        """The data, read."""
        if isinstance(self.data, OwnSeries):
            return [self.data.load()]
        return [whole for name in self.data for whole in SERIES_SETS[name]()]

    def spec(self) -> ForecastSpec:
        """What the bundle's manifest says of the task."""
        return ForecastSpec(
            target="any regularly spaced numeric series" if self.freq is None else "the series it was trained on",
            unit="the series' own",
            freq=self.freq,
            season=SEASONS[self.freq] if self.freq else None,
            context_length=self.context_length,
            horizon=self.network.horizon,
            quantile_levels=list(self.network.quantile_levels),
        )
