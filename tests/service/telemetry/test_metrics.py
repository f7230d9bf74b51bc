"""GET /metrics: what is counted, for whom, and that several workers are counted together."""

import http.client
import json
import re
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from bundle.store import read_bundle, set_alias, version_folder
from bundle.tasks.classify.spec import ClassifySpec
from bundle.tasks.classify.text import TextEncoder
from service.settings import Settings
from service.tasks.classify.drift import FEWEST_ROWS
from service.telemetry.metrics import Metrics
from tests.support.made_up_data import messages
from tests.support.metric_samples import Samples, parse, value
from tests.support.retry import retry_until
from tests.support.running_app import running_app
from tests.support.service_process import free_port, serving
from tests.support.stub_bundle import publish_stub

PROMISED = {
    "seqserve_requests_total",
    "seqserve_request_seconds",
    "seqserve_queue_wait_seconds",
    "seqserve_batch_rows",
    "seqserve_rows_total",
    "seqserve_padding_ratio",
    "seqserve_inference_seconds",
    "seqserve_truncations_total",
    "seqserve_refusals_total",
    "seqserve_version_in_service",
    "seqserve_labels_total",
    "seqserve_score",
    "seqserve_unknown_token_ratio",
    "seqserve_drift_psi",
    "seqserve_interval_coverage",
    "seqserve_loads_total",
    "seqserve_resident_memory_bytes",
}


@pytest.fixture
def client(store: Path) -> Iterator[TestClient]:
    with running_app(Settings(store=store, store_poll_seconds=0.05)) as client:
        yield client


def scrape(client: TestClient) -> Samples:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    return parse(response.text)


def classify(client: TestClient, inputs: Any, **further: Any) -> Any:
    return client.post("/classify", json={"model": "spam", "inputs": inputs, **further})


def tokens_of(store: Path, text: str) -> list[int]:
    bundle = read_bundle(version_folder(store, "spam-cnn", 1))
    assert isinstance(bundle.manifest.spec, ClassifySpec)
    encoder = TextEncoder(bundle.files["tokenizer.json"].decode(), bundle.manifest.spec.max_tokens)
    return list(encoder.encode(text).ids)


def test_every_promised_name_is_there_and_has_a_help_text(client: TestClient) -> None:
    text = client.get("/metrics").text
    for name in PROMISED:
        assert re.search(rf"^# HELP {name} \w", text, re.MULTILINE), name


def test_requests_are_counted_by_route_model_version_and_status(client: TestClient) -> None:
    classify(client, ["win a prize", "see you later"])
    classify(client, "see you later", version=1)
    classify(client, "hello", top_k="many")
    client.post("/classify", json={"model": "no-such-model", "inputs": "no-such text"})
    client.get("/models/spam")
    client.get("/models/no-such-model")
    client.get("/no-such-path/as/this")
    assert "no-such" not in client.get("/metrics").text
    samples = scrape(client)
    own = {"model": "spam-cnn", "version": "1"}
    assert value(samples, "seqserve_requests_total", route="/classify", status="200", **own) == 2
    assert value(samples, "seqserve_request_seconds_count", route="/classify", status="200", **own) == 2
    assert value(samples, "seqserve_request_seconds_sum", route="/classify", status="200") > 0
    assert value(samples, "seqserve_requests_total", route="/classify", status="422", model="", version="") == 1
    assert value(samples, "seqserve_requests_total", route="/models/{name}", status="200") == 1
    assert value(samples, "seqserve_refusals_total", route="/classify", reason="invalid") == 1
    assert value(samples, "seqserve_refusals_total", route="/classify", reason="not-found") == 1
    assert value(samples, "seqserve_refusals_total", route="/models/{name}", reason="not-found") == 1
    assert value(samples, "seqserve_requests_total", route="unknown", status="404") == 1


