"""FastAPI as its tutorial has it: pydantic models in and out, with the model inline, or with none (`without_model`)."""

from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.serving.engine import Engine


class Request(BaseModel):
    """Texts to label."""

    model: str
    inputs: str | list[str]


class Result(BaseModel):
    """The label of one text."""

    label: str
    score: float
    scores: dict[str, float]
    truncated: bool


class Response(BaseModel):
    """One result a text."""

    model: str
    version: int
    results: list[Result]


def inline() -> FastAPI:
    """Label texts on the event loop."""
    app, engine = FastAPI(), Engine.from_environment()

    @app.post("/classify")
    async def classify(request: Request) -> Response:
        texts = [request.inputs] if isinstance(request.inputs, str) else request.inputs
        return Response.model_validate(engine.answer(texts))

    return app


def without_model() -> FastAPI:
    """The same schemas, no work."""
    app = FastAPI()

    @app.post("/classify")
    async def classify(request: Request) -> Response:
        texts = [request.inputs] if isinstance(request.inputs, str) else request.inputs
        result = Result(label="ham", score=0.9, scores={"ham": 0.9, "spam": 0.1}, truncated=False)
        return Response(model=request.model, version=1, results=[result] * len(texts))

    return app
