"""Experiments: an outcome is kept whole or not at all, and only taken for what it is."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from training.experiment import kept_or_run, plain


@dataclass(frozen=True)
class Throw:
    """Outcome of an experiment."""

    sides: int
    shown: list[int]


def never() -> Throw:
    raise AssertionError("it is kept")


def broken_off() -> Throw:
    raise KeyboardInterrupt


def throw(file: Path, sides: int, run: Callable[[], Throw]) -> Throw:
    return kept_or_run(file, Throw, {"sides": sides}, run)


def test_what_is_kept_is_not_run_again(tmp_path: Path) -> None:
    file = tmp_path / "throw.json"
    first = throw(file, 6, lambda: Throw(6, [3, 5]))
    assert first == Throw(6, [3, 5])
    assert throw(file, 6, never) == first
    assert [found.name for found in tmp_path.iterdir()] == ["throw.json"]


def test_run_that_is_broken_off_keeps_nothing(tmp_path: Path) -> None:
    file = tmp_path / "throw.json"
    with pytest.raises(KeyboardInterrupt):
        throw(file, 6, broken_off)
    assert not list(tmp_path.iterdir())
    assert throw(file, 6, lambda: Throw(6, [1])) == Throw(6, [1])


def test_outcome_made_otherwise_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "throw.json"
    throw(file, 6, lambda: Throw(6, [3]))
    with pytest.raises(ValueError, match=r"throw\.json comes from other sides; choose another folder or delete it"):
        throw(file, 8, never)


def test_plain_settings_are_those_json_gives_back() -> None:
    @dataclass(frozen=True)
    class Settings:
        dilations: tuple[int, ...]

    assert plain(Settings((1, 2))) == {"dilations": [1, 2]}
