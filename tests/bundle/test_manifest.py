"""What a forecaster's manifest may say of its spacing, and which inputs follow from it."""

from typing import Any

import pytest
from pydantic import ValidationError

from bundle.manifest import ForecastSpec, FutureCovariate, Manifest, PastCovariate
from tests.blank import blank_manifest

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
    document = blank_manifest(1).model_dump()
    document["spec"] |= {"freq": None, "season": None}
    with pytest.raises(ValidationError, match=r"inputs must be history:float32.*, freq:int64\['batch', 1\]"):
        Manifest.model_validate(document)
    document["inputs"].append({"name": "freq", "dtype": "int64", "shape": ["batch", 1]})
    assert Manifest.model_validate_json(Manifest.model_validate(document).model_dump_json()).spec == spec()
