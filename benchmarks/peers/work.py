"""What a peer does with requests it has batched: one pass through the model, then each request's own answer."""

from collections.abc import Sequence
from typing import Any

from benchmarks.serving.engine import Engine


def answer_each(engine: Engine, bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What `POST /classify` answers to each `{"model": …, "inputs": text or texts}`, with all texts in one batch."""
    groups = [[body["inputs"]] if isinstance(body["inputs"], str) else body["inputs"] for body in bodies]
    together = engine.answer([text for group in groups for text in group])
    answers, start = [], 0
    for group in groups:
        answers.append(together | {"results": together["results"][start : start + len(group)]})
        start += len(group)
    return answers
