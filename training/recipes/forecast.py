"""The universal forecaster: any regularly spaced series, any scale, one network an architecture."""

from typing import Any

from training.fit import Schedule
from training.models.cnn import CNNConfig
from training.models.dense import DenseConfig
from training.models.global_forecaster import GlobalForecasterConfig
from training.models.linear import LinearConfig
from training.models.rnn import RNNConfig
from training.models.wavenet import WaveNetConfig
from training.tasks.forecast.many_recipe import GlobalForecastRecipe
from training.tasks.forecast.quantile_forecasts import QUANTILE_LEVELS

SETTINGS: dict[str, Any] = {
    "linear": LinearConfig(outputs=32, window=48),
    "dense": DenseConfig(units=(48, 48), window=48, dropout=0.1),
    "rnn": RNNConfig("gru", units=48),
    "cnn": CNNConfig(filters=16, kernel_sizes=(3, 7, 14), causal=True, gru_units=48),
    "wavenet": WaveNetConfig(residual_channels=24, skip_channels=48, dilations=(1, 2, 4, 8, 16, 32), kernel_size=3),
}


def forecast(architecture: str) -> GlobalForecastRecipe:
    """The recipe for one architecture."""
    return GlobalForecastRecipe(
        name=f"forecast-{architecture}",
        alias="forecast",
        data=("m1", "m3", "tourism", "nn5", "m4", "ett", "exchange_rate", "classic_series", "cta_ridership"),
        freq=None,
        context_length=448,
        architecture=architecture,
        settings=SETTINGS[architecture],
        network=GlobalForecasterConfig(
            horizon=96,
            quantile_levels=QUANTILE_LEVELS,
            read_length=192,
            context_size=32,
            hidden=64,
            dropout=0.1,
        ),
        batches_per_epoch=500,
        spoiling=0.5,
        schedule=Schedule(
            max_epochs=12,
            patience=4,
            batch_size=64,
            learning_rate=3e-3,
            weight_decay=0.01,
            cosine=True,
            average_decay=0.995,
        ),
        intended_use="Forecast any regularly spaced numeric series up to 96 steps ahead, with intervals.",
        limits=(
            "It reads the newest 448 values and nothing else: no covariates, no holidays, no season longer than half "
            "of that. It knows the seasons that go with each spacing; without a spacing it looks for one. Its "
            "intervals are those of business, economic, transport, energy and currency series like the ones it was "
            "trained on. A model trained on your own series will usually be better."
        ),
    )
