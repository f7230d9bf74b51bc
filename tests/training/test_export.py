"""An export equals its original at every size, padded and alone, or nothing is written."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from bundle.golden import Golden, replay
from bundle.manifest import GOLDEN_FILE, MODEL_FILE
from bundle.store import list_versions, read_aliases, read_bundle, version_folder
from bundle.tasks.classify.text import PAD_ID
from bundle.tensors import TensorSpec
from tests.training.small import VARIANTS, unfitted
from tests.training.tiny_recipes import tiny_spam
from training.export import CHECKED, EXAMPLE, EXPORT_TOLERANCE, ExportDiffers, check, session, trace
from training.models.text_classifier import CalibratedClassifier, TextClassifier, TextClassifierConfig
from training.publish import publish
from training.tasks import TrainedModel
from training.tasks.classify.samples import TextSamples

VOCABULARY = 30


def around(graph: nn.Module) -> TrainedModel:
    """A classifier of ids into two classes, ready to export."""
    return unfitted(
        graph,
        inputs=[TensorSpec(name="ids", dtype="int64", shape=["batch", "time"])],
        outputs=[TensorSpec(name="probabilities", dtype="float32", shape=["batch", 2])],
        samples=TextSamples(VOCABULARY),
        golden={"ids": np.array([[2, 5, 7], [2, 9, 0]])},
    )


class Embedded(nn.Module):
    """What the graphs below share: a vector a token, zero for padding; a sum over the text; two probabilities."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(VOCABULARY, 2, padding_idx=PAD_ID)

    def forward(self, ids: Tensor) -> Tensor:
        return torch.softmax(self.pooled(self.embedding(ids)), dim=1)

    def pooled(self, vectors: Tensor) -> Tensor:
        return vectors.sum(dim=1)


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_every_architecture_exports_equal_at_every_size(variant: str) -> None:
    torch.manual_seed(0)
    config = TextClassifierConfig(embedding_dim=4, embedding_dropout=0.0, dropout=0.0)
    trained = around(CalibratedClassifier(TextClassifier(VOCABULARY, 2, config, *VARIANTS[variant]), 1.0))
    assert 0 <= check(trained, session(trace(trained))) <= EXPORT_TOLERANCE


class OffWhenTraced(Embedded):
    """The graph gets a bit more than torch computes."""

    def pooled(self, vectors: Tensor) -> Tensor:
        return vectors.sum(dim=1) + (torch.tensor([2e-4, 0.0]) if torch.onnx.is_in_onnx_export() else 0)


class ConstantWhenTraced(Embedded):
    """The graph forgets its input."""

    def forward(self, ids: Tensor) -> Tensor:
        return torch.full((2, 2), 0.5) if torch.onnx.is_in_onnx_export() else super().forward(ids)


class DecidedByBatchSize(Embedded):
    """Python decides by the size of the batch, so the graph holds the example's branch."""

    def pooled(self, vectors: Tensor) -> Tensor:
        return vectors.sum(dim=1) if len(vectors) == EXAMPLE[0] else 2 * vectors.sum(dim=1)


class FrozenBatch(Embedded):
    """The graph gives as many rows as the example had."""

    def pooled(self, vectors: Tensor) -> Tensor:
        rows = vectors.sum(dim=1)
        return torch.cat([rows, rows])[: int(rows.shape[0])] if torch.onnx.is_in_onnx_export() else rows


class FrozenTime(Embedded):
    """Weights of the steps are made in Python, for as many as the example had."""

    def pooled(self, vectors: Tensor) -> Tensor:
        weights = torch.tensor(np.linspace(1, 0.5, int(vectors.shape[1])), dtype=torch.float32)
        return (vectors * weights.unsqueeze(1)).sum(dim=1)


class MeanOverPadding(Embedded):
    def pooled(self, vectors: Tensor) -> Tensor:
        return vectors.mean(dim=1)


class CentredInBatch(Embedded):
    """Each row less the mean of its neighbours."""

    def pooled(self, vectors: Tensor) -> Tensor:
        rows = vectors.sum(dim=1)
        return rows - rows.mean(dim=0)


def checked(graph: nn.Module) -> float:
    trained = around(graph)
    return check(trained, session(trace(trained)))


