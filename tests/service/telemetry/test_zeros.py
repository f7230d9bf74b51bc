"""Counts that alerts take rates of begin at 0, before anything is counted; what they are compared with is told too."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from bundle.store import read_bundle, version_folder
from service.settings import Settings
from tests.support.drift_reference import reference_of
from tests.support.running_app import running_app

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def fresh(tiny_store: Path) -> Iterator[TestClient]:
    with running_app(Settings(store=tiny_store, deadline_seconds=12)) as client:
        yield client


def figures(client: TestClient) -> Figures:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def of(found: Figures, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def test_refusals_begin_at_zero(fresh: TestClient) -> None:
    found = figures(fresh)
    for reason in ("queue-full", "deadline-exceeded", "not-ready", "invalid", "defect"):
        assert of(found, "seqserve_refusals_total", route="/classify", reason=reason) == 0
    assert of(found, "seqserve_refusals_total", route="/readyz", reason="defect") == 0
    fresh.post("/classify", json={})
    assert of(figures(fresh), "seqserve_refusals_total", route="/classify", reason="invalid") == 1


def test_swaps_begin_at_zero(fresh: TestClient) -> None:
    assert of(figures(fresh), "seqserve_swaps_total", alias="spam") == 0


def test_outcomes_begin_at_zero_and_coverage_waits_for_one(fresh: TestClient) -> None:
    forecaster = {"model": "ridership-wavenet", "version": "1"}
    found = figures(fresh)
    for inside in ("true", "false"):
        assert of(found, "seqserve_outcomes_total", **forecaster, level="80", inside=inside) == 0
    assert of(found, "seqserve_interval_nominal_coverage", **forecaster, level="80") == 0.8
    assert "seqserve_interval_coverage" not in {name for name, _ in found}
    told = {"model": "ridership", "version": 1, "outcomes": [{"level": 80, "lower": 1, "upper": 3, "actual": 2}]}
    assert fresh.post("/outcomes", json=told).status_code == 200
    assert of(figures(fresh), "seqserve_interval_coverage", **forecaster, level="80") == 1


def test_tells_the_deadline_and_the_references_unknown_tokens(fresh: TestClient, tiny_store: Path) -> None:
    found = figures(fresh)
    assert of(found, "seqserve_deadline_seconds") == 12
    reference = reference_of(read_bundle(version_folder(tiny_store, "spam-cnn", 1)))
    assert reference is not None
    told = of(found, "seqserve_reference_unknown_token_ratio", model="spam-cnn", version="1")
    assert told == reference.unknown_token_ratio
