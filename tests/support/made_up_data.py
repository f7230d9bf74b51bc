"""Made-up texts and series, alike for alike seeds."""

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bundle.tasks.forecast.series import day_type

SPAM_WORDS = ("win", "prize", "free", "claim", "cash", "call", "urgent", "text", "offer", "winner")
HAM_WORDS = ("see", "home", "later", "dinner", "thanks", "sleep", "mum", "tomorrow", "bus", "love")
SHARED_WORDS = ("you", "the", "now", "at", "to", "is", "ok", "and", "today", "for")


def messages(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Texts and their labels, `spam` and `ham`, which share some words and differ in others."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(count):
        label = "spam" if rng.random() < 0.3 else "ham"
        words = [*rng.choice(SPAM_WORDS if label == "spam" else HAM_WORDS, 3), *rng.choice(SHARED_WORDS, 4)]
        rng.shuffle(words)
        texts.append(" ".join(words) + (f" {rng.integers(10_000)}" if label == "spam" else ""))
        labels.append(label)
    return texts, labels


@dataclass(frozen=True)
class Boardings:
    """Daily counts of passengers."""

    rail: NDArray[np.float64]
    bus: NDArray[np.float64]
    day_types: list[str]


def boardings(first: dt.date, days: int, seed: int) -> Boardings:
    """Rail and bus with the shape of a week, a slow drift and noise."""
    rng = np.random.default_rng(seed)
    day_types = [day_type(first + dt.timedelta(days=day)) for day in range(days)]
    shape = np.array([{"W": 1.0, "A": 0.6, "U": 0.4}[kind] for kind in day_types])
    drift = 1 + 0.1 * np.sin(np.arange(days) / 90)
    rail = 7e5 * shape * drift * rng.normal(1, 0.03, days)
    bus = 8e5 * shape * drift * rng.normal(1, 0.03, days)
    return Boardings(rail.round(), bus.round(), list(day_types))
