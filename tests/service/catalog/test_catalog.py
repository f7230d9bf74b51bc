"""What answers: proven versions only, by name, alias or number; the store is followed."""

import asyncio
import functools
import itertools
import json
import shutil
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bundle.golden import Golden
from bundle.store import read_bundle, set_alias, version_folder
from service.catalog import sandbox
from service.catalog.catalog import Catalog
from service.catalog.rejected import Rejected
from service.catalog.sandbox import Passed, Sandbox
from service.errors import DeadlineExceeded, NotFound, NotReady, QueueFull
from service.settings import Settings
from service.tasks.classify.engine import TextClassifier
from tests.support.held_model import loaded
from tests.support.next_version import publish_next_version
from tests.support.retry import retry_until
from tests.support.running_app import running_app
from tests.support.store_catalog import catalog_of, refresh
from tests.support.stub_bundle import publish_stub

SANDBOX = functools.partial(sandbox.test_in_sandbox, memory_bytes=2**28, seconds=10)


@pytest.fixture
def make(store: Path) -> Iterator[Callable[..., Catalog]]:
    """Make a catalog of the store, by default with a sandbox and no other settings."""
    with ThreadPoolExecutor(1) as executor:

        def build(sandbox: Sandbox = SANDBOX, started_ns: int = sys.maxsize, **settings: Any) -> Catalog:
            return catalog_of(Settings(store=store, **settings), executor, sandbox, started_ns)

        yield build


@pytest.fixture
def catalog(make: Callable[..., Catalog]) -> Catalog:
    return make()


def answering(catalog: Catalog, model: str, version: int | None = None) -> int:
    """The version that answers."""
    key = catalog.snapshot.key_of(model, version)
    assert key is not None
    return key[1]


def test_nothing_answers_before_the_first_reading(catalog: Catalog) -> None:
    with pytest.raises(NotReady):
        catalog.find("spam")
    assert catalog.unready()


def test_newest_version_answers_unless_the_alias_is_pinned(catalog: Catalog, store: Path) -> None:
    publish_next_version(store)
    refresh(catalog)
    assert answering(catalog, "spam") == 2
    assert answering(catalog, "spam-cnn") == 2
    assert answering(catalog, "spam", 1) == 1
    assert catalog.unready() == []
    set_alias(store, "spam", "spam-cnn", 1)
    refresh(catalog)
    assert answering(catalog, "spam") == 1
    assert answering(catalog, "spam", 2) == 2
    assert answering(catalog, "spam-cnn") == 2


def test_unknown_names_and_versions_are_refused(catalog: Catalog) -> None:
    refresh(catalog)
    for model, version in (("nothing", None), ("spam", 9), ("spam-cnn", 9)):
        with pytest.raises(NotFound):
            catalog.find(model, version)


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("ridership-wavenet", {"quantile_levels": [0.025, 0.5, 0.975]}, "outputs must be quantiles"),
        ("ridership-wavenet", {"horizon": 7}, "outputs must be quantiles"),
        ("ridership-wavenet", {"freq": "ME"}, "Input should be '15min'"),
        ("ridership-wavenet", {"freq": None}, "freq and season must both be given"),
        ("ridership-wavenet", {"past_covariates": []}, "as the task defines them"),
        (
            "ridership-wavenet",
            {
                "future_covariates": [
                    {"name": "day_type", "categories": ["x", "y", "z"], "derived_from_dates": "day_type"}
                ]
            },
            "categories lacks one",
        ),
        ("spam-cnn", {"labels": ["ham", "a", "b", "spam"]}, "outputs must be probabilities"),
    ],
)
def test_manifest_that_does_not_fit_its_graph_is_refused(
    catalog: Catalog, store: Path, name: str, changes: dict[str, object], reason: str
) -> None:
    path = version_folder(store, name, 1) / "manifest.json"
    document = json.loads(path.read_text())
    document["spec"] |= changes
    path.write_text(json.dumps(document))
    refresh(catalog)
    assert reason in catalog.snapshot.rejected[name, 1].reason


def _golden_without_freq(files: dict[str, bytes]) -> None:
    golden = Golden.from_bytes(files["golden.npz"])
    files["golden.npz"] = Golden({"history": golden.inputs["history"]}, golden.outputs).to_bytes()


def test_golden_samples_of_a_model_of_any_frequency_record_it(catalog: Catalog, store: Path) -> None:
    publish_next_version(store, "any-frequency", _golden_without_freq)
    refresh(catalog)
    assert answering(catalog, "any") == 1
    assert catalog.snapshot.rejected["any-frequency", 2].reason == "golden samples must record the manifest's inputs"


