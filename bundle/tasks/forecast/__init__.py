"""Forecasting: the history of a series in, quantiles of its next steps out."""

from bundle.tasks.forecast.spec import ForecastSpec
from bundle.tasks.task import Task

FORECAST = Task(spec=ForecastSpec, rows_are_alike=True)
