"""What drift is measured against: bins that divide evenly, an index that tells drift from chance, a whole file."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.manifest import Manifest
from bundle.store import BundleError, publish, read_bundle, version_folder
from bundle.tasks.classify.reference import (
    NUM_BINS,
    REFERENCE_FILE,
    Distribution,
    Reference,
    population_stability_index,
    score,
)
from bundle.tasks.classify.spec import ClassifySpec
from bundle.tensors import TensorSpec
from tests.support.drift_reference import reference_of
from tests.support.stub_bundle import FILES, stub_manifest

REFERENCE = Reference(
    measured_on="made-up texts",
    num_rows=4,
    scores=Distribution(edges=[0.2, 0.7], shares=[0.5, 0.25, 0.25]),
    lengths=Distribution(edges=[], shares=[1.0]),
    unknown_token_ratio=0.125,
    labels={"ham": 0.75, "spam": 0.25},
)

# --- distributions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "edges", "shares"),
    [
        (np.random.default_rng(0).permutation(1000), [100 * decile - 0.5 for decile in range(1, 10)], [0.1] * 10),
        ([1] * 60 + [2] * 25 + [7] * 15, [1.5, 4.5], [0.6, 0.25, 0.15]),  # several deciles on a value make one edge
        ([3, 3, 3], [], [1.0]),
    ],
)
def test_deciles_divide_values_evenly(values: Any, edges: list[float], shares: list[float]) -> None:
    distribution = Distribution.of(values)
    assert (distribution.edges, distribution.shares) == (edges, shares)


def test_value_on_an_edge_belongs_to_the_bin_below() -> None:
    assert REFERENCE.scores.bins_of([-1, 0.2, 0.2000001, 0.7, 0.71, 99]).tolist() == [0, 0, 1, 1, 2, 2]
    assert REFERENCE.lengths.bins_of([-1, 3, 9]).tolist() == [0, 0, 0]


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=300))
def test_every_value_is_counted_in_one_bin_and_none_lies_on_an_edge(values: list[float]) -> None:
    distribution = Distribution.of(values)
    ends = [-np.inf, *distribution.edges, np.inf]
    shares = [np.mean([low < value < high for value in values]) for low, high in itertools.pairwise(ends)]
    assert distribution.shares == pytest.approx(shares)
    assert min(shares) > 0
    assert len(shares) <= NUM_BINS


# --- the index -------------------------------------------------------------------------------------------------------


def test_index_by_hand() -> None:
    assert population_stability_index([0.5, 0.5], 100, [30, 10]) == pytest.approx(0.25 * np.log(1.5) + 0.25 * np.log(2))


@given(st.lists(st.integers(0, 500), min_size=1, max_size=12).filter(any))
def test_index_of_the_reference_itself_is_zero(counts: list[int]) -> None:
    rows = sum(counts)
    shares = [count / rows for count in counts]
    assert population_stability_index(shares, rows, counts) == pytest.approx(0, abs=1e-12)


def test_empty_bin_counts_as_half_a_row() -> None:
    live_empty = population_stability_index([0.5, 0.5], 100, [20, 0])
    assert live_empty == population_stability_index([0.5, 0.5], 100, [20, 0.5])
    reference, live = np.array([100, 0.5]) / 100.5, np.array([0.9, 0.1])
    by_hand = ((live - reference) * np.log(live / reference)).sum()
    assert population_stability_index([1.0, 0.0], 100, [90, 10]) == pytest.approx(by_hand)


def test_index_grows_with_the_shift() -> None:
    rng = np.random.default_rng(0)
    distribution = Distribution.of(rng.normal(size=2000))

    def index(shift: float) -> float:
        counts = np.bincount(distribution.bins_of(rng.normal(shift, size=2000)), minlength=NUM_BINS)
        return population_stability_index(distribution.shares, 2000, counts)

    indices = [index(shift) for shift in (0, 0.25, 0.5, 1)]
    assert indices == sorted(indices)
    assert indices[0] < 0.02
    assert indices[-1] > 0.25


@pytest.mark.parametrize(("reference_rows", "live_rows"), [(500, 1000), (2000, 200)])
def test_chance_alone_gives_what_is_said(reference_rows: int, live_rows: int) -> None:
    rng = np.random.default_rng(0)
    references = rng.multinomial(reference_rows, [0.1] * 10, size=2000)
    lives = rng.multinomial(live_rows, [0.1] * 10, size=2000)
    indices = [
        population_stability_index(reference / reference_rows, reference_rows, live)
        for reference, live in zip(references, lives, strict=True)
    ]
    assert np.mean(indices) == pytest.approx(9 * (1 / reference_rows + 1 / live_rows), rel=0.05)


def test_nothing_to_compare_is_said_so() -> None:
    with pytest.raises(ValueError, match="one count a share: 2 shares, 3 counts"):
        population_stability_index([0.5, 0.5], 10, [1, 2, 3])
    with pytest.raises(ValueError, match="one count a share: 2 shares, 1 counts"):
        population_stability_index([0.5, 0.5], 10, [1])
    with pytest.raises(ValueError, match="a live row"):
        population_stability_index([0.5, 0.5], 10, [0, 0])


# --- scores ----------------------------------------------------------------------------------------------------------


def test_score_is_that_of_the_positive_label_or_else_of_the_one_answered() -> None:
    probabilities = np.array([[0.75, 0.25], [0.125, 0.875]], dtype=np.float32)
    spec = ClassifySpec(labels=["ham", "spam"], max_tokens=8, positive_label="spam", threshold=0.9)
    assert [score(row, spec) for row in probabilities.tolist()] == [0.25, 0.875]
    without = ClassifySpec(labels=["ham", "spam"], max_tokens=8)
    assert [score(row, without) for row in probabilities.tolist()] == [0.75, 0.875]


# --- in a bundle -----------------------------------------------------------------------------------------------------


def classifier(version: int, checksums: dict[str, str]) -> Manifest:
    """The blank manifest as that of a classifier."""
    changed = {
        "spec": ClassifySpec(labels=["ham", "spam"], max_tokens=8),
        "inputs": [TensorSpec(name="ids", dtype="int64", shape=["batch", "time"])],
        "outputs": [TensorSpec(name="probabilities", dtype="float32", shape=["batch", 2])],
    }
    return Manifest(**(stub_manifest(version, checksums).model_dump() | changed))


def published(store: Path, reference: bytes | None) -> Path:
    files = FILES | {"tokenizer.json": b"not a tokenizer"} | ({REFERENCE_FILE: reference} if reference else {})
    return version_folder(store, "blank", publish(store, "blank", files, classifier).version)


def test_reference_is_read_back(tmp_path: Path) -> None:
    bundle = read_bundle(published(tmp_path, REFERENCE.model_dump_json().encode()))
    assert reference_of(bundle) == REFERENCE
    assert reference_of(read_bundle(published(tmp_path, None))) is None


def changed(**fields: Any) -> bytes:
    return json.dumps(REFERENCE.model_dump() | fields).encode()


def scores_with(**fields: Any) -> bytes:
    return changed(scores=REFERENCE.scores.model_dump() | fields)


MALFORMED = {
    "not JSON": (b"{", "Invalid JSON"),
    "a list": (b"[]", "Input should be an object"),
    "lacks a part": (b'{"measured_on": "x"}', "num_rows: Field required"),
    "unknown key": (changed(hook=1), "hook: Extra inputs are not permitted"),
    "no rows": (changed(num_rows=0), "num_rows: Input should be greater than or equal to 1"),
    "edge repeats": (scores_with(edges=[0.2, 0.2]), "scores: Value error, edges must ascend"),
    "edges descend": (scores_with(edges=[0.7, 0.2]), "scores: Value error, edges must ascend"),
    "edge not finite": (scores_with(edges=[0.2, float("inf")]), "scores.edges.1: Input should be a finite number"),
    "edge no number": (scores_with(edges=[0.2, float("nan")]), "scores.edges.1: Input should be a finite number"),
    "edge too few": (scores_with(edges=[0.2]), "1 edges divide 2 shares, not 3"),
    "no share": (scores_with(edges=[], shares=[]), "0 edges divide 1 shares, not 0"),
    "shares beyond a whole": (scores_with(shares=[0.5, 0.25, 0.5]), "scores: Value error, shares must sum to 1"),
    "negative share": (scores_with(shares=[0.9, 0.3, -0.2]), "scores.shares.2: Input should be greater than or equal"),
    "text for a share": (scores_with(shares=["1", 0.0, 0.0]), "scores.shares.0: Input should be a valid number"),
    "ratio beyond one": (changed(unknown_token_ratio=1.5), "unknown_token_ratio: Input should be less than or equal"),
    "labels' shares": (changed(labels={"ham": 0.75, "spam": 0.5}), "shares must sum to 1"),
    "other labels": (changed(labels={"ham": 0.75, "eggs": 0.25}), "labels are not those of the manifest"),
    "a label too few": (changed(labels={"ham": 1.0}), "labels are not those of the manifest"),
}


@pytest.mark.parametrize(("content", "reason"), MALFORMED.values(), ids=MALFORMED.keys())
def test_bundle_with_a_malformed_reference_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    folder = published(tmp_path, content)
    with pytest.raises(BundleError) as refused:
        read_bundle(folder)
    assert str(refused.value).startswith("reference.json: ")
    assert reason in str(refused.value)


def test_forecaster_with_a_reference_is_refused(tmp_path: Path) -> None:
    publish(tmp_path, "blank", FILES | {REFERENCE_FILE: REFERENCE.model_dump_json().encode()}, stub_manifest)
    with pytest.raises(BundleError, match=r"reference\.json: only a bundle of the task classify has one"):
        read_bundle(version_folder(tmp_path, "blank", 1))
