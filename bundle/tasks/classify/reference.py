"""What a classifier answered on texts it hadn't seen: the reference that drift in production is measured against.

`reference.json` holds, of those texts, the shares by bin of scores and lengths, the shares of the labels answered, and
how much the tokenizer didn't know. Live answers, sorted into the same bins, are compared with it by
`population_stability_index`.
"""

import itertools
import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from bundle.tasks.classify.spec import ClassifySpec

REFERENCE_FILE = "reference.json"
NUM_BINS = 10
"""Of a new distribution, at most: its deciles divide it."""

Share = Annotated[float, Field(ge=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Distribution(_Part):
    """Shares of the rows by bin. `edges` lie between the bins, so there is one less; the outer bins have no end."""

    edges: list[float]
    shares: list[Share]

    @model_validator(mode="after")
    def _edges_divide_the_shares(self) -> "Distribution":
        if any(low >= high for low, high in itertools.pairwise(self.edges)):
            raise ValueError("edges must ascend")
        if len(self.shares) != len(self.edges) + 1:
            raise ValueError(f"{len(self.edges)} edges divide {len(self.edges) + 1} shares, not {len(self.shares)}")
        _check_whole(self.shares)
        return self

    @classmethod
    def of(cls, values: ArrayLike) -> "Distribution":
        """That of these values, at least one, divided at their deciles.

        An edge lies halfway between the decile and the next larger value, so that no value of the reference lies on
        one and rounding moves none across. Deciles that fall on the same value make one edge.
        """
        found = np.asarray(values, dtype=np.float64)
        distinct = np.unique(found)
        deciles = np.quantile(found, np.arange(1, NUM_BINS) / NUM_BINS, method="inverted_cdf")
        places = np.searchsorted(distinct, deciles)
        below = places[places < len(distinct) - 1]  # beyond the largest value there is nothing to divide
        edges = np.unique((distinct[below] + distinct[below + 1]) / 2)
        counts = np.bincount(bins_of(found, edges), minlength=len(edges) + 1)
        return cls(edges=edges.tolist(), shares=(counts / len(found)).tolist())

    def bins_of(self, values: ArrayLike) -> NDArray[np.int64]:
        """Index into `shares` of each value: bin i holds what is above `edges[i - 1]` and at most `edges[i]`."""
        return bins_of(values, self.edges)


class Reference(_Part):
    """The whole of `reference.json`.

    Raises `pydantic.ValidationError` for anything that is missing, unknown or malformed.
    """

    measured_on: str = Field(description="which texts; the model was fitted to none of them")
    num_rows: int = Field(ge=1, description="number of those texts")
    scores: Distribution = Field(description="as `score` takes them from the probabilities")
    lengths: Distribution = Field(description="tokens that the model reads of a text, the start token included")
    unknown_token_ratio: Share = Field(description="mean over the texts of what `TextEncoder` gives under this name")
    labels: dict[str, Share] = Field(description="share of the texts that each label was answered for")

    @model_validator(mode="after")
    def _labels_are_whole(self) -> "Reference":
        _check_whole(list(self.labels.values()))
        return self


def bins_of(values: ArrayLike, edges: ArrayLike) -> NDArray[np.int64]:
    """See `Distribution.bins_of`: the one place that says on which side of an edge a value falls."""
    return np.asarray(np.searchsorted(edges, values, side="left"))


def score(probabilities: Sequence[float], spec: ClassifySpec) -> float:
    """The score of one text, whose distribution is watched.

    It is the probability of `positive_label`, whatever was answered, so that it tells a sure no from a doubtful one; in
    a model without one, that of the label answered. Give probabilities as the graph does: rounded ones would fall into
    other bins of a model that is nearly always sure.
    """
    if spec.positive_label is None:
        return max(probabilities)
    return probabilities[spec.labels.index(spec.positive_label)]


def population_stability_index(shares: ArrayLike, num_rows: int, counts: ArrayLike) -> float:
    """How far live rows have moved from the reference: 0 is not at all; by custom 0.1 is some, 0.25 is much.

    It is the sum over the bins of (live − reference) · ln(live / reference). A bin that is empty on one side counts as
    half a row there, since the logarithm has no value at zero. Chance alone gives about (k − 1)(1/n + 1/m) for k bins,
    n rows of the reference and m live ones of the same distribution: few rows say little.

    Sources: N. Siddiqi, "Credit Risk Scorecards", Wiley 2006; B. Yurdakul, "Statistical Properties of Population
    Stability Index", Western Michigan University 2018.

    Args:
        shares: of the reference's rows, by bin or by label.
        num_rows: rows of the reference.
        counts: live rows by bin or by label, in the same order.

    Raises `ValueError` if there isn't one count a share, or no live row at all.
    """
    reference, live = np.asarray(shares, dtype=np.float64) * num_rows, np.asarray(counts, dtype=np.float64)
    if reference.shape != live.shape:
        raise ValueError(f"there must be one count a share: {reference.size} shares, {live.size} counts")
    if not live.any():
        raise ValueError("there must be a live row to compare")
    reference, live = (np.where(rows == 0, 0.5, rows) for rows in (reference, live))
    reference, live = reference / reference.sum(), live / live.sum()
    return float(((live - reference) * np.log(live / reference)).sum())


def _check_whole(shares: list[float]) -> None:
    if abs(math.fsum(shares) - 1) > 1e-9:
        raise ValueError("shares must sum to 1")


def read_reference(spec: ClassifySpec, content: bytes) -> Reference:
    """`reference.json` of a bundle. Raises `ValueError` if it is malformed, or not of this bundle's labels."""
    reference = Reference.model_validate_json(content)
    if reference.labels.keys() != set(spec.labels):
        raise ValueError("labels are not those of the manifest")
    return reference
