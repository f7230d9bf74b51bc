"""RNN: a state carried from step to step; simple, LSTM or GRU cells, one layer or several, one way or both.

Inputs: `x_BTC` features of each step, `mask_BT` 1 where there is a step, 0 where there is padding; the steps of a row
stand together, padding before or behind them.
Output: `h_BTD`, D = units (twice as many with both directions); step t has seen every step up to and with t — with
`bidirectional`, every step of the row.

    y_t = cell(x_t, y_(t-1)),  in the simple cell tanh(x_t · Wx + y_(t-1) · Wy + b);  see `training.models.cells`

Padding never enters a state: the steps of each row are moved to the front before a layer runs, and the backward
direction turns each row around within its own length. Against gradients that vanish or explode: orthogonal recurrent
weights, a forget gate that starts open, layer normalisation behind each layer, and clipping in `training.fit`.

Sources: those of `training.models.cells`; M. Schuster, K. Paliwal, "Bidirectional Recurrent Neural Networks", IEEE
Transactions on Signal Processing 45, 1997; R. Jozefowicz et al., "An Empirical Exploration of Recurrent Network
Architectures", ICML 2015 (the forget gate).
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from training.models.architecture import CLIPPING, Architecture, Statements

LIBRARY_CELLS: dict[str, Any] = {"simple": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


@dataclass(frozen=True)
class RNNConfig:
    """Settings of `RNN`."""

    cell: Literal["simple", "lstm", "gru"]
    units: int
    """Of each layer and direction."""
    layers: int = 1
    bidirectional: bool = False
    """Also read backwards; then a step sees the steps after it."""
    layer_norm: bool = False
    """Normalise the outputs of each layer."""
    dropout: float = 0.0
    """Of what a layer reads from the one below it."""


class RNN(nn.Module):
    """See the module's docstring."""

    receptive_field = None

    def __init__(self, num_inputs: int, config: RNNConfig) -> None:
        super().__init__()
        self.causal = not config.bidirectional
        self.num_outputs = config.units * (2 if config.bidirectional else 1)
        self.layers = nn.ModuleList(
            _Layer(self.num_outputs if layer else num_inputs, config) for layer in range(config.layers)
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        steps_T = torch.arange(x_BTC.shape[1], device=x_BTC.device)
        back_BT = (steps_T - _first(mask_BT)).clamp(min=0)
        return _taken(self._from_the_front(x_BTC, mask_BT), back_BT) * mask_BT.unsqueeze(2)

    def last(self, x_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        """The last step's output `[B, D]`."""
        last_B1 = (mask_BT.sum(dim=1, keepdim=True).to(torch.int64) - 1).clamp(min=0)
        return _taken(self._from_the_front(x_BTC, mask_BT), last_B1)[:, 0] * mask_BT[:, -1:]

    def _from_the_front(self, x_BTC: Tensor, mask_BT: Tensor) -> Tensor:
        """Outputs with the steps of each row at the front; behind them, what padding gives."""
        steps_T = torch.arange(x_BTC.shape[1], device=x_BTC.device)
        length_B1 = mask_BT.sum(dim=1, keepdim=True).to(torch.int64)
        front_BT = (steps_T + _first(mask_BT)).clamp(max=x_BTC.shape[1] - 1)
        turned_BT = torch.where(steps_T < length_B1, length_B1 - 1 - steps_T, steps_T)
        h_BTD = _taken(x_BTC * mask_BT.unsqueeze(2), front_BT)
        for number, layer in enumerate(self.layers):
            h_BTD = layer(self.dropout(h_BTD) if number else h_BTD, turned_BT)
        return h_BTD


class _Layer(nn.Module):
    """One layer, forwards and, where asked for, backwards."""

    def __init__(self, num_inputs: int, config: RNNConfig) -> None:
        super().__init__()
        cell = LIBRARY_CELLS[config.cell]
        num_outputs = config.units * (2 if config.bidirectional else 1)
        self.forwards = cell(num_inputs, config.units, batch_first=True)
        self.backwards = cell(num_inputs, config.units, batch_first=True) if config.bidirectional else None
        self.norm: nn.Module = nn.LayerNorm(num_outputs) if config.layer_norm else nn.Identity()
        for direction in (self.forwards, self.backwards):
            if direction is not None:
                _initialize(direction, config)

    def forward(self, x_BTC: Tensor, turned_BT: Tensor) -> Tensor:
        h_BTD, _ = self.forwards(x_BTC)
        if self.backwards is not None:
            backwards_BTD, _ = self.backwards(_taken(x_BTC, turned_BT))
            h_BTD = torch.cat([h_BTD, _taken(backwards_BTD, turned_BT)], dim=2)
        normalized: Tensor = self.norm(h_BTD)
        return normalized


def _initialize(direction: Any, config: RNNConfig) -> None:
    """Xavier for inputs, orthogonal for each gate's recurrent weights, no bias but an LSTM's forget gate, open."""
    nn.init.xavier_uniform_(direction.weight_ih_l0)
    nn.init.zeros_(direction.bias_ih_l0)
    nn.init.zeros_(direction.bias_hh_l0)
    with torch.no_grad():
        for gate_weights in direction.weight_hh_l0.split(config.units):
            nn.init.orthogonal_(gate_weights)
        if config.cell == "lstm":
            direction.bias_ih_l0[config.units : 2 * config.units] = 1.0


def _first(mask_BT: Tensor) -> Tensor:
    """`[B, 1]`: padded steps before each row's first one."""
    return (mask_BT.cumsum(dim=1) == 0).sum(dim=1, keepdim=True)


def _taken(x_BTC: Tensor, positions_BN: Tensor) -> Tensor:
    """Steps of each row at these positions, `[B, N, C]`.

    All rows' steps are looked up in one list, whole: ONNX gathers those far faster than each of their numbers.
    """
    num_rows, num_steps, num_columns = x_BTC.shape
    starts_B1 = num_steps * torch.arange(num_rows, device=x_BTC.device).unsqueeze(1)
    found = x_BTC.flatten(0, 1).index_select(0, (starts_B1 + positions_BN).flatten())
    return found.reshape(num_rows, -1, num_columns)


def statements(settings: RNNConfig) -> Statements:
    """For a report of comparisons."""
    remedies = ["orthogonal recurrent weights"]
    if settings.cell != "simple":
        remedies.append("gates that let the state pass unchanged")
    if settings.cell == "lstm":
        remedies.append("a forget gate that starts open")
    if settings.layer_norm:
        remedies.append("layer normalisation behind each layer")
    return Statements(
        "Yes: it reads step by step" + (", once in each direction" if settings.bidirectional else ""),
        "No: each step waits for the state of the one before it",
        f"They run through every step and can vanish or explode; against it {', '.join(remedies)}, {CLIPPING}",
    )


RNN_ARCHITECTURE = Architecture(
    config=RNNConfig,
    module=RNN,
    statements=statements,
    settings={
        "spam": RNNConfig("gru", units=64, bidirectional=True, dropout=0.2),
        "short_texts": RNNConfig("gru", units=64, bidirectional=True, dropout=0.2),
        "sentiment": RNNConfig("gru", units=96, bidirectional=True, dropout=0.2),
        "ridership": RNNConfig("gru", units=64),
        "forecast": RNNConfig("gru", units=48),
        "shapes": RNNConfig("gru", units=32),
    },
    colour="#008a64",
    marker="^",
)
