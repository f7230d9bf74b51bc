"""What a forecaster's manifest may say of its spacing, and which inputs follow from it."""

import re
from pathlib import PurePosixPath
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from bundle.manifest import Manifest
from bundle.tasks.forecast.spec import ForecastSpec, FutureCovariate, PastCovariate
from tests.support.stub_bundle import stub_manifest

CALENDAR = FutureCovariate(name="day_type", categories=["W", "A", "U"], derived_from_dates="day_type")


def spec(**changes: Any) -> ForecastSpec:
    fields: dict[str, Any] = {
        "target": "y",
        "unit": "",
        "freq": None,
        "season": None,
        "context_length": 8,
        "horizon": 2,
        "quantile_levels": [0.1, 0.5, 0.9],
    }
    return ForecastSpec(**(fields | changes))


def test_freq_is_the_last_input_of_a_model_of_any_frequency() -> None:
    beside = {
        "past_covariates": [PastCovariate(name="bus", unit="")],
        "future_covariates": [FutureCovariate(name="promotion", categories=["yes"])],
    }
    inputs = spec(**beside).inputs()
    assert [tensor.name for tensor in inputs] == ["history", "past_bus", "future_promotion", "freq"]
    assert (inputs[-1].dtype, inputs[-1].shape) == ("int64", ["batch", 1])
    assert spec(**beside, freq="D", season=7).inputs() == inputs[:-1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"freq": "D"}, "must both be given, or both be null"),
        ({"season": 7}, "must both be given, or both be null"),
        ({"freq": "fortnight", "season": 26}, "Input should be '15min'"),
        ({"future_covariates": [CALENDAR]}, "can't be derived from dates where freq is null"),
    ],
)
def test_spacing_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        spec(**changes)


def test_freq_must_be_said() -> None:
    document = spec().model_dump()
    del document["freq"]
    with pytest.raises(ValidationError, match="Field required"):
        ForecastSpec.model_validate(document)


def test_manifest_of_any_frequency_names_the_input() -> None:
    document = stub_manifest(1).model_dump()
    document["spec"] |= {"freq": None, "season": None}
    with pytest.raises(ValidationError, match=r"inputs must be history:float32.*, freq:int64\['batch', 1\]"):
        Manifest.model_validate(document)
    document["inputs"].append({"name": "freq", "dtype": "int64", "shape": ["batch", 1]})
    assert Manifest.model_validate_json(Manifest.model_validate(document).model_dump_json()).spec == spec()


NAMES = st.text(st.sampled_from("abz019-._/\\ A\u00e9\x00"), max_size=70)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(Manifest.model_fields)), JSON)
def test_any_value_of_any_field_is_taken_or_refused_and_comes_back(field: str, value: Any) -> None:
    document = stub_manifest(1).model_dump() | {field: value}
    try:
        manifest = Manifest.model_validate(document)
    except ValidationError:
        return
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


@given(NAMES)
def test_no_file_name_leads_out_of_the_bundle(name: str) -> None:
    document = stub_manifest(1).model_dump()
    document["files"][name] = "0" * 64
    try:
        Manifest.model_validate(document)
    except ValidationError:
        return
    assert PurePosixPath("bundle", name).parent == PurePosixPath("bundle")
    assert name not in {"", ".", "..", "manifest.json"}
    assert name.isprintable()


@given(NAMES)
def test_no_bundle_name_leads_out_of_the_store(name: str) -> None:
    try:
        Manifest.model_validate(stub_manifest(1).model_dump() | {"name": name})
    except ValidationError:
        return
    assert re.fullmatch("[a-z0-9-]{1,63}", name)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_quantile_levels_that_are_taken_ascend_around_the_median(levels: list[float]) -> None:
    try:
        taken = spec(quantile_levels=levels).quantile_levels
    except ValidationError:
        return
    assert taken == sorted(set(levels))
    assert taken[len(taken) // 2] == pytest.approx(0.5)


@given(st.lists(st.floats(0.01, 0.49), min_size=1, max_size=6, unique=True))
def test_levels_that_are_symmetric_are_taken(lower: list[float]) -> None:
    levels = [*sorted(lower), 0.5, *(1 - level for level in sorted(lower, reverse=True))]
    assume(len(set(levels)) == len(levels))
    assert spec(quantile_levels=levels).quantile_levels == levels
