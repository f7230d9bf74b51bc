"""What JSON Schema can't say of a body: what the model named can do, which of two numbers is larger.

Cases that make no sense for that alone are left out.
"""

import functools
import json
import urllib.request
from typing import Any

import schemathesis

TASKS = {"/classify": "classify", "/forecast": "forecast", "/outcomes": "forecast"}


@functools.cache
def task_by_model(address: str) -> dict[str, str]:
    """Task of each model and alias that the service has."""
    with urllib.request.urlopen(f"{address}/models") as response:
        listed = json.load(response)
    tasks = {model["name"]: model["task"] for model in listed["models"]}
    return tasks | {alias: tasks[target["name"]] for alias, target in listed["aliases"].items()}


def depends_on_the_model(body: dict[str, Any]) -> bool:
    """Whether it says something of a series that not every forecaster takes: covariates, date of the first value."""
    series = body.get("series")
    return any(
        one.get("past_covariates") or one.get("future_covariates") or one.get("start") is not None
        for one in [body, *(series if isinstance(series, list) else [])]
        if isinstance(one, dict)
    )


def is_upside_down(body: dict[str, Any]) -> bool:
    """Whether the lower end of an interval is above the upper one."""
    outcomes = body.get("outcomes")
    return any(
        isinstance(one, dict)
        and all(isinstance(one.get(end), int | float) for end in ("lower", "upper"))
        and one["lower"] > one["upper"]
        for one in (outcomes if isinstance(outcomes, list) else [])
    )


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:
    """Whether a case makes sense: intervals have their ends in order, the model named, if any, has the route's task."""
    task, body = TASKS.get(case.operation.path), case.body
    if task is None or not isinstance(body, dict) or not isinstance(body.get("model"), str):
        return True
    if is_upside_down(body):
        return False
    served = task_by_model(case.operation.schema.get_base_url().rstrip("/")).get(body["model"])
    return served is None or (served == task and not depends_on_the_model(body))
