"""Forecasting: `POST /forecast`."""

from pathlib import Path

from service.tasks.task import Task

FORECAST = Task(name="forecast", title="Forecast", page=Path(__file__).parent / "page")
