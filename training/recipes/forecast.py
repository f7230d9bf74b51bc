"""The universal forecaster: any regularly spaced series, any scale, one network an architecture."""

from training.fit import Schedule
from training.models import ARCHITECTURES
from training.models.global_forecaster import GlobalForecasterConfig
from training.tasks.forecast.many_recipe import GlobalForecastRecipe
from training.tasks.forecast.quantile_forecasts import QUANTILE_LEVELS


def forecast(architecture: str) -> GlobalForecastRecipe:
    """The recipe for one architecture."""
    return GlobalForecastRecipe(
        name=f"forecast-{architecture}",
        alias="forecast",
        data=("m1", "m3", "tourism", "nn5", "m4", "ett", "exchange_rate", "classic_series", "cta_ridership"),
        freq=None,
        context_length=448,
        architecture=architecture,
        settings=ARCHITECTURES[architecture].settings["forecast"],
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
