"""What a bundle says about itself: `manifest.json`, read and checked before anything else in the bundle is used."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from bundle.series import DAY_TYPES, Freq

FORMAT = 1
"""Format number written into every manifest. A reader refuses any other."""

NAME_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
FILE_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9._-]*$"

MANIFEST_FILE = "manifest.json"
MODEL_FILE = "model.onnx"
GOLDEN_FILE = "golden.npz"
TOKENIZER_FILE = "tokenizer.json"
REPORT_FILE = "report.json"


def _plain_name(name: str) -> str:
    if not re.fullmatch(NAME_PATTERN, name) or len(name) > 63:
        raise ValueError("a name is 1 to 63 of a-z, 0-9 and single inner hyphens")
    return name


def _plain_file(name: str) -> str:
    if not re.fullmatch(FILE_PATTERN, name) or ".." in name or name == MANIFEST_FILE:
        raise ValueError(f"{name!r} is not a plain file name inside the bundle")
    return name


Name = Annotated[str, AfterValidator(_plain_name)]
FileName = Annotated[str, AfterValidator(_plain_file)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class TensorSpec(_Part):
    """One input or output of the graph. A dimension is a length, or a name where it is dynamic."""

    name: str
    dtype: Literal["int64", "float32"]
    shape: list[int | str]


class ClassifySpec(_Part):
    """Text in, one label out. Graph: `ids:int64[batch,time]` (0 pads) -> `probabilities:float32[batch,classes]`."""

    task: Literal["classify"] = "classify"
    labels: list[str] = Field(min_length=2)
    max_tokens: int = Field(ge=2, description="tokens the model reads of one text; what is beyond is cut off")
    positive_label: str | None = Field(default=None, description="the label that `threshold` speaks of")
    threshold: float | None = Field(
        default=None, ge=0, le=1, description="operating point: call it positive_label at this score or above"
    )
    temperature: float = Field(default=1.0, gt=0, description="calibration, already applied inside the graph")

    @model_validator(mode="after")
    def _labels_agree(self) -> "ClassifySpec":
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("labels repeat")
        if self.positive_label is not None and self.positive_label not in self.labels:
            raise ValueError("positive_label is not one of the labels")
        return self

    def inputs(self) -> list[TensorSpec]:
        """Inputs of the graph, in order."""
        return [TensorSpec(name="ids", dtype="int64", shape=["batch", "time"])]

    def outputs(self) -> list[TensorSpec]:
        """Outputs of the graph."""
        return [TensorSpec(name="probabilities", dtype="float32", shape=["batch", len(self.labels)])]


class PastCovariate(_Part):
    """A second series known up to now; graph input `past_<name>:float32[batch,context]`, NaN where missing."""

    name: str
    unit: str


class FutureCovariate(_Part):
    """A category known for past and future; graph input `future_<name>:int64[batch,context+horizon]`.

    Code 0 is unknown, code i+1 is `categories[i]`. `derived_from_dates` names the rule of `bundle.series` that fills it
    where the caller gives dates instead.
    """

    name: str
    categories: list[str] = Field(min_length=1)
    derived_from_dates: Literal["day_type"] | None = None

    @model_validator(mode="after")
    def _rule_gives_its_categories(self) -> "FutureCovariate":
        if self.derived_from_dates == "day_type" and not set(DAY_TYPES) <= set(self.categories):
            raise ValueError(f"day types derived from dates are {', '.join(DAY_TYPES)}; categories lacks one")
        return self


class ForecastSpec(_Part):
    """Series in, quantiles of the next steps out, all in the series' own units.

    Graph: `history:float32[batch,context]` (left-filled with NaN, NaN is missing) and the covariates ->
    `quantiles:float32[batch,horizon,levels]`, ascending over levels. A model of any spacing also reads
    `freq:int64[batch,1]`, a code of `bundle.series.freq_code`.
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
    past_covariates: list[PastCovariate] = []
    future_covariates: list[FutureCovariate] = []

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


class TrainingData(_Part):
    """What the model was fitted on, so that a run can be traced and repeated."""

    name: str
    origin: str
    licence: str
    citation: str
    files: dict[str, Sha256] = Field(description="sha256 of each source file read")
    rows: dict[str, int] = Field(description="rows of each part of the split")


class Manifest(_Part):
    """The whole of `manifest.json`.

    Raises `pydantic.ValidationError` for anything that is missing, unknown or malformed, an unknown `format` included.
    """

    format: int
    name: Name
    version: int = Field(ge=1)
    spec: Annotated[ClassifySpec | ForecastSpec, Field(discriminator="task")]
    architecture: str
    recipe: dict[str, Any]
    seed: int
    parameters: int = Field(ge=0, description="trained weights in the network")
    created: str = Field(description="UTC, ISO 8601")
    source_commit: str
    data: list[TrainingData]
    inputs: list[TensorSpec]
    outputs: list[TensorSpec]
    opset: int
    ir_version: int
    metrics: dict[str, dict[str, Any]] = Field(description="held-out figures: `model`, and each baseline beside it")
    calibration: dict[str, Any] = {}
    libraries: dict[str, str]
    intended_use: str
    limits: str
    files: dict[FileName, Sha256]

    @model_validator(mode="before")
    @classmethod
    def _known_format(cls, document: Any) -> Any:
        if isinstance(document, dict) and document.get("format") != FORMAT:
            raise ValueError(f"bundle format {document.get('format')!r} is not the one this release reads ({FORMAT})")
        return document

    @model_validator(mode="after")
    def _has_what_its_task_needs(self) -> "Manifest":
        needed = {MODEL_FILE, GOLDEN_FILE} | ({TOKENIZER_FILE} if self.spec.task == "classify" else set())
        if missing := needed - self.files.keys():
            raise ValueError(f"files lacks {', '.join(sorted(missing))}")
        for kind, written, defined in (
            ("inputs", self.inputs, self.spec.inputs()),
            ("outputs", self.outputs, self.spec.outputs()),
        ):
            if written != defined:
                shown = ", ".join(f"{tensor.name}:{tensor.dtype}{tensor.shape}" for tensor in defined)
                raise ValueError(f"{kind} must be {shown}, as the task defines them")
        return self
