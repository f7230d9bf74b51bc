"""A new architecture is one page and one entry: here a sixth one, which forgets exponentially."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bundle.store import read_bundle, version_folder
from tests.training.tiny_recipes import TinySeries, TinyTexts, tiny_ridership, tiny_spam
from training import commands, plots
from training.data.loaders import COVARIATE_SERIES, LABELLED_TEXTS
from training.models import ARCHITECTURES, settings_of
from training.models.architecture import ALL_AT_ONCE, Architecture, Statements
from training.models.properties import properties


@dataclass(frozen=True)
class MeanConfig:
    """Settings of `RunningMean`."""

    outputs: int


class RunningMean(nn.Module):
    """`h_t` = W · mean of x_1 … x_t."""

    causal = True
    receptive_field = None

    def __init__(self, num_inputs: int, config: MeanConfig) -> None:
        super().__init__()
        self.num_outputs = config.outputs
        self.weights = nn.Linear(num_inputs, config.outputs)

    def forward(self, x_btc: Tensor, mask_bt: Tensor) -> Tensor:
        kept = mask_bt.unsqueeze(2)
        means = (x_btc * kept).cumsum(dim=1) / kept.cumsum(dim=1).clamp(min=1)
        outputs: Tensor = self.weights(means)
        return outputs

    def last(self, x_btc: Tensor, mask_bt: Tensor) -> Tensor:
        outputs: Tensor = self(x_btc, mask_bt)
        return outputs[:, -1]


MEAN = Architecture(
    config=MeanConfig,
    module=RunningMean,
    statements=lambda _settings: Statements("No", ALL_AT_ONCE, "None to lose"),
    settings={"spam": MeanConfig(4), "ridership": MeanConfig(4)},
    colour="#444444",
    marker="*",
)


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ARCHITECTURES, "mean", MEAN)
    monkeypatch.setitem(LABELLED_TEXTS, "tiny", TinyTexts())
    monkeypatch.setitem(COVARIATE_SERIES, "tiny", TinySeries())


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [tiny_spam(), tiny_ridership()], ids=["texts", "series"])
def test_it_is_fitted_and_published(recipe: object, tmp_path: Path) -> None:
    own = dataclasses.replace(recipe, architecture="mean", settings=MeanConfig(4), name="own-mean", alias=None)  # type: ignore[type-var]
    assert commands.fit(own, tmp_path / "store", 0, tmp_path / "runs", progress=False) == 0  # type: ignore[arg-type]
    manifest = read_bundle(version_folder(tmp_path / "store", "own-mean", 1)).manifest
    assert manifest.architecture == "mean"
    assert manifest.recipe["settings"] == {"outputs": 4}


def test_recipes_reports_and_plots_know_it() -> None:
    assert settings_of("spam")["mean"] == MeanConfig(4)
    assert "mean" not in settings_of("forecast")
    words = properties("mean", MeanConfig(4))
    assert (words.order, words.memory) == ("No", "Every step before; how much of it is kept is learnt")
    assert plots._colour("mean") == "#444444"


def test_it_is_what_the_table_asks_for() -> None:
    body = ARCHITECTURES["mean"].build(2, MeanConfig(3))
    x_btc, mask_bt = torch.randn(2, 5, 2), torch.ones(2, 5)
    with torch.no_grad():
        whole, last = body(x_btc, mask_bt), body.last(x_btc, mask_bt)
    assert whole.shape == (2, 5, 3)
    assert np.allclose(whole[:, -1], last)
