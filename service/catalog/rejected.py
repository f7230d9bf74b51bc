"""Why a version must not answer: in words, and as one of a few kinds."""

from dataclasses import dataclass
from typing import Literal

Why = Literal["unreadable", "files", "graph", "proof", "memory", "time", "crash", "killed", "defect"]
"""The store didn't give it just now; the files aren't those of a bundle; the graph; golden samples or tokenizer;
too much memory or time; it crashed the sandbox, or something killed that; a defect of the service.
"""

RETRYABLE: frozenset[Why] = frozenset({"unreadable", "time", "killed"})
"""What may be otherwise the next time, with the same files."""


@dataclass(frozen=True)
class Rejected:
    """Why a version must not answer."""

    reason: str
    why: Why
