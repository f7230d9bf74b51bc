"""Parts of a sequence that the architectures share."""

from torch import Tensor


def newest(num_steps: int | None, *arrays_BT: Tensor) -> tuple[Tensor, ...]:
    """The last `num_steps` of each `[B, T, …]`, or as many as there are; None for all."""
    return arrays_BT if num_steps is None else tuple(array_BT[:, -num_steps:] for array_BT in arrays_BT)
