"""What both forecasters are made of: shifted steps, and quantiles that can't cross.

Shapes: B batch, T time, H horizon, Q quantile levels, the median in the middle.
"""

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it


def delayed(x_T: Tensor, steps: int, before: float = 0.0) -> Tensor:
    """The last axis, `steps` later; `before` ahead of its beginning."""
    return F.pad(x_T, (steps, 0), value=before)[..., : x_T.shape[-1]]


def outwards(distance_Q: Tensor) -> Tensor:
    """Distances between neighbouring levels, none below 0, to distances from the median: they ascend over Q."""
    middle = distance_Q.shape[-1] // 2
    up = distance_Q[..., middle + 1 :].cumsum(dim=-1)
    down = distance_Q[..., :middle].flip(-1).cumsum(dim=-1).flip(-1)
    return torch.cat([-down, torch.zeros_like(distance_Q[..., :1]), up], dim=-1)
