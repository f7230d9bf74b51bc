"""Text classification: `POST /classify`."""

from pathlib import Path

from service.tasks.task import Task

CLASSIFY = Task(name="classify", title="Classify", page=Path(__file__).parent / "page")
