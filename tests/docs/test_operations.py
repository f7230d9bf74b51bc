"""docs/operations.md names every metric with kind, labels and bounds, and every alert, and none that isn't there."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from bundle.store import set_alias, version_folder
from service.settings import Settings
from service.tasks.classify.drift import FEWEST_ROWS
from tests.support.retry import retry_until
from tests.support.running_app import running_app
from tests.support.service_process import ROOT

OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def rows(first_column: str) -> list[list[str]]:
    """Cells of the table with such a header, header and rule excepted."""
    _, found, rest = OPERATIONS.partition(f"\n| {first_column} |")
    assert found, f"there is no table of {first_column}"
    lines = rest.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names_in(cell: str) -> list[str]:
    return re.findall(r"`(\w+)`", cell)


@pytest.fixture
def families(store: Path) -> Iterator[dict[str, Metric]]:
    """Every metric, by the name that queries use, once all of them have something to tell."""
    shutil.copytree(version_folder(store, "spam-cnn", 1), version_folder(store, "spam-cnn", 2))  # is refused
    with running_app(Settings(store=store, store_poll_seconds=0.05)) as client:
        client.post("/classify", json={"model": "spam", "inputs": ["hello"] * FEWEST_ROWS}).raise_for_status()
        client.post("/classify", json={})
        told = {"level": 80, "lower": 1, "upper": 3, "actual": 2}
        outcomes = {"model": "ridership", "version": 1, "outcomes": [told]}
        client.post("/outcomes", json=outcomes).raise_for_status()
        set_alias(store, "spam", "ridership-wavenet")
        retry_until(lambda: "seqserve_swaps_total{" in client.get("/metrics").text)
        text = client.get("/metrics").text
        yield {
            f"{family.name}_total" if family.type == "counter" else family.name: family
            for family in text_string_to_metric_families(text)
        }


def test_metrics_are_all_documented(families: dict[str, Metric]) -> None:
    documented = {names_in(name)[0]: (kind, set(names_in(labels))) for name, kind, labels, *_ in rows("metric")}
    exposed = {
        name: (family.type, {label for sample in family.samples for label in sample.labels} - {"le"})
        for name, family in families.items()
    }
    exposed["seqserve_resident_memory_bytes"] = ("gauge", {"pid"})  # the label of several workers
    assert documented == exposed
    assert all(len(cells) == 5 and all(cells[3:]) for cells in rows("metric"))


def test_bounds_of_histograms_are_documented(families: dict[str, Metric]) -> None:
    documented = {names_in(name)[0]: list(map(float, bounds.split())) for name, bounds in rows("histogram")}
    exposed = {
        name: sorted({float(sample.labels["le"]) for sample in family.samples if "le" in sample.labels})[:-1]
        for name, family in families.items()
        if family.type == "histogram"
    }
    assert documented == exposed


def test_alerts_are_all_explained() -> None:
    rules = (ROOT / "deploy" / "monitoring" / "alerts.yml").read_text()
    section = OPERATIONS.partition("\n## Alerts\n")[2].partition("\n## ")[0]
    explained = re.findall(r"\*\*(Seqserve\w+)\*\* \((critical|warning)\)", section)
    written = re.findall(r"alert: (\w+)\n.*?severity: (\w+)", rules, re.DOTALL)
    assert explained == written
    assert len(written) > 10