def test_rows_batches_and_waiting_are_counted_by_model(client: TestClient) -> None:
    classify(client, ["see you later"] * 5)
    client.post("/forecast", json={"model": "ridership", "values": [1.0, 2.0, 3.0]})
    samples = scrape(client)
    spam, rail = {"model": "spam-cnn", "version": "1"}, {"model": "ridership-wavenet", "version": "1"}
    assert value(samples, "seqserve_rows_total", **spam) == 5
    assert value(samples, "seqserve_rows_total", **rail) == 1
    assert value(samples, "seqserve_batch_rows_sum", **spam) == 5
    assert value(samples, "seqserve_queue_wait_seconds_count", **spam) == 1
    assert value(samples, "seqserve_inference_seconds_count", **spam) == value(
        samples, "seqserve_batch_rows_count", **spam
    )
    assert value(samples, "seqserve_inference_seconds_sum", **spam) > 0
    assert value(samples, "seqserve_waiting_requests", **spam) == 0


def test_padding_is_the_share_of_a_batch_that_is_filled_up(client: TestClient, store: Path) -> None:
    short, long = "see you", "see you later at home"
    classify(client, [short, long])
    num_short, num_long = (len(tokens_of(store, text)) for text in (short, long))
    samples = scrape(client)
    expected = (num_long - num_short) / (2 * num_long)
    assert value(samples, "seqserve_padding_ratio_sum", model="spam-cnn") == pytest.approx(expected)
    client.post("/forecast", json={"model": "ridership", "values": [1.0]})
    assert value(scrape(client), "seqserve_padding_ratio_sum", model="ridership-wavenet") == 0


def test_labels_scores_truncations_and_unknown_tokens_are_counted(client: TestClient) -> None:
    texts = ["win a free prize now", "see you at home", "later " * 500]
    results = classify(client, texts).json()["results"]
    samples = scrape(client)
    for label in ("spam", "ham"):
        answered = sum(result["label"] == label for result in results)
        assert value(samples, "seqserve_labels_total", model="spam-cnn", label=label) == answered
    assert value(samples, "seqserve_truncations_total", model="spam-cnn") == 1
    assert value(samples, "seqserve_score_count", model="spam-cnn") == 3
    spam = sum(result["scores"]["spam"] for result in results)
    assert value(samples, "seqserve_score_sum", model="spam-cnn") == pytest.approx(spam, abs=1e-5)
    assert value(samples, "seqserve_unknown_token_ratio_count", model="spam-cnn") == 3


def test_drift_of_few_texts_is_not_shown(client: TestClient) -> None:
    classify(client, ["see you later"] * (FEWEST_ROWS - 1))
    assert "seqserve_drift_psi" not in scrape(client)


def test_drift_is_small_for_texts_like_those_of_the_report_and_large_for_others(client: TestClient) -> None:
    own = {"model": "spam-cnn", "version": "1"}
    alike = messages(2 * FEWEST_ROWS, seed=3)[0]
    classify(client, alike)
    psi = {of: value(scrape(client), "seqserve_drift_psi", of=of, **own) for of in ("scores", "lengths", "labels")}
    assert 0 < max(psi.values()) < 0.25
    for _ in range(3):
        classify(client, ["see you later"] * 2 * FEWEST_ROWS)
    samples = scrape(client)
    for of, before in psi.items():
        assert value(samples, "seqserve_drift_psi", of=of, **own) > max(0.25, before)


def test_outcomes_give_the_coverage_of_each_level(client: TestClient) -> None:
    inside = {"level": 80, "lower": 0, "upper": 2, "actual": 1}
    outside = {"level": 80, "lower": 0, "upper": 2, "actual": 3}
    other = {"level": 95, "lower": -1, "upper": 5, "actual": 5}
    bad = {"level": 80, "lower": 2, "upper": 0, "actual": 1}
    for outcomes, status in (([inside, bad], 422), ([inside, inside, inside, outside, other], 200)):
        body = {"model": "ridership", "version": 1, "outcomes": outcomes}
        assert client.post("/outcomes", json=body).status_code == status
    samples = scrape(client)
    own = {"model": "ridership-wavenet", "version": "1"}
    assert value(samples, "seqserve_interval_coverage", level="80", **own) == 0.75
    assert value(samples, "seqserve_interval_coverage", level="95", **own) == 1
    assert value(samples, "seqserve_outcomes_total", level="80", inside="false", **own) == 1


