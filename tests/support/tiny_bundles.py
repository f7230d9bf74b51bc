"""The tiny bundles that tests serve: `python -m tests.remake_bundles` makes them."""

import shutil
from pathlib import Path

TINY_BUNDLES = Path(__file__).resolve().parents[1] / "bundles"
"""A store with `spam-cnn`, `ridership-wavenet` and `any-frequency`; read it, don't write to it.

`any-frequency` takes series of any spacing. It forecasts the mean of the known values, and intervals as wide as the
code of the spacing.
"""


def copy_tiny_bundles(store: Path) -> Path:
    """A copy that may be written to, at `store`, which must not exist yet."""
    return Path(shutil.copytree(TINY_BUNDLES, store))
