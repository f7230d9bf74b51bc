"""A published model exported anew: the same weights, the same answers, the next version; or nothing."""

import dataclasses
import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from bundle.golden import Golden, GoldenMismatch, replay
from bundle.manifest import GOLDEN_FILE, MODEL_FILE, REPORT_FILE, Manifest
from bundle.store import Bundle, BundleError, list_versions, publish, read_bundle, version_folder
from bundle.tasks.classify.reference import Reference
from bundle.tasks.classify.spec import ClassifySpec
from bundle.tasks.classify.text import TOKENIZER_FILE
from bundle.tensors import TensorSpec
from tests.support.drift_reference import reference_of
from tests.training.small import VARIANTS, unfitted
from tests.training.tiny_recipes import TinyTexts, tiny_ridership, tiny_spam
from training.__main__ import main
from training.data.loaders import LABELLED_TEXTS
from training.export import EXPORT_TOLERANCE, session, trace
from training.models.text_classifier import CalibratedClassifier, TextClassifier, TextClassifierConfig
from training.recipes import RECIPES
from training.republish import republish
from training.tasks.classify.fit import reported_texts
from training.tasks.classify.reference import measure
from training.tasks.classify.samples import TextSamples
from training.weights import WeightsDiffer, load_weights

VOCABULARY = 30


