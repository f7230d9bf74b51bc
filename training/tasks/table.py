"""TASKS: every task by name. A recipe's `task` is looked up here."""

from training.tasks import Task
from training.tasks.classify import figures as classify_figures
from training.tasks.classify import fit as classify
from training.tasks.forecast import daily, many

FORECAST_QUESTION = 'POST /forecast {"model": "%s", "values": […]}'

TASKS: dict[str, Task] = {
    "classify": Task(
        fit=classify.fit,
        baselines=classify.baselines,
        rebuilt=classify.rebuilt,
        measures=classify_figures.measures,
        evaluate=classify.evaluate,
        question='POST /classify {"model": "%s", "inputs": ["…"]}',
        measured_files=classify.measured_files,
        labels=classify.labels,
    ),
    "forecast": Task(
        fit=daily.fit,
        baselines=daily.baselines,
        rebuilt=daily.rebuilt,
        measures=daily.measures,
        evaluate=daily.evaluate,
        question=FORECAST_QUESTION,
    ),
    "global_forecast": Task(
        fit=many.fit,
        baselines=many.baselines,
        rebuilt=many.rebuilt,
        measures=many.measures,
        evaluate=many.evaluate,
        question=FORECAST_QUESTION,
    ),
}
