"""Experiments: many runs, each outcome a file of its own, so that what is broken off goes on where it was."""

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic_core import to_jsonable_python

Outcome = TypeVar("Outcome")
"""A dataclass that JSON can hold."""


def kept_or_run(
    file: Path, kind: Callable[..., Outcome], made_with: Mapping[str, Any], run: Callable[[], Outcome]
) -> Outcome:
    """The outcome that `file` keeps or, where there is none, that of a new run, which it keeps from then on.

    Raises `ValueError` if a field named in `made_with` is another one in the outcome kept.
    """
    if file.exists():
        kept = kind(**json.loads(file.read_text()))
        if others := [name for name, value in made_with.items() if getattr(kept, name) != value]:
            named = " and ".join(name.replace("_", " ") for name in others)
            raise ValueError(f"{file} comes from other {named}; choose another folder or delete it")
        return kept
    outcome = run()
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(plain(outcome), indent=1) + "\n")
    unfinished.replace(file)
    return outcome


def read_kept(folder: Path, kind: Callable[..., Outcome], command: str) -> list[Outcome]:
    """All outcomes kept in a folder. Raises `ValueError` naming the command that makes them, where there is none."""
    found = [kind(**json.loads(file.read_text())) for file in sorted(folder.glob("*.json"))]
    if not found:
        raise ValueError(f"no outcome is in {folder}; {command} {folder} makes them")
    return found


def plain(settings: Any) -> dict[str, Any]:
    """A dataclass as JSON gives it back: its fields by name, lists for tuples."""
    fields: dict[str, Any] = to_jsonable_python(dataclasses.asdict(cast(Any, settings)))
    return fields