@pytest.fixture
def store(tiny_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(LABELLED_TEXTS, "tiny", TinyTexts())
    monkeypatch.setitem(RECIPES, "spam-cnn", tiny_spam)
    monkeypatch.setitem(RECIPES, "ridership-wavenet", tiny_ridership)
    return Path(shutil.copytree(tiny_store, tmp_path / "store"))


@pytest.mark.parametrize("name", ["spam-cnn", "ridership-wavenet"])
def test_next_version_is_the_same_model(name: str, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["republish", name, "--store", str(store)]) == 0
    assert capsys.readouterr().out == f"{store / name / '2'}\n"
    before, after = (read_bundle(version_folder(store, name, version)) for version in (1, 2))
    golden = Golden.from_bytes(before.files[GOLDEN_FILE])
    [output] = golden.outputs
    old, new = (session(bundle.files[MODEL_FILE])(golden.inputs)[output] for bundle in (before, after))
    np.testing.assert_allclose(new, old, rtol=EXPORT_TOLERANCE)
    changing = {"version", "created", "source_commit", "files"}
    assert before.manifest.model_dump(exclude=changing) == after.manifest.model_dump(exclude=changing)
    taken_over = before.files.keys() - {MODEL_FILE, REPORT_FILE, "report.md"}
    assert {file: before.files[file] for file in taken_over} == {file: after.files[file] for file in taken_over}
    report = json.loads(after.files[REPORT_FILE])
    weights_of = report["weights_of"]
    assert 0 <= weights_of.pop("golden_difference") <= EXPORT_TOLERANCE
    assert weights_of == {"version": 1, "source_commit": before.manifest.source_commit, "rounded": False}
    assert report["metrics"] == json.loads(before.files[REPORT_FILE])["metrics"]


@pytest.mark.parametrize(("off", "is_refused"), [(1e-4, False), (0.1, True)])
def test_vectors_published_more_precisely_are_rounded(off: float, is_refused: bool, store: Path) -> None:
    published = read_bundle(version_folder(store, "spam-cnn", 1))
    document = onnx.load_from_string(published.files[MODEL_FILE])
    [table] = [weights for weights in document.graph.initializer if weights.name == "classifier.embedding.weight"]
    precise = numpy_helper.to_array(table).astype(np.float32) * np.float32(1 + 1e-4)
    table.CopyFrom(numpy_helper.from_array(precise, table.name))
    model = document.SerializeToString()
    golden = Golden.from_bytes(published.files[GOLDEN_FILE])
    recorded = Golden(golden.inputs, {name: value + off for name, value in golden.outputs.items()}, golden.texts)
    files = {**published.files, MODEL_FILE: model, GOLDEN_FILE: recorded.to_bytes()}
    publish(store, "spam-cnn", files, partial(_described, published.manifest))
    if is_refused:
        with pytest.raises(GoldenMismatch, match="more than 5e-04 of their scale"):
            republish("spam-cnn", store)
        assert list_versions(store)["spam-cnn"] == [1, 2]
        return
    republish("spam-cnn", store)
    after = read_bundle(version_folder(store, "spam-cnn", 3))
    assert json.loads(after.files[REPORT_FILE])["weights_of"]["rounded"]
    [held] = [
        weights
        for weights in onnx.load_from_string(after.files[MODEL_FILE]).graph.initializer
        if weights.name == table.name
    ]
    assert held.data_type == onnx.TensorProto.FLOAT16
    np.testing.assert_array_equal(numpy_helper.to_array(held), precise.astype(np.float16))
    reference = reference_of(after)
    assert reference is not None
    assert measured_again(after) == reference
    assert replay(Golden.from_bytes(after.files[GOLDEN_FILE]), session(after.files[MODEL_FILE])) <= EXPORT_TOLERANCE


def measured_again(bundle: Bundle) -> Reference:
    spec, texts = bundle.manifest.spec, reported_texts(tiny_spam())
    assert isinstance(spec, ClassifySpec)
    measured_on = json.loads(bundle.files[REPORT_FILE])["evaluated_on"]
    tokenizer_json = bundle.files[TOKENIZER_FILE].decode()
    return measure(spec, tokenizer_json, texts, session(bundle.files[MODEL_FILE]), measured_on)


def _described(manifest: Manifest, version: int, checksums: dict[str, str]) -> Manifest:
    return manifest.model_copy(update={"version": version, "files": checksums})


def test_model_of_another_recipe_is_refused(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RECIPES, "spam-cnn", lambda: dataclasses.replace(tiny_spam(), mask_probability=0.5))
    with pytest.raises(BundleError, match="spam-cnn version 1 wasn't made by a recipe of this release; fit it anew"):
        republish("spam-cnn", store)
    with pytest.raises(BundleError, match="there is no bundle 'spam-rnn'"):
        republish("spam-rnn", store)
    assert list_versions(store)["ridership-wavenet"] == list_versions(store)["spam-cnn"] == [1]


# --- weights ---------------------------------------------------------------------------------------------------------


def classifier(variant: str, seed: int) -> CalibratedClassifier:
    torch.manual_seed(seed)
    config = TextClassifierConfig(embedding_dim=4, embedding_dropout=0.0, dropout=0.0)
    return CalibratedClassifier(TextClassifier(VOCABULARY, 2, config, *VARIANTS[variant]), 1.0).eval()


def traced(graph: nn.Module) -> bytes:
    inputs = [TensorSpec(name="ids", dtype="int64", shape=["batch", "time"])]
    outputs = [TensorSpec(name="probabilities", dtype="float32", shape=["batch", 2])]
    return trace(unfitted(graph, inputs, outputs, TextSamples(VOCABULARY), {"ids": np.array([[2, 5]])}))


def check_found_again(variant: str) -> None:
    original, other = classifier(variant, 0), classifier(variant, 1)
    load_weights(other, traced(original))
    for name, weights in original.named_parameters():
        torch.testing.assert_close(other.state_dict()[name], weights.detach(), rtol=0, atol=0)


@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_weights_of_a_graph_are_those_it_was_made_of(variant: str) -> None:
    check_found_again(variant)


@pytest.mark.parametrize("variant", sorted(VARIANTS.keys() - {"wavenet"}))  # whose layout has changed since
def test_weights_are_found_where_the_first_graphs_held_them(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    export: Any = torch.onnx.export
    folding = {"do_constant_folding": True}
    monkeypatch.setattr(torch.onnx, "export", lambda *given, **named: export(*given, **named | folding))
    monkeypatch.setattr("training.export.folded", lambda document, _optimise: document)
    check_found_again(variant)


def test_weights_of_another_network_are_refused() -> None:
    model = traced(classifier("rnn gru", 0))
    network = classifier("rnn lstm", 1)
    before = {name: weights.clone() for name, weights in network.state_dict().items()}
    with pytest.raises(WeightsDiffer, match=r"weight_ih_l0 is \[24, 4\] in the graph, \[32, 4\] in the network"):
        load_weights(network, model)
    with pytest.raises(WeightsDiffer, match=r"the graph has no classifier\.body"):
        load_weights(classifier("cnn", 1), model)
    assert all(torch.equal(weights, before[name]) for name, weights in network.state_dict().items())
