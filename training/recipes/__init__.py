"""Recipes by name: everything that decides a model. A file a family, which holds the settings of each architecture.

`python -m training fit NAME` runs one; what was tried on the way to these settings is in `training/LOG.md`.
"""

from collections.abc import Callable
from functools import partial

from training.recipes import forecast, ridership, sentiment, spam
from training.tasks.classify.recipe import ClassifyRecipe
from training.tasks.forecast.daily_recipe import ForecastRecipe
from training.tasks.forecast.many_recipe import GlobalForecastRecipe

Recipe = ClassifyRecipe | ForecastRecipe | GlobalForecastRecipe

RECIPES: dict[str, Callable[[], Recipe]] = {
    **{f"spam-{architecture}": partial(spam.spam, architecture) for architecture in spam.SETTINGS},
    **{f"sentiment-{architecture}": partial(sentiment.sentiment, architecture) for architecture in sentiment.SETTINGS},
    **{f"ridership-{architecture}": partial(ridership.ridership, architecture) for architecture in ridership.SETTINGS},
    **{f"forecast-{architecture}": partial(forecast.forecast, architecture) for architecture in forecast.SETTINGS},
}
