"""What every architecture promises, over the whole table; and what one alone does."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - PyTorch's own name for it
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tests.training.small import VARIANTS
from training.models import ARCHITECTURES
from training.models.cells import CELLS
from training.models.cnn import CNNConfig
from training.models.rnn import LIBRARY_CELLS, RNN, RNNConfig
from training.models.text_classifier import TextClassifier, TextClassifierConfig
from training.models.wavenet import WaveNet, WaveNetConfig, thinning

B, T, C = 5, 24, 3

every_variant = pytest.mark.parametrize("variant", sorted(VARIANTS))


def test_every_architecture_has_a_variant_to_test_it_with() -> None:
    assert {architecture for architecture, _ in VARIANTS.values()} == ARCHITECTURES.keys()


def build(variant: str) -> Any:
    torch.manual_seed(0)
    architecture, settings = VARIANTS[variant]
    return ARCHITECTURES[architecture].build(C, settings).eval()


def features(seed: int = 1) -> Tensor:
    return torch.randn(B, T, C, generator=torch.Generator().manual_seed(seed))


ALL_STEPS = torch.ones(B, T)


@every_variant
def test_output_has_one_vector_a_step(variant: str) -> None:
    body = build(variant)
    assert body(features(), ALL_STEPS).shape == (B, T, body.num_outputs)


@every_variant
def test_gradients_reach_every_weight(variant: str) -> None:
    body = build(variant)
    body(features(), ALL_STEPS).square().sum().backward()
    idle = [
        weight for weight, parameter in body.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert idle == []


@every_variant
@torch.no_grad()
def test_row_does_not_depend_on_its_neighbours(variant: str) -> None:
    body, x = build(variant), features()
    together = body(x, ALL_STEPS)
    for row in range(B):
        alone = body(x[row : row + 1], ALL_STEPS[:1])
        torch.testing.assert_close(alone[0], together[row], rtol=0, atol=5e-6)


@every_variant
@torch.no_grad()
def test_padding_behind_a_row_never_changes_its_steps(variant: str) -> None:
    body, x = build(variant), features()
    expected = body(x, ALL_STEPS)
    for extra in (1, 7, 100):
        padded = F.pad(x, (0, 0, 0, extra), value=50.0)  # the mask hides it, not its value
        mask = F.pad(ALL_STEPS, (0, extra))
        torch.testing.assert_close(body(padded, mask)[:, :T], expected, rtol=0, atol=1e-6)


@torch.no_grad()
def test_padding_before_a_row_never_changes_a_causal_architecture() -> None:
    x = features()
    causal = [body for body in map(build, sorted(VARIANTS)) if body.causal]
    assert causal
    for body in causal:
        expected = body(x, ALL_STEPS)
        for extra in (1, 7, 100):
            padded = F.pad(x, (0, 0, extra, 0), value=50.0)
            mask = F.pad(ALL_STEPS, (extra, 0))
            torch.testing.assert_close(body(padded, mask)[:, extra:], expected, rtol=0, atol=1e-6)


@every_variant
@torch.no_grad()
def test_only_a_causal_architecture_is_blind_to_later_steps(variant: str) -> None:
    body, x = build(variant), features()
    expected = body(x, ALL_STEPS)
    for step in (0, 1, T // 2, T - 2):
        changed = x.clone()
        changed[:, step + 1 :] = features(seed=2)[:, step + 1 :]
        got = body(changed, ALL_STEPS)
        assert torch.equal(got[:, : step + 1], expected[:, : step + 1]) == body.causal
        assert not torch.equal(got[:, step + 1 :], expected[:, step + 1 :])


@every_variant
def test_last_output_alone_is_the_last_of_all(variant: str) -> None:
    body = build(variant)
    for num_steps in (1, 5, 40):
        x, mask = torch.randn(4, num_steps, C), torch.ones(4, num_steps)
        for row in range(1, 4):  # padded before, the last row wholly
            mask[row, : num_steps * row // 3] = 0
        with torch.no_grad():
            torch.testing.assert_close(body.last(x, mask), body(x, mask)[:, -1], rtol=1e-5, atol=1e-6)


@every_variant
def test_settings_of_another_architecture_are_refused(variant: str) -> None:
    architecture, _ = VARIANTS[variant]
    for other, settings in VARIANTS.values():
        if other != architecture:
            with pytest.raises(TypeError, match=f"not {type(settings).__name__}"):
                ARCHITECTURES[architecture].build(C, settings)


@every_variant
def test_every_architecture_can_learn_eight_texts_by_heart(variant: str) -> None:
    torch.manual_seed(0)
    config = TextClassifierConfig(embedding_dim=C, embedding_dropout=0.0, dropout=0.0)
    network = TextClassifier(40, 2, config, *VARIANTS[variant])
    ids, labels = torch.randint(1, 40, (8, 12)), torch.tensor([0, 1] * 4)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    losses = []
    for _ in range(80):
        loss = F.cross_entropy(network(ids), labels)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 0.4
    assert losses[-1] < 0.01


@pytest.mark.parametrize("variant", ["linear", "dense", "cnn causal", "wavenet"])
@torch.no_grad()
def test_output_sees_its_receptive_field_and_nothing_before_it(variant: str) -> None:
    body = build(variant).double()
    steps = body.receptive_field
    x = torch.randn(1, steps + 3, C, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mask = torch.ones(1, steps + 3, dtype=torch.float64)
    expected = body(x, mask)[0, -1]

    def last_output_with_another(steps_back: int) -> Tensor:
        changed = x.clone()
        changed[0, -1 - steps_back] += 10
        output: Tensor = body(changed, mask)[0, -1]
        return output

    assert not torch.equal(last_output_with_another(steps - 1), expected)
    assert torch.equal(last_output_with_another(steps), expected)


# --- RNN -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", sorted(CELLS))
@torch.no_grad()
def test_written_out_cell_equals_the_library(cell: str) -> None:
    torch.manual_seed(0)
    written = CELLS[cell](C, 7).double()
    library = LIBRARY_CELLS[cell](C, 7, batch_first=True).double()
    for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
        getattr(library, f"{name}_l0").normal_()
        getattr(written, name).copy_(getattr(library, f"{name}_l0"))
    x = 3 * torch.randn(B, 60, C, dtype=torch.float64)
    expected, _ = library(x)
    assert expected.abs().mean() > 0.1
    torch.testing.assert_close(written(x), expected, rtol=0, atol=1e-6)


@torch.no_grad()
def test_layer_normalisation_inside_a_cell_keeps_it_from_saturating() -> None:
    torch.manual_seed(0)
    plain, normal = (CELLS["simple"](C, 7, layer_norm=layer_norm) for layer_norm in (False, True))
    normal.load_state_dict(plain.state_dict(), strict=False)
    steep = 1000 * features()
    assert (plain(steep).abs() > 0.99).float().mean() > 0.9
    assert (normal(steep).abs() > 0.99).float().mean() < 0.1


@pytest.mark.parametrize("cell", sorted(LIBRARY_CELLS))
@torch.no_grad()
def test_both_ways_equals_the_library_on_packed_rows(cell: Any) -> None:
    torch.manual_seed(0)
    body = RNN(C, RNNConfig(cell, units=4, bidirectional=True)).double()
    library = LIBRARY_CELLS[cell](C, 4, batch_first=True, bidirectional=True).double()
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        getattr(library, name).copy_(getattr(body.layers[0].forwards, name))
        getattr(library, f"{name}_reverse").copy_(getattr(body.layers[0].backwards, name))
    lengths = torch.tensor([9, 4, 1])
    x = torch.randn(3, 9, C, dtype=torch.float64)
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(library(packed)[0], batch_first=True)
    mask = (torch.arange(9) < lengths[:, None]).double()
    torch.testing.assert_close(body(x, mask), expected, rtol=0, atol=1e-12)


@torch.no_grad()
def test_fresh_recurrent_weights_keep_lengths_and_the_forget_gate_is_open() -> None:
    layer: Any = RNN(C, RNNConfig("lstm", units=6)).layers[0]
    for weights in layer.forwards.weight_hh_l0.split(6):
        torch.testing.assert_close(weights @ weights.T, torch.eye(6))
    assert layer.forwards.bias_ih_l0.tolist() == [0.0] * 6 + [1.0] * 6 + [0.0] * 12


# --- CNN -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel_sizes", [(2,), (3, 4), (1, 6, 5)])
def test_even_kernels_are_refused(kernel_sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="odd"):
        ARCHITECTURES["cnn"].build(C, CNNConfig(filters=2, kernel_sizes=kernel_sizes))


# --- WaveNet ---------------------------------------------------------------------------------------------------------

RECEPTIVE_FIELDS = [
    (WaveNetConfig(4, 8, dilations=(1,)), 2),
    (WaveNetConfig(4, 8, dilations=(1, 2, 4, 8)), 16),
    (WaveNetConfig(4, 8, dilations=(1, 2, 4), kernel_size=3), 15),
    (WaveNetConfig(4, 8, dilations=(1, 2, 1, 2), kernel_size=4), 19),
    (WaveNetConfig(4, 8, dilations=(5,), kernel_size=1), 1),
]


@pytest.mark.parametrize(("config", "steps"), RECEPTIVE_FIELDS)
def test_receptive_field_is_one_and_the_reach_of_every_layer(config: WaveNetConfig, steps: int) -> None:
    assert config.receptive_field == WaveNet(C, config).receptive_field == steps


@pytest.mark.parametrize(
    ("dilations", "kernel_size"),
    [((1, 2, 4, 8) * 2, 2), ((1, 2, 4, 8, 16, 32), 3), ((8, 4, 2, 1), 2), ((3,), 2), ((2, 4), 3), ((4, 6, 5), 3)],
)
def test_last_output_needs_few_steps_of_each_layer(dilations: tuple[int, ...], kernel_size: int) -> None:
    torch.manual_seed(0)
    network = WaveNet(C, WaveNetConfig(6, 8, dilations, kernel_size))
    x, mask = torch.randn(3, 150, C), torch.ones(3, 150)
    mask[1, :140] = 0
    with torch.no_grad():
        torch.testing.assert_close(network.last(x, mask), network(x, mask)[:, -1], rtol=1e-5, atol=1e-6)


def test_dilations_that_double_become_strides_of_two() -> None:
    assert thinning((1, 2, 4, 8)) == (1, [(1, 2), (1, 2), (1, 2), (1, 1)])
    assert thinning((1, 2, 1, 2)) == (1, [(1, 1), (2, 1), (1, 2), (1, 1)])
    assert thinning((3, 6)) == (3, [(1, 2), (1, 1)])


def applied(convolution: Any, step: NDArray[np.float64], tap: int = 0) -> NDArray[np.float64]:
    """One tap of a convolution's kernel times one step."""
    weights = convolution.weight.detach().numpy()
    product: NDArray[np.float64] = (weights if weights.ndim == 2 else weights[:, :, tap]) @ step
    return product


