"""Chicago's rail boardings for the next 14 days; every architecture also reads bus boardings and day types."""

import datetime as dt

from training.fit import Schedule
from training.models import ARCHITECTURES
from training.models.forecaster import ForecasterConfig
from training.tasks.forecast.daily_recipe import ForecastRecipe
from training.tasks.forecast.quantile_forecasts import QUANTILE_LEVELS


def ridership(architecture: str) -> ForecastRecipe:
    """The recipe for one architecture."""
    return ForecastRecipe(
        name=f"ridership-{architecture}",
        alias="ridership",
        data="cta_ridership",
        target="rail boardings",
        unit="boardings a day",
        past=("bus",),
        day_types=("W", "A", "U"),
        calibration_start=dt.date(2018, 1, 1),
        selection_start=dt.date(2018, 9, 1),
        selection_end=dt.date(2018, 12, 31),
        reporting_start=dt.date(2019, 2, 26),
        reporting_end=dt.date(2019, 5, 31),
        context_length=112,
        architecture=architecture,
        settings=ARCHITECTURES[architecture].settings["ridership"],
        network=ForecasterConfig(
            horizon=14,
            quantile_levels=QUANTILE_LEVELS,
            half_life_days=28.0,
            memory_days=84,
            anchor_weeks=6,
            anchor_decay=0.6,
            lag_weeks=3,
            context_size=32,
            step_size=8,
            step_embedding=8,
            hidden=64,
            dropout=0.2,
        ),
        stretch_days=224,
        stretches_per_epoch=800,
        steps_per_stretch=64,
        warm_up_days=14,
        first_step_weight=3.0,
        spoiling=0.5,
        schedule=Schedule(
            max_epochs=20,
            patience=6,
            batch_size=16,
            learning_rate=3e-3,
            weight_decay=0.01,
            cosine=True,
        ),
        intended_use="Forecast the daily boardings of Chicago's trains up to two weeks ahead, with intervals.",
        limits=(
            "Fitted to Chicago, 2001 to 2017, and to daily values only. It knows weekdays, Saturdays, Sundays and six "
            "holidays, not weather, events or strikes: a day like the cold of 30 January 2019 is outside its "
            "intervals, which cover a little less in a new year than in the one they were fitted to. For other series "
            "use a model trained on them."
        ),
    )