def test_what_could_not_be_read_is_tried_again(catalog: Catalog, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("bundle.store.os.open", _stale_file_handle)
        refresh(catalog)
    assert "can't be read" in catalog.snapshot.rejected["spam-cnn", 1].reason
    refresh(catalog)
    assert answering(catalog, "spam") == 1


def _stale_file_handle(*_: object, **__: object) -> int:
    raise OSError(116, "Stale file handle")


def test_folders_of_others_are_passed_over(catalog: Catalog, store: Path) -> None:
    (store / "lost+found" / "1").mkdir(parents=True)
    refresh(catalog)
    assert catalog.snapshot.fault is None
    assert catalog.snapshot.names() == ["any-frequency", "ridership-wavenet", "spam-cnn"]


def test_required_model_that_is_refused_keeps_the_service_unready(store: Path) -> None:
    (version_folder(store, "spam-cnn", 1) / "model.onnx").write_bytes(b"tampered")
    with running_app(Settings(store=store)) as client:
        response = client.get("/readyz")
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert "spam: no version has passed its self-test" in response.json()["detail"]
        assert client.get("/livez").status_code == 200
        [refused] = client.get("/models").json()["refused"]
        assert (refused["name"], refused["version"]) == ("spam-cnn", 1)
        assert "checksum differs" in refused["reason"]
        assert client.post("/classify", json={"model": "spam", "inputs": "a"}).status_code == 404
        assert client.post("/forecast", json={"model": "ridership", "values": [1.0]}).status_code == 200
    with running_app(Settings(store=store, required_models=["ridership"])) as client:
        assert client.get("/readyz").status_code == 200


def test_service_without_a_store_starts_and_says_it_is_not_ready(tmp_path: Path) -> None:
    with running_app(Settings(store=tmp_path / "nowhere")) as client:
        assert client.get("/livez").json() == {"status": "live"}
        assert "can't be read" in client.get("/readyz").json()["detail"]
        assert client.post("/classify", json={"model": "spam", "inputs": "a"}).status_code == 503


def test_empty_store_is_not_ready(tmp_path: Path) -> None:
    with running_app(Settings(store=tmp_path)) as client:
        assert "holds no bundle" in client.get("/readyz").json()["detail"]


def test_what_is_no_bundle_is_shown_as_refused(catalog: Catalog, store: Path) -> None:
    publish_stub(store)
    refresh(catalog)
    assert ("blank", 1) in catalog.snapshot.rejected
    assert answering(catalog, "spam") == 1


def test_malformed_aliases_leave_the_old_ones_in_force(catalog: Catalog, store: Path) -> None:
    refresh(catalog)
    (store / "aliases.json").write_text("{")
    refresh(catalog)
    assert answering(catalog, "spam") == 1
    assert "aliases.json" in catalog.store_faults()[0]
    assert catalog.unready() == []


def test_store_that_vanishes_leaves_the_models_answering(catalog: Catalog, store: Path) -> None:
    refresh(catalog)
    store.rename(store.with_name("elsewhere"))
    refresh(catalog)
    assert answering(catalog, "spam") == 1
    assert "can't be read" in (catalog.snapshot.fault or "")


def test_refused_version_is_looked_at_again_when_it_changes(catalog: Catalog, store: Path) -> None:
    version = publish_next_version(store)
    path = version_folder(store, "spam-cnn", version) / "model.onnx"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    refresh(catalog)
    assert ("spam-cnn", 2) in catalog.snapshot.rejected
    path.write_bytes(whole)
    refresh(catalog)
    assert answering(catalog, "spam") == 2


# --- what is trusted -------------------------------------------------------------------------------------------------


class Judge:
    """A sandbox that lets everything pass and writes down what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, folder: Path) -> Passed | Rejected:
        self.asked.append((folder.parent.name, int(folder.name)))
        return Passed(read_bundle(folder).digest)


def test_what_is_there_at_start_is_trusted_and_what_arrives_is_tested(
    make: Callable[..., Catalog], store: Path
) -> None:
    judge = Judge()
    catalog = make(judge)
    refresh(catalog)
    assert judge.asked == []
    publish_next_version(store)
    refresh(catalog)
    assert judge.asked == [("spam-cnn", 2)]
    assert answering(catalog, "spam") == 2


def test_store_that_is_not_trusted_is_tested_whole(make: Callable[..., Catalog]) -> None:
    judge = Judge()
    refresh(make(judge, store_trusted=False))
    assert sorted(judge.asked) == [("any-frequency", 1), ("ridership-wavenet", 1), ("spam-cnn", 1)]


def test_worker_that_replaces_another_tests_what_has_arrived_since_the_start(
    make: Callable[..., Catalog], store: Path
) -> None:
    time.sleep(0.02)  # the clock of files ticks every few milliseconds
    started_ns = time.time_ns()
    time.sleep(0.02)
    publish_next_version(store)
    judge = Judge()
    refresh(make(judge, started_ns))
    assert judge.asked == [("spam-cnn", 2)]


def test_only_what_was_tested_is_let_in(make: Callable[..., Catalog], store: Path) -> None:
    async def other(folder: Path) -> Passed | Rejected:
        return Passed("0" * 64)

    catalog = make(other)
    refresh(catalog)
    publish_next_version(store)
    refresh(catalog)
    assert "have changed since its self-test" in catalog.snapshot.rejected["spam-cnn", 2].reason
    assert answering(catalog, "spam") == 1


def test_trusted_version_that_has_changed_since_is_tested(make: Callable[..., Catalog], store: Path) -> None:
    judge = Judge()
    catalog = make(judge, max_model_memory_bytes=1)
    refresh(catalog)
    asyncio.run(catalog.load("ridership"))  # the other one is let go
    manifest = version_folder(store, "spam-cnn", 1) / "manifest.json"
    manifest.write_text(manifest.read_text() + " ")
    with pytest.raises(NotFound):
        asyncio.run(catalog.load("spam"))
    refresh(catalog)
    assert judge.asked == [("spam-cnn", 1)]
    assert asyncio.run(catalog.load("spam")).manifest.version == 1


def test_what_may_be_otherwise_the_next_time_is_tried_again_less_and_less_often(
    make: Callable[..., Catalog], store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    tried: list[float] = []

    async def too_slow(folder: Path) -> Passed | Rejected:
        tried.append(now)
        return Rejected("too slow", "time")

    monkeypatch.setattr("service.catalog.catalog.time.monotonic", lambda: now)
    catalog = make(too_slow, store_trusted=False)
    for name in ("ridership-wavenet", "any-frequency"):
        shutil.rmtree(store / name)
    for _ in range(40):
        refresh(catalog)
        now += 0.5
    assert [round(later - earlier, 1) for earlier, later in itertools.pairwise(tried)] == [0.5, 1.0, 2.0, 4.0, 8.0]


# --- loading, and letting go -----------------------------------------------------------------------------------------


@pytest.fixture
def narrow(make: Callable[..., Catalog]) -> Catalog:
    """A catalog whose ceiling is smaller than any model."""
    return make(max_model_memory_bytes=1)


def in_memory(catalog: Catalog) -> list[tuple[str, int]]:
    return sorted((served.manifest.name, served.manifest.version) for served in catalog.in_memory())


def count(catalog: Catalog, name: str, **labels: str) -> float:
    return catalog.metrics.registry.get_sample_value(name, labels) or 0.0


def test_what_was_found_is_shown_until_it_has_proved_itself(catalog: Catalog) -> None:
    asyncio.run(catalog.poll())
    assert catalog.snapshot.pending == {("spam-cnn", 1), ("ridership-wavenet", 1), ("any-frequency", 1)}
    assert catalog.find("spam") is None
    assert catalog.unready() == [f"{alias}: no version has passed its self-test" for alias in catalog.snapshot.aliases]
    asyncio.run(catalog.test_pending())
    assert catalog.snapshot.pending == frozenset()
    assert catalog.find("spam") is not None
    assert catalog.unready() == []


def test_what_is_asked_for_is_loaded_before_what_is_not(catalog: Catalog) -> None:
    async def ask_at_once() -> None:
        await catalog.poll()
        proving = asyncio.create_task(catalog.test_pending())
        await catalog.load("spam")
        assert in_memory(catalog)[-1] == ("spam-cnn", 1)
        await proving

    asyncio.run(ask_at_once())


def test_news_of_what_is_required_is_tested_before_the_rest(make: Callable[..., Catalog], store: Path) -> None:
    judge = Judge()
    set_alias(store, "ridership", "spam-cnn")
    catalog = make(judge)
    refresh(catalog)
    for name in ("ridership-wavenet", "spam-cnn"):
        for _ in range(2):
            publish_next_version(store, name)
    refresh(catalog)
    assert ("spam-cnn", 3) in judge.asked[:2]  # two are tested at once
    assert judge.asked.index(("spam-cnn", 3)) < judge.asked.index(("spam-cnn", 2))
    assert judge.asked.index(("ridership-wavenet", 3)) < judge.asked.index(("ridership-wavenet", 2))


def test_many_callers_wait_for_one_loading(catalog: Catalog) -> None:
    async def ask_together() -> None:
        await catalog.poll()
        first, *others = await asyncio.gather(*(catalog.load(model) for model in ("spam", "spam-cnn") * 50))
        assert all(served is first for served in others)

    asyncio.run(ask_together())
    assert count(catalog, "seqserve_loads_total", model="spam-cnn", version="1", outcome="proved") == 1
    assert count(catalog, "seqserve_load_seconds_count") == 1


def test_callers_wait_for_a_loading_in_bounded_number_and_time(store: Path) -> None:
    settings = Settings(store=store, max_waiting_requests=2, deadline_seconds=0.1)
    held = threading.Event()

    async def ask_too_often(catalog: Catalog, loading: ThreadPoolExecutor) -> None:
        await catalog.poll()
        loading.submit(held.wait)
        callers = [asyncio.create_task(catalog.load("spam")) for _ in range(3)]
        outcomes = await asyncio.gather(*callers, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [DeadlineExceeded, DeadlineExceeded, QueueFull]
        with pytest.raises(NotReady):
            await catalog.tested("spam")
        held.set()
        await catalog.test_pending()  # those who gave up didn't end it for others
        assert catalog.find("spam") is not None

    with ThreadPoolExecutor(1) as executor:
        asyncio.run(ask_too_often(catalog_of(settings, executor, SANDBOX), executor))


def test_caller_of_a_name_gets_the_newest_version_that_proves_itself(catalog: Catalog, store: Path) -> None:
    publish_next_version(store)
    publish_next_version(store, change=lambda files: files.update({"golden.npz": b""}))

    async def ask() -> int:
        await catalog.poll()
        return (await catalog.load("spam")).manifest.version

    assert asyncio.run(ask()) == 2
    assert ("spam-cnn", 3) in catalog.snapshot.rejected
    assert ("spam-cnn", 1) in catalog.snapshot.pending


def test_new_version_is_proved_aside_while_the_old_one_answers(catalog: Catalog, store: Path) -> None:
    refresh(catalog)
    publish_next_version(store)
    asyncio.run(catalog.poll())
    assert catalog.snapshot.pending == {("spam-cnn", 2)}
    served = catalog.find("spam")
    assert served is not None
    assert served.manifest.version == 1
    asyncio.run(catalog.test_pending())
    assert answering(catalog, "spam") == 2


def test_ceiling_smaller_than_one_model_leaves_the_one_asked_for(narrow: Catalog) -> None:
    refresh(narrow)
    for model, name in (("spam", "spam-cnn"), ("ridership", "ridership-wavenet"), ("spam", "spam-cnn")):
        served = asyncio.run(narrow.load(model))
        assert served.manifest.name == name
        assert in_memory(narrow) == [(name, 1)]
        own = {"model": name, "version": "1"}
        assert count(narrow, "seqserve_model_memory_bytes", **own) == served.num_bytes > 0
    assert count(narrow, "seqserve_model_memory_bytes", model="ridership-wavenet", version="1") == 0
    assert count(narrow, "seqserve_evictions_total", model="ridership-wavenet", version="1") >= 1
    assert narrow.unready() == []


def test_version_with_requests_in_flight_is_not_let_go(narrow: Catalog) -> None:
    refresh(narrow)
    served = asyncio.run(narrow.load("spam"))
    served.engine.batcher.enter(num_rows=1)
    asyncio.run(narrow.load("ridership"))
    assert in_memory(narrow) == [("ridership-wavenet", 1), ("spam-cnn", 1)]
    assert narrow.find("spam") is served
    served.engine.batcher.leave(num_rows=1)
    asyncio.run(narrow.load("ridership-wavenet"))
    asyncio.run(narrow.tidy())
    assert in_memory(narrow) == []


def test_nothing_holds_what_was_let_go(store: Path) -> None:
    """Not even the event loop, for its last deadline."""
    settings = Settings(store=store, max_model_memory_bytes=1, store_poll_seconds=0.02)
    with running_app(settings) as client:
        batcher = weakref.ref(loaded(client).engine.batcher)
        assert client.post("/classify", json={"model": "spam", "inputs": "a"}).status_code == 200
        assert client.post("/forecast", json={"model": "ridership", "values": [1.0]}).status_code == 200
        retry_until(lambda: batcher() is None)


def test_figures_of_a_version_outlive_its_time_in_memory(store: Path) -> None:
    with running_app(Settings(store=store, max_model_memory_bytes=1)) as client:
        for _ in range(3):
            assert client.post("/classify", json={"model": "spam", "inputs": ["hello", "win"]}).status_code == 200
            assert client.post("/forecast", json={"model": "ridership", "values": [1.0]}).status_code == 200
        lines = client.get("/metrics").text.splitlines()
        for name in ("seqserve_labels_total", "seqserve_recent_rows"):
            of = {"seqserve_recent_rows": 'of="labels"'}.get(name, "label=")
            values = [float(line.split()[-1]) for line in lines if line.startswith(name + "{") and of in line]
            assert sum(values) == pytest.approx(6, rel=1e-3)
        evicted = next(line for line in lines if line.startswith('seqserve_evictions_total{model="spam-cnn"'))
        assert float(evicted.split()[-1]) >= 2
        assert client.get("/models/spam").json()["report"]["selection"]


def test_version_changed_on_disk_is_refused_when_it_is_loaded_again(narrow: Catalog, store: Path) -> None:
    version = publish_next_version(store)
    refresh(narrow)
    asyncio.run(narrow.load("ridership"))
    path = version_folder(store, "spam-cnn", version) / "model.onnx"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"?")
    assert asyncio.run(narrow.load("spam")).manifest.version == 1
    assert "checksum differs" in narrow.snapshot.rejected["spam-cnn", 2].reason
    with pytest.raises(NotFound):
        asyncio.run(narrow.load("spam", 2))
    path.write_bytes(whole)
    refresh(narrow)
    assert asyncio.run(narrow.load("spam")).manifest.version == 2


def test_version_changed_on_disk_goes_on_while_it_is_in_memory(catalog: Catalog, store: Path) -> None:
    refresh(catalog)
    (version_folder(store, "spam-cnn", 1) / "model.onnx").write_bytes(b"tampered")
    refresh(catalog)
    assert catalog.find("spam") is not None


def test_version_taken_out_of_the_store_is_let_go(catalog: Catalog, store: Path) -> None:
    publish_next_version(store)
    refresh(catalog)
    shutil.rmtree(version_folder(store, "spam-cnn", 2))
    refresh(catalog)
    assert answering(catalog, "spam") == 1
    assert ("spam-cnn", 2) not in in_memory(catalog)
    assert asyncio.run(catalog.load("spam")).manifest.version == 1


def test_figures_of_a_version_taken_out_of_the_store_are_let_go(store: Path) -> None:
    """Else a store that is published to each day would fill the memory with figures."""
    with running_app(Settings(store=store, store_poll_seconds=0.02)) as client:
        publish_next_version(store)

        def figures() -> set[str]:
            response = client.post("/classify", json={"model": "spam", "inputs": ["hello", "win"]})
            assert response.status_code == 200
            lines = client.get("/metrics").text.splitlines()
            return {line.partition("{")[0] for line in lines if 'model="spam-cnn",' in line and 'version="2"' in line}

        retry_until(lambda: "seqserve_labels_total" in figures())
        shutil.rmtree(version_folder(store, "spam-cnn", 2))
        retry_until(lambda: not figures())


def test_superseded_version_is_let_go_and_answers_when_asked_for(catalog: Catalog, store: Path) -> None:
    publish_next_version(store)
    refresh(catalog)  # nobody asked for version 1
    assert in_memory(catalog) == [("any-frequency", 1), ("ridership-wavenet", 1), ("spam-cnn", 2)]
    assert asyncio.run(catalog.load("spam", 1)).manifest.version == 1
    asyncio.run(catalog.tidy())
    assert ("spam-cnn", 1) in in_memory(catalog)


def test_one_tokenizer_serves_all_models_that_share_it(catalog: Catalog, store: Path) -> None:
    publish_next_version(store)
    refresh(catalog)
    first, second = (asyncio.run(catalog.load("spam", version)) for version in (1, 2))
    assert isinstance(first.engine, TextClassifier)
    assert isinstance(second.engine, TextClassifier)
    assert first.engine.batcher is not second.engine.batcher
    assert first.engine.batcher.encoder is second.engine.batcher.encoder