def test_versions_in_service_and_loads_follow_the_store(client: TestClient, store: Path) -> None:
    samples = scrape(client)
    assert value(samples, "seqserve_version_in_service", alias="spam", model="spam-cnn") == 1
    assert value(samples, "seqserve_version_in_service", alias="", model="ridership-wavenet") == 1
    assert value(samples, "seqserve_loads_total", model="spam-cnn", version="1", outcome="proved") == 1
    assert value(samples, "seqserve_ready") == 1
    publish_stub(store)
    set_alias(store, "spam", "ridership-wavenet")
    retry_until(
        lambda: value(scrape(client), "seqserve_version_refused") and value(scrape(client), "seqserve_swaps_total")
    )
    samples = scrape(client)
    assert value(samples, "seqserve_swaps_total", alias="spam") == 1
    assert value(samples, "seqserve_version_in_service", alias="spam", model="ridership-wavenet") == 1
    assert value(samples, "seqserve_version_refused", model="blank", version="1") == 1
    assert value(samples, "seqserve_loads_total", model="blank", version="1", outcome="refused") == 1


def test_figures_of_an_app_are_its_own(store: Path, client: TestClient) -> None:
    classify(client, "hello")
    with running_app(Settings(store=store)) as other:
        assert value(scrape(other), "seqserve_requests_total", route="/classify") == 0


def test_open_metrics_are_spoken_where_asked_for(client: TestClient) -> None:
    response = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    assert response.text.endswith("# EOF\n")


def get(port: int, path: str, body: Any = None) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Content-Type": "application/json", "Connection": "close"}
    connection.request("GET" if body is None else "POST", path, json.dumps(body) if body else None, headers)
    text = connection.getresponse().read().decode()
    connection.close()
    return text


def test_any_of_several_workers_answers_for_all(store: Path, tmp_path: Path) -> None:
    port, count = free_port(), 120
    with serving(store, port, SEQSERVE_WORKERS="2", PROMETHEUS_MULTIPROC_DIR=str(tmp_path)) as server:
        [folder] = tmp_path.glob("seqserve-metrics-*")
        (folder / "counter_1.db").touch()  # of a worker that has just started
        workers = parse(get(port, "/metrics"))["seqserve_resident_memory_bytes"]
        for _ in range(count):
            get(port, "/classify", {"model": "spam", "inputs": ["win a prize", "see you later"] * 3})
        requests = {"name": "seqserve_requests_total", "route": "/classify"}
        retry_until(
            lambda: value(parse(get(port, "/metrics")), **requests) >= count
        )  # each worker counts once a second
        for _ in range(10):  # whichever worker is asked
            samples = parse(get(port, "/metrics"))
            assert value(samples, "seqserve_requests_total", route="/classify") == count
            assert value(samples, "seqserve_labels_total", model="spam-cnn") == count * 6
            assert value(samples, "seqserve_loads_total", model="spam-cnn", outcome="proved") == 2
        recent = {"name": "seqserve_recent_rows", "of": "labels"}  # each worker shows its own within a second
        retry_until(lambda: value(parse(get(port, "/metrics")), **recent) > count * 6 * 0.9)
        samples = parse(get(port, "/metrics"))
        assert value(samples, **recent) <= count * 6
        assert value(samples, "seqserve_drift_psi", model="spam-cnn", of="labels") > 0
        assert len(workers) <= len(samples["seqserve_resident_memory_bytes"]) == 2
        assert server.poll() is None


def test_nothing_of_a_version_stays_in_memory_once_it_has_left_the_store() -> None:
    metrics = Metrics()
    values = [weakref.ref(metrics.evictions.labels("gone", version)._value) for version in (1, 2)]
    assert all(value() is not None for value in values)
    for version in (1, 2):
        metrics.forget("gone", version)
    assert not any(value() for value in values)
    metrics.evictions.labels("next", 1).inc()