def test_graph_that_equals_its_original_passes() -> None:
    assert checked(Embedded()) <= EXPORT_TOLERANCE


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (OffWhenTraced, "differs by .* from torch"),
        (DecidedByBatchSize, "differs by .* from torch"),
        (FrozenBatch, "has the shape"),
        (FrozenTime, r"fails on ids \[1, 7\]"),
        (MeanOverPadding, "differs by .* from the same rows padded"),
        (CentredInBatch, "differs by .* from a row alone"),
    ],
)
def test_graph_that_answers_otherwise_is_refused(graph: type[nn.Module], message: str) -> None:
    with pytest.raises(ExportDiffers, match=message):
        checked(graph())


@pytest.mark.parametrize(
    ("graph", "message"),
    [(DecidedByBatchSize, "probabilities differs by"), (ConstantWhenTraced, "dropped 'ids': the graph doesn't use it")],
)
def test_refused_export_leaves_the_store_as_it_was(graph: type[nn.Module], message: str, tmp_path: Path) -> None:
    store = tmp_path / "store"
    with pytest.raises(ExportDiffers, match=message):
        publish(tiny_spam(), 0, around(graph()), store)
    assert not store.exists()


def test_graph_is_checked_at_sizes_it_was_not_traced_at() -> None:
    batches, times = {batch for batch, _ in CHECKED}, {time for _, time in CHECKED}
    assert len(batches) >= 3
    assert len(times) >= 3
    assert EXAMPLE[0] not in batches
    assert EXAMPLE[1] not in times


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(ExportDiffers, match="can't load"):
        session(b"not a graph")


@pytest.mark.parametrize("name", ["spam-cnn", "ridership-wavenet"])
def test_published_bundle_repeats_its_golden_samples(name: str, tiny_store: Path) -> None:
    assert list_versions(tiny_store)[name] == [1]
    files = read_bundle(version_folder(tiny_store, name, 1)).files
    golden = Golden.from_bytes(files[GOLDEN_FILE])
    assert len(next(iter(golden.inputs.values()))) > 1
    assert replay(golden, session(files[MODEL_FILE])) <= EXPORT_TOLERANCE


def test_first_publication_gets_the_alias(tiny_store: Path) -> None:
    aliases = read_aliases(tiny_store)
    assert {alias: (what.name, what.version) for alias, what in aliases.items()} == {
        "any": ("any-frequency", None),
        "spam": ("spam-cnn", None),
        "ridership": ("ridership-wavenet", None),
    }


# --- recurrent networks ----------------------------------------------------------------------------------------------


class Recurrent(nn.Module):
    """Packed by lengths that come from the ids, and pooled over its own steps.

    The padding is masked by hand: the exporter forgets the `padding_value` of `pad_packed_sequence`.
    """

    def __init__(self, cell: type[nn.LSTM | nn.GRU], *, bidirectional: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Embedding(VOCABULARY, 4, padding_idx=PAD_ID)
        self.cell = cell(4, 5, batch_first=True, bidirectional=bidirectional)
        self.output = nn.Linear(10 if bidirectional else 5, 2)

    def forward(self, ids: Tensor) -> Tensor:
        lengths = (ids != PAD_ID).sum(dim=1)
        packed = pack_padded_sequence(self.embedding(ids), lengths.cpu(), batch_first=True, enforce_sorted=False)
        steps, _ = pad_packed_sequence(self.cell(packed)[0], batch_first=True)
        absent = (ids == PAD_ID)[:, : steps.shape[1]].unsqueeze(2)
        return torch.softmax(3 * self.output(steps.masked_fill(absent, -1e9).amax(dim=1)), dim=1)


def test_recurrent_networks_stay_dynamic_one_export_after_another() -> None:
    for cell, bidirectional in ((nn.LSTM, True), (nn.GRU, False), (nn.LSTM, False), (nn.GRU, True)):
        trained = around(Recurrent(cell, bidirectional=bidirectional))
        run = session(trace(trained))
        for batch, time in ((1, 5), (3, 33), (17, 150)):
            ids = trained.samples.draw(np.random.default_rng(batch), batch, time)["ids"]
            assert (batch, time) != EXAMPLE
            with torch.no_grad():
                expected = trained.graph(torch.from_numpy(ids)).numpy()
            np.testing.assert_allclose(run({"ids": ids})["probabilities"], expected, rtol=0, atol=1e-6)
        assert check(trained, run) <= EXPORT_TOLERANCE
