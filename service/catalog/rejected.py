"""Why a version must not answer: in words, and as one of a few kinds."""

from dataclasses import dataclass
from typing import Literal

Why = Literal["unreadable", "files", "graph", "proof", "memory", "time", "crash", "killed", "defect"]
"""What kind of reason it is: the store didn't give it just now; the files aren't those of a bundle; the graph may not
or can't be loaded; golden samples or tokenizer; more memory or time than a trial has; it crashed the trial, or
something killed that; a defect of ours."""

RETRYABLE: frozenset[Why] = frozenset({"unreadable", "time", "killed"})
"""What may be otherwise the next time, with the same files."""


@dataclass(frozen=True)
class Rejected:
    """Why a version must not answer."""

    reason: str
    why: Why
