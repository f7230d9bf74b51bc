"""What a task is to the service: one entry of `TASKS`."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Task:
    """One task. Everything outside of its own folder asks this entry, and never which task it is."""

    name: str
    """As `spec.task` of a manifest has it."""
    title: str
    """What the page calls it: a verb."""
    page: Path
    """Folder of its part of the page."""
