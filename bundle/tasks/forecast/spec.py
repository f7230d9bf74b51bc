"""What the manifest of a forecaster says of its task."""

from typing import Literal

from pydantic import Field, model_validator

from bundle.tasks.forecast.series import DAY_TYPES, Freq
from bundle.tasks.task import TaskSpec
from bundle.tensors import Part, TensorSpec


class PastCovariate(Part):
    """A second series known up to now; graph input `past_<name>:float32[batch,context]`, NaN where missing."""

    name: str
    unit: str


class FutureCovariate(Part):
    """A category known for past and future; graph input `future_<name>:int64[batch,context+horizon]`.

    Code 0 is unknown, code i+1 is `categories[i]`. `derived_from_dates` names the rule of
    `bundle.tasks.forecast.series` that fills it where the client gives dates instead.
    """

    name: str
    categories: list[str] = Field(min_length=1)
    derived_from_dates: Literal["day_type"] | None = None

    @model_validator(mode="after")
    def _rule_gives_its_categories(self) -> "FutureCovariate":
        if self.derived_from_dates == "day_type" and not set(DAY_TYPES) <= set(self.categories):
            raise ValueError(f"day types derived from dates are {', '.join(DAY_TYPES)}; categories lacks one")
        return self


class ForecastSpec(TaskSpec):
    """Series in, quantiles of the next steps out, all in the series' own units.

    Graph: `history:float32[batch,context]` (left-filled with NaN, NaN is missing) and the covariates ->
    `quantiles:float32[batch,horizon,levels]`, ascending over levels. A model of any spacing also reads
    `freq:int64[batch,1]`, a code of `bundle.tasks.forecast.series.freq_code`.
    """

    task: Literal["forecast"] = "forecast"
    target: str
    unit: str
    freq: Freq | None = Field(description="spacing of the series; null: any, as the input `freq` says")
    season: int | None = Field(
        ge=1,
        description="steps in one season, of the seasonal-naive baseline; null where freq is null: it follows freq",
    )
    context_length: int = Field(ge=1)
    horizon: int = Field(ge=1)
    quantile_levels: list[float] = Field(min_length=3)
    past_covariates: list[PastCovariate] = Field(default_factory=list)
    future_covariates: list[FutureCovariate] = Field(default_factory=list)

    @model_validator(mode="after")
    def _levels_are_symmetric(self) -> "ForecastSpec":
        levels = self.quantile_levels
        if sorted(set(levels)) != levels or not 0 < levels[0] < levels[-1] < 1:
            raise ValueError("quantile_levels must ascend within (0, 1)")
        if any(abs(low + high - 1) > 1e-9 for low, high in zip(levels, reversed(levels), strict=True)):
            raise ValueError("quantile_levels must be symmetric around the median")
        if len(levels) % 2 == 0:
            raise ValueError("quantile_levels must contain the median, 0.5")
        return self

    @model_validator(mode="after")
    def _any_freq_has_no_season_and_no_dates(self) -> "ForecastSpec":
        if (self.freq is None) != (self.season is None):
            raise ValueError("freq and season must both be given, or both be null")
        if self.freq is None and any(covariate.derived_from_dates for covariate in self.future_covariates):
            raise ValueError("a covariate can't be derived from dates where freq is null")
        return self

    def inputs(self) -> list[TensorSpec]:
        """Inputs of the graph, in order: history, past covariates, future covariates, freq where it may be any."""
        past = [f"past_{covariate.name}" for covariate in self.past_covariates]
        future = [f"future_{covariate.name}" for covariate in self.future_covariates]
        return [
            *(TensorSpec(name=name, dtype="float32", shape=["batch", "context"]) for name in ("history", *past)),
            *(TensorSpec(name=name, dtype="int64", shape=["batch", "context_and_horizon"]) for name in future),
            *([TensorSpec(name="freq", dtype="int64", shape=["batch", 1])] if self.freq is None else []),
        ]

    def outputs(self) -> list[TensorSpec]:
        """Outputs of the graph."""
        shape: list[int | str] = ["batch", self.horizon, len(self.quantile_levels)]
        return [TensorSpec(name="quantiles", dtype="float32", shape=shape)]
