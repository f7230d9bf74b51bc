"""Recipes by name: everything that decides a model. A file a family, which holds the settings of each architecture.

`python -m training fit NAME` runs one; what was tried on the way to these settings is in `training/LOG.md`.
"""

from collections.abc import Callable
from functools import partial

from training.models import settings_of
from training.recipes import forecast, ridership, sentiment, spam
from training.tasks.classify.recipe import ClassifyRecipe
from training.tasks.forecast.daily_recipe import ForecastRecipe
from training.tasks.forecast.many_recipe import GlobalForecastRecipe

Recipe = ClassifyRecipe | ForecastRecipe | GlobalForecastRecipe

FAMILIES: dict[str, Callable[[str], Recipe]] = {
    "spam": spam.spam,
    "sentiment": sentiment.sentiment,
    "ridership": ridership.ridership,
    "forecast": forecast.forecast,
}

RECIPES: dict[str, Callable[[], Recipe]] = {
    f"{family}-{architecture}": partial(make, architecture)
    for family, make in FAMILIES.items()
    for architecture in settings_of(family)
}
