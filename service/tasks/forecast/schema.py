"""What `POST /forecast` takes and gives, and its JSON codec."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, NotRequired

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue, model_validator
from typing_extensions import TypedDict

from bundle.tasks.forecast.series import Freq
from service.http.codec import Call
from service.http.json_codec import JSONCodec
from service.http.schema import Integer, PositiveInteger, RequestModel
from service.predict import Answers

MAX_COVARIATES = 100
"""Covariates of one series, known to the model or not."""


def _few(covariates: Any) -> Any:
    if isinstance(covariates, dict) and len(covariates) > MAX_COVARIATES:
        raise ValueError(f"at most {MAX_COVARIATES} covariates a series")
    return covariates


Number = Annotated[float, Field(allow_inf_nan=False)]
Values = Annotated[
    list[Number | None],
    Field(
        min_length=1,
        fail_fast=True,
        description="the history, oldest first, in the series' own units; null is a missing value",
        json_schema_extra={"contains": {"type": "number"}, "x-maxItems": "max_series_points"},
    ),
]
Id = Annotated[str | None, Field(max_length=200, description="given back with the forecast")]
Start = Annotated[str | None, Field(max_length=40, description="ISO 8601 date or time of the first value")]
Spacing = Annotated[
    Freq | None,
    Field(description="spacing of the values, by its pandas name; a model of any spacing takes its season from it"),
]
PastCovariates = Annotated[
    dict[str, Annotated[list[Number | None], Field(fail_fast=True)]],
    BeforeValidator(_few),
    Field(description="further series known up to now, each as long as `values`"),
]
FutureCovariates = Annotated[
    dict[str, Annotated[list[str | None], Field(fail_fast=True)]],
    BeforeValidator(_few),
    Field(description="categories known ahead, each as long as `values` plus the horizon; null is unknown"),
]
Level = Annotated[float, Field(gt=0, le=95, allow_inf_nan=False)]
Levels = Annotated[list[Level], Field(max_length=20, fail_fast=True, json_schema_extra={"uniqueItems": True})]


class SeriesInput(RequestModel):
    """One series, with its covariates."""

    values: Values
    id: Id = None
    start: Start = None
    freq: Spacing = None
    past_covariates: PastCovariates = Field(default_factory=dict)
    future_covariates: FutureCovariates = Field(default_factory=dict)


SeveralSeries = Annotated[
    list[SeriesInput], Field(min_length=1, fail_fast=True, json_schema_extra={"x-maxItems": "max_series"})
]
COMPANIONS = SeriesInput.model_fields.keys() - {"values"}


_NULL: JsonValue = {"type": "null"}
_EMPTY: JsonValue = {"maxProperties": 0}
_EITHER: dict[str, JsonValue] = {
    "if": {"required": ["values"], "properties": {"values": {"type": "array"}}},
    "then": {"properties": {"series": _NULL}},
    "else": {
        "required": ["series"],
        "properties": {
            "series": {"type": "array"},
            **dict.fromkeys(("id", "start", "freq"), _NULL),
            **dict.fromkeys(("past_covariates", "future_covariates"), _EMPTY),
        },
    },
}
"""JSON Schema of `_series_or_values`; generators of clients take a `oneOf` for several models."""


class ForecastRequest(RequestModel):
    """Series, and the model to forecast them with; `values` and its companions are short for one series."""

    model_config = ConfigDict(json_schema_extra=_EITHER)

    model: str = Field(description="alias or name of a forecaster; GET /models lists them")
    version: Integer | None = Field(None, description="ask for one version; default: the one in service")
    series: SeveralSeries | None = None
    horizon: PositiveInteger = Field(
        1,
        description="steps ahead; those beyond the model's own horizon are forecast recursively",
        json_schema_extra={"x-maximum": "max_horizon"},
    )
    levels: Levels = Field([80, 95], description="central intervals, in percent")
    explain: bool = Field(False, description="weigh each segment of the history; costs up to 32 rows more a series")
    values: Values | None = None
    id: Id = None
    start: Start = None
    freq: Spacing = None
    past_covariates: PastCovariates = Field(default_factory=dict)
    future_covariates: FutureCovariates = Field(default_factory=dict)

    @model_validator(mode="after")
    def _series_or_values(self) -> "ForecastRequest":
        if (self.series is None) == (self.values is None):
            raise ValueError("send either `series`, a list, or `values` for one series")
        stray = {name for name in COMPANIONS if getattr(self, name)}
        if self.series is not None and stray:
            raise ValueError(f"`{min(stray)}` belongs inside the entries of `series`")
        if len(set(self.levels)) != len(self.levels):
            raise ValueError("`levels` repeat")
        return self

    def all_series(self) -> list[SeriesInput]:
        """The series asked for, the short form included."""
        if self.series is not None:
            return self.series
        assert self.values is not None
        return [SeriesInput.model_construct(**{name: getattr(self, name) for name in SeriesInput.model_fields})]


def level_name(level: float) -> str:
    """A level as the key of its interval: `80`, `97.5`."""
    return repr(level).removesuffix(".0")


class Interval(TypedDict):
    """Ends of a central interval, one entry a step."""

    lower: list[float]
    upper: list[float]


class SegmentWeight(TypedDict):
    """How much one segment of the history counts: computed by hiding it."""

    start: Annotated[int, Field(description="first index of the segment in `values`")]
    end: Annotated[int, Field(description="index behind its last one")]
    weight: Annotated[
        float, Field(description="share of how far the medians move when these values are null; all sum to 1 or are 0")
    ]


class Forecast(TypedDict):
    """The next steps of one series, in its own units."""

    id: NotRequired[Annotated[str, Field(description="as sent; without one the key is absent")]]
    median: list[float]
    intervals: Annotated[dict[str, Interval], Field(description="by level in percent; wider ones contain others")]
    timestamps: NotRequired[
        Annotated[list[str], Field(description="of the steps; absent unless `start` was sent and the spacing is known")]
    ]
    warnings: Annotated[list[str], Field(description="what was missing; from which step on it is forecast recursively")]
    explanation: NotRequired[
        Annotated[list[SegmentWeight], Field(description="with `explain`: segments of known values, oldest first")]
    ]


class ForecastResponse(TypedDict):
    """One forecast per series, in order, and which version gave them."""

    model: Annotated[str, Field(description="name of the bundle that answered")]
    version: int
    horizon: int
    forecasts: list[Forecast]


@dataclass(frozen=True, slots=True)
class PlainSeries:
    """One series as other codecs than native JSON make it."""

    values: Sequence[float | None]
    id: str | None = None
    start: str | None = None
    freq: Freq | None = None
    past_covariates: dict[str, list[float | None]] = field(default_factory=dict)
    future_covariates: dict[str, list[str | None]] = field(default_factory=dict)


Series = SeriesInput | PlainSeries
"""One series as the task takes it."""


@dataclass(frozen=True, slots=True)
class ForecastOptions:
    """What is forecast of each series."""

    horizon: int = 1
    levels: Sequence[float] = (80, 95)
    """Of the central intervals, in percent."""
    explain: bool = False


class ForecastJSON(JSONCodec[ForecastRequest]):
    """Native JSON."""

    task = "forecast"
    payload = ForecastRequest
    response = ForecastResponse

    def call(self, payload: ForecastRequest) -> Call:
        """What is asked."""
        options = ForecastOptions(payload.horizon, payload.levels, payload.explain)
        return Call(payload.model, payload.version, payload.all_series(), options, payload)

    def respond(self, call: Call, answers: Answers) -> ForecastResponse:
        """The response."""
        return {
            "model": answers.model,
            "version": answers.version,
            "horizon": call.options.horizon,
            "forecasts": list(answers.results),
        }

    def locate(self, call: Call, loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
        """`inputs` are `series`; in the short form the fields of the only one stand at the root."""
        if loc[:1] != ("inputs",):
            return loc
        if call.payload.series is None:
            return loc[2:]
        return ("series", *loc[1:])
