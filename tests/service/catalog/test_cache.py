"""Which versions stay in memory: under the ceiling, what is asked for, and never one less than its callers need."""

import itertools
import time
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from service.catalog.cache import SUPERSEDED_SECONDS, Key, ModelCache
from service.catalog.loader import LoadedModel

A, B, C = ("a", 1), ("b", 1), ("c", 1)


@dataclass
class FakeBatcher:
    num_requests: int = 0


@dataclass
class FakeEngine:
    batcher: FakeBatcher = field(default_factory=FakeBatcher)


@dataclass
class FakeModel:
    num_bytes: int = 10
    engine: FakeEngine = field(default_factory=FakeEngine)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Each look at the clock is a second later than the last."""
    seconds = itertools.count(1000.0)
    monkeypatch.setattr("service.catalog.cache.time.monotonic", lambda: next(seconds))
    return seconds


def loaded_with(ceiling_bytes: int, *keys: Key) -> ModelCache:
    loaded = ModelCache(ceiling_bytes)
    for key in keys:
        loaded.models[key] = cast(LoadedModel, FakeModel())
    return loaded


def batcher_of(loaded: ModelCache, key: Key) -> FakeBatcher:
    return cast(FakeBatcher, loaded.models[key].engine.batcher)


def ask(loaded: ModelCache, key: Key) -> None:
    loaded.used_at[key] = time.monotonic()


@pytest.mark.usefixtures("clock")
def test_least_recently_asked_goes_first() -> None:
    loaded = loaded_with(20, A, B, C)
    for key in (A, B, C, A):
        ask(loaded, key)
    assert loaded.surplus({A, B, C}) == [B]


def test_what_nobody_asked_for_goes_before_what_somebody_did() -> None:
    loaded = loaded_with(20, A, B, C)
    ask(loaded, A)
    ask(loaded, C)
    assert loaded.surplus({A, B, C}) == [B]


def test_nothing_goes_under_the_ceiling_or_without_one() -> None:
    assert loaded_with(30, A, B, C).surplus({A, B, C}) == []
    assert loaded_with(0, A, B, C).surplus({A, B, C}) == []


def test_one_with_callers_stays_until_they_are_done() -> None:
    loaded = loaded_with(10, A, B)
    batcher_of(loaded, A).num_requests = 1
    assert loaded.surplus({A, B}) == [B]
    batcher_of(loaded, B).num_requests = 1
    assert loaded.surplus({A, B}) == []
    batcher_of(loaded, A).num_requests = 0
    assert loaded.surplus({A, B}) == [A]


def test_one_that_is_larger_than_the_ceiling_stays_when_it_was_just_asked_for() -> None:
    loaded = loaded_with(5, A, B)
    assert loaded.surplus({A, B}, just_asked=B) == [A]
    assert loaded.surplus({A, B}) == [A, B]


def test_superseded_one_goes_a_while_after_its_last_request(clock: Any) -> None:
    loaded = loaded_with(0, A, B)
    ask(loaded, A)
    assert loaded.surplus({B}) == []
    for _ in range(int(SUPERSEDED_SECONDS)):
        next(clock)
    assert loaded.surplus({A, B}) == []
    assert loaded.surplus({B}) == [A]


def test_only_the_last_superseded_one_stays_unless_its_number_is_asked_for(clock: Any) -> None:
    first, second, third, now = (("bundle", version) for version in (1, 2, 3, 4))
    loaded = loaded_with(0, first, second, third, now)
    ask(loaded, first)
    loaded.number_used_at[first] = loaded.used_at[first]
    for key in (second, third, now):
        ask(loaded, key)
    assert loaded.surplus({now}) == [second]
    for _ in range(int(SUPERSEDED_SECONDS)):
        next(clock)
    assert loaded.surplus({now}) == [first, second, third]


def test_what_is_let_go_is_no_longer_found() -> None:
    loaded = loaded_with(0, A, B)
    loaded.pop(A)
    assert list(loaded.models) == [B]
