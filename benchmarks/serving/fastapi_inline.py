"""FastAPI as its tutorial has it: pydantic models in and out, with the model inline, or with none (`without_model`)."""

from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.serving.engine import from_environment


class Texts(BaseModel):
    """Texts to label."""

    model: str
    inputs: str | list[str]

    def rows(self) -> list[str]:
        """One text or many, as a list."""
        return [self.inputs] if isinstance(self.inputs, str) else self.inputs


class Result(BaseModel):
    """The label of one text."""

    label: str
    score: float
    scores: dict[str, float]
    truncated: bool


class Labels(BaseModel):
    """One result a text."""

    model: str
    version: int
    results: list[Result]


class Series(BaseModel):
    """One series."""

    values: list[float]


class History(BaseModel):
    """Series to continue; `values` is short for one."""

    model: str
    series: list[Series] | None = None
    values: list[float] | None = None

    def rows(self) -> list[list[float]]:
        """One series or many, as a list."""
        if self.series is not None:
            return [one.values for one in self.series]
        return [self.values or []]


class Interval(BaseModel):
    """Ends of an interval, one entry a step."""

    lower: list[float]
    upper: list[float]


class Forecast(BaseModel):
    """The next steps of one series."""

    median: list[float]
    intervals: dict[str, Interval]
    warnings: list[str]


class Forecasts(BaseModel):
    """One forecast a series."""

    model: str
    version: int
    horizon: int
    forecasts: list[Forecast]


def inline() -> FastAPI:
    """Compute on the event loop."""
    app, engine = FastAPI(), from_environment()

    @app.post("/classify")
    async def classify(request: Texts) -> Labels:
        return Labels.model_validate(engine.answer(request.rows()))

    @app.post("/forecast")
    async def forecast(request: History) -> Forecasts:
        return Forecasts.model_validate(engine.answer(request.rows()))

    return app


def without_model() -> FastAPI:
    """The same schemas, no work."""
    app = FastAPI()

    @app.post("/classify")
    async def classify(request: Texts) -> Labels:
        result = Result(label="ham", score=0.9, scores={"ham": 0.9, "spam": 0.1}, truncated=False)
        return Labels(model=request.model, version=1, results=[result] * len(request.rows()))

    return app
