"""Recurrent cells written out: one step at a time, as a lecture writes them on the board.

A cell turns the input of a step `x_BC` and its state before into its output `y_BD` and its state after. They hold
their weights under PyTorch's names and compute what `nn.RNN`, `nn.LSTM` and `nn.GRU` compute; `training.models.rnn`
uses those, which run a whole sequence in one call. These are to be read — and to show what layer normalisation inside a
cell does, which the library's cells don't offer.

Sources: J. Elman, "Finding Structure in Time", Cognitive Science 14, 1990; S. Hochreiter, J. Schmidhuber, "Long
Short-Term Memory", Neural Computation 9, 1997; K. Cho et al., "Learning Phrase Representations using RNN
Encoder-Decoder", EMNLP 2014; J. Ba, J. Kiros, G. Hinton, "Layer Normalization", 2016, arXiv:1607.06450.
"""

import torch
from torch import Tensor, nn

State = tuple[Tensor, ...]
"""What a cell remembers from one step to the next: `(y_BD,)`, of an LSTM `(y_BD, c_BD)`."""


class Cell(nn.Module):
    """X·Wx + Y·Wy + b, which every cell begins with; `num_gates` such sums side by side."""

    num_gates = 1
    num_states = 1

    def __init__(self, num_inputs: int, units: int, *, layer_norm: bool = False) -> None:
        super().__init__()
        self.units = units
        self.weight_ih = nn.Parameter(torch.empty(self.num_gates * units, num_inputs))
        self.weight_hh = nn.Parameter(torch.empty(self.num_gates * units, units))
        self.bias_ih = nn.Parameter(torch.zeros(self.num_gates * units))
        self.bias_hh = nn.Parameter(torch.zeros(self.num_gates * units))
        nn.init.xavier_uniform_(self.weight_ih)
        for gate_weights in self.weight_hh.detach().chunk(self.num_gates):
            nn.init.orthogonal_(gate_weights)
        self.norm: nn.Module = nn.LayerNorm(units) if layer_norm else nn.Identity()

    def from_input(self, x_BC: Tensor) -> Tensor:
        """X·Wx + its share of b."""
        return x_BC @ self.weight_ih.T + self.bias_ih

    def from_output(self, y_BD: Tensor) -> Tensor:
        """Y·Wy + its share of b."""
        return y_BD @ self.weight_hh.T + self.bias_hh

    def step(self, x_BC: Tensor, state: State) -> State:
        """One step: input and state before -> state after, whose first part is the output."""
        raise NotImplementedError

    def forward(self, x_BTC: Tensor) -> Tensor:
        """Every step in turn, from a state of zeros: `[B, T, C]` -> outputs `[B, T, D]`."""
        state: State = (x_BTC.new_zeros(x_BTC.shape[0], self.units),) * self.num_states
        outputs = []
        for x_BC in x_BTC.unbind(dim=1):
            state = self.step(x_BC, state)
            outputs.append(state[0])
        return torch.stack(outputs, dim=1)


class SimpleCell(Cell):
    """y = tanh(X·Wx + Y·Wy + b)."""

    def step(self, x_BC: Tensor, state: State) -> State:
        (y_BD,) = state
        return (torch.tanh(self.norm(self.from_input(x_BC) + self.from_output(y_BD))),)


class LSTMCell(Cell):
    """Gates decide what the cell's memory takes in (i), keeps (f) and shows (o)."""

    num_gates = 4
    num_states = 2

    def step(self, x_BC: Tensor, state: State) -> State:
        y_BD, memory_BD = state
        i, f, g, o = (self.from_input(x_BC) + self.from_output(y_BD)).chunk(4, dim=1)
        memory_BD = torch.sigmoid(f) * memory_BD + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(self.norm(memory_BD)), memory_BD


class GRUCell(Cell):
    """Gates decide what of the past enters the proposal (r), and how much of it stays (z)."""

    num_gates = 3

    def step(self, x_BC: Tensor, state: State) -> State:
        (y_BD,) = state
        reset_x, keep_x, new_x = self.from_input(x_BC).chunk(3, dim=1)
        reset_y, keep_y, new_y = self.from_output(y_BD).chunk(3, dim=1)
        proposal_BD = torch.tanh(self.norm(new_x + torch.sigmoid(reset_x + reset_y) * new_y))
        keep = torch.sigmoid(keep_x + keep_y)
        return (keep * y_BD + (1 - keep) * proposal_BD,)


CELLS: dict[str, type[Cell]] = {"simple": SimpleCell, "lstm": LSTMCell, "gru": GRUCell}
