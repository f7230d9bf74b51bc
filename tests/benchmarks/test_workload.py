import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.growth.models import copies
from benchmarks.serving.contender import SEQSERVE_SERIES, SEQSERVE_TEXTS
from benchmarks.serving.contenders import CONTENDERS
from benchmarks.serving.engine import HORIZON, TextEngine, engine
from benchmarks.serving.grid import GRID, Row
from benchmarks.serving.server import Question, alike
from benchmarks.serving.workload import STORE, Workload
from bundle.golden import Golden
from bundle.manifest import GOLDEN_FILE, MODEL_FILE
from bundle.store import list_versions, read_bundle, version_folder
from bundle.tasks.forecast.spec import ForecastSpec
from service.engine.runtime import Runtime
from service.tasks.forecast.encode import encode
from service.tasks.forecast.schema import SeriesInput

SHORT, SERIES = Workload("texts", 1, 12), Workload("series", 3, 56)


def test_texts_differ_and_are_the_same_next_time() -> None:
    texts = [rows[0] for rows in SHORT.rows()]
    assert len(set(map(str, texts))) > 500
    assert all(len(str(text).split()) == 12 for text in texts)
    assert SHORT.rows() == SHORT.rows()
    assert SHORT.rows(seed=1) != SHORT.rows()


def test_series_are_as_many_and_as_long_as_asked() -> None:
    for rows in SERIES.rows():
        assert [len(series) for series in rows] == [56] * 3


@pytest.mark.parametrize("workload", [SHORT, Workload("texts", 32, 12), Workload("series", 1, 56), SERIES])
def test_requests_carry_their_rows(workload: Workload) -> None:
    dialect = SEQSERVE_TEXTS if workload.kind == "texts" else SEQSERVE_SERIES
    for rows, request in zip(workload.rows(), workload.requests(dialect), strict=True):
        assert rows_of(json.loads(request.body)) == rows


def rows_of(payload: dict[str, Any]) -> list[Any]:
    if "inputs" in payload:
        return [payload["inputs"]] if isinstance(payload["inputs"], str) else list(payload["inputs"])
    return [payload["values"]] if "values" in payload else [series["values"] for series in payload["series"]]


@pytest.mark.parametrize("row", GRID, ids=lambda row: row.name)
def test_rows_of_the_grid_can_be_done(row: Row) -> None:
    assert row.workload.bundle.is_dir()
    for name in {*row.against, *row.aims} & CONTENDERS.keys():
        assert CONTENDERS[name].dialect(row.workload.rows()[0]) is not None
    assert row.aims.keys() <= {*row.against}


def shipped(name: str) -> Path:
    return version_folder(STORE, name, list_versions(STORE)[name][-1])


def test_engine_labels_as_the_bundle_promises() -> None:
    golden = Golden.from_bytes(read_bundle(shipped("spam-cnn")).files[GOLDEN_FILE])
    alone = engine(shipped("spam-cnn"))
    assert isinstance(alone, TextEngine)
    np.testing.assert_allclose(alone.compute(golden.texts), golden.outputs["probabilities"], atol=1e-4)
    results = alone.answer(golden.texts)["results"]
    assert [result["label"] for result in results] == alone.right(golden.texts)


@pytest.mark.parametrize("name", ["ridership-wavenet", "forecast-cnn"])
def test_engine_reads_series_as_the_service_does(name: str) -> None:
    bundle, alone = read_bundle(shipped(name)), engine(shipped(name))
    spec, rows = bundle.manifest.spec, SERIES.rows()[0]
    assert isinstance(spec, ForecastSpec)
    encoded = asyncio.run(encode([SeriesInput(values=list(map(float, values))) for values in rows], spec, HORIZON))
    runtime = Runtime(bundle.files[MODEL_FILE], bundle.manifest.inputs, bundle.manifest.outputs)
    np.testing.assert_allclose(alone.compute(rows), runtime.run(encoded.rows)["quantiles"], rtol=1e-4)
    medians = [forecast["median"] for forecast in alone.answer(rows)["forecasts"]]
    assert alike(medians, alone.right(rows))


def test_copies_of_a_bundle_are_bundles(tmp_path: Path) -> None:
    names = copies(shipped("spam-cnn"), tmp_path, 3)
    assert sorted(list_versions(tmp_path)) == sorted(names) == ["copy-0", "copy-1", "copy-2"]
    assert read_bundle(tmp_path / "copy-2" / "1").manifest.name == "copy-2"


def test_answers_are_compared_by_label_and_by_value() -> None:
    assert alike(["spam", "ham"], ["spam", "ham"])
    assert not alike(["spam", "ham"], ["spam"])
    assert not alike(["ham"], ["spam"])
    assert alike([[1.0, 2.0]], [[1.00001, 2.0]])
    assert not alike([[1.0, 2.0]], [[1.01, 2.0]])
    assert not alike([[1.0]], [[1.0, 2.0]])


def test_what_cannot_be_read_is_no_answer() -> None:
    asked = Question(SEQSERVE_TEXTS, SEQSERVE_TEXTS.ask("spam", ["a"]), ["ham"])
    assert asked.is_answered(b'{"results": [{"label": "ham"}]}')
    assert not asked.is_answered(b'{"results": [{"label": "spam"}]}')
    assert not asked.is_answered(b"<html>")