def bias(convolution: Any) -> NDArray[np.float64]:
    values: NDArray[np.float64] = convolution.bias.detach().numpy()
    return values


def test_gates_residuals_and_skips_by_hand() -> None:
    torch.manual_seed(0)
    network: Any = WaveNet(C, WaveNetConfig(residual_channels=2, skip_channels=3, dilations=(1, 2))).double()
    first, second = network.layers
    x = np.random.default_rng(0).normal(size=(6, C))

    def gated(layer: Any, earlier: NDArray[np.float64], now: NDArray[np.float64]) -> NDArray[np.float64]:
        convolution = layer.filter_and_gate
        both = applied(convolution, earlier, tap=0) + applied(convolution, now, tap=1) + bias(convolution)
        product: NDArray[np.float64] = np.tanh(both[:2]) * (1 / (1 + np.exp(-both[2:])))
        return product

    nothing = [np.zeros(2)]
    stream = [applied(network.input, step) + bias(network.input) for step in x]
    of_first = [gated(first, earlier, now) for earlier, now in zip(nothing + stream, stream, strict=False)]
    stream = [old + applied(first.residual, g) + bias(first.residual) for old, g in zip(stream, of_first, strict=True)]
    of_second = [gated(second, earlier, now) for earlier, now in zip(2 * nothing + stream, stream, strict=False)]
    skips = [
        applied(first.skip, g) + bias(first.skip) + applied(second.skip, h) + bias(second.skip)
        for g, h in zip(of_first, of_second, strict=True)
    ]
    with torch.no_grad():
        got = network(torch.from_numpy(x).unsqueeze(0), torch.ones(1, len(x), dtype=torch.float64))[0]
    np.testing.assert_allclose(got, np.maximum(skips, 0), atol=1e-12)
    assert (got > 0).any()
