"""The task of labelling texts: from data to figures beside baselines.

One run: the training part is divided into folds that keep near-duplicates together. Some or all are left out in turn,
each time fitting a network that stops early on what was left out; the epochs found, and the predictions on the parts
left out, decide how long the final network is fitted to the whole training part, its temperature and its threshold.
The validation part, less the near-duplicates of training texts, is read once, at the end, to report.
"""

import dataclasses
import itertools
import logging
import statistics
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC
from sklearn.utils.class_weight import compute_class_weight
from torch import nn
from torch.utils.data import DataLoader

from bundle.golden import Run
from bundle.manifest import MODEL_FILE, Manifest
from bundle.tasks.classify.decision import OperatingPoint, decide_all
from bundle.tasks.classify.reference import REFERENCE_FILE
from bundle.tasks.classify.spec import ClassifySpec
from bundle.tasks.classify.text import TOKENIZER_FILE, TextEncoder
from training import metrics, plots
from training.data.labelled_texts import LabelledTexts, TextSplit
from training.data.source import DataUnavailable
from training.data.splits import grouped_folds, without_near_duplicates
from training.export import session
from training.fit import Fitted, seed_everything
from training.fit import fit as fit_network
from training.models.text_classifier import CalibratedClassifier, TextClassifier
from training.tasks import Figures, Measure, Measures, Period, TrainedModel, count_parameters
from training.tasks.classify.batches import EncodedTexts, SimilarLengths, TextLoss, collate
from training.tasks.classify.recipe import ClassifyRecipe
from training.tasks.classify.reference import measure
from training.tasks.classify.samples import TextSamples
from training.tasks.classify.tokenizer import train_tokenizer

logger = logging.getLogger(__name__)


def fit(
    recipe: ClassifyRecipe, seed: int, folder: Path, *, progress: bool = True, baselines: Figures | None = None
) -> TrainedModel:
    """Run the recipe: see the module's docstring."""
    split = recipe.source().load()
    train, valid = split.train, _reported(split)
    run = _Run(recipe, seed, folder, progress)

    left_out_logits = np.zeros((len(train.texts), len(recipe.labels)))
    best_epochs, fold_epochs = [], []
    chosen_by = np.zeros(len(train.texts), dtype=bool)
    folds = grouped_folds(train.texts, train.labels, recipe.num_folds, seed)
    for number, (rows, left_out) in enumerate(itertools.islice(folds, recipe.num_folds_left_out), start=1):
        logger.info("fold %d of %d: %d texts, %d left out", number, recipe.num_folds, len(rows), len(left_out))
        chosen_by[left_out] = True
        network, encoder, fitted = run.fit(train.at(rows), train.at(left_out), f"fold-{number}")
        left_out_logits[left_out] = run.logits(network, encoder, train.at(left_out).texts)
        best_epochs.append(fitted.best_epoch)
        fold_epochs.append([dataclasses.asdict(epoch) for epoch in fitted.epochs])
    num_epochs = round(statistics.median(best_epochs))
    actual, left_out_logits = run.codes(train.labels)[chosen_by], left_out_logits[chosen_by]
    temperature = fit_temperature(left_out_logits, actual, run.class_weights(train.labels))
    calibrated = _softmax(left_out_logits / temperature)
    operating_point = find_operating_point(recipe, actual, calibrated)

    logger.info("final fit: %d texts, %d epochs", len(train.texts), num_epochs)
    network, encoder, fitted = run.fit(train, None, "final", num_epochs=num_epochs)
    probabilities = _softmax(run.logits(network, encoder, valid.texts) / temperature)
    figures = {"model": describe(run.codes(valid.labels), probabilities, operating_point)}
    figures |= _baseline_figures(recipe, train, valid) if baselines is None else baselines
    logger.info("validation: %s", figures)

    spec = ClassifySpec(
        labels=list(recipe.labels),
        max_tokens=recipe.max_tokens,
        positive_label=recipe.positive_label,
        threshold=operating_point.threshold if operating_point else None,
        temperature=temperature,
    )
    selection = describe(actual, calibrated, operating_point)
    return TrainedModel(
        graph=CalibratedClassifier(network, temperature).eval(),
        inputs=spec.inputs(),
        outputs=spec.outputs(),
        samples=TextSamples(encoder.vocabulary_size),
        golden={"ids": encoder.encode_padded(recipe.golden_texts)},
        golden_texts=list(recipe.golden_texts),
        spec=spec,
        parameters=count_parameters(network),
        data=[split.described],
        metrics=figures,
        calibration={
            "temperature": temperature,
            **({"threshold": operating_point.threshold} if operating_point else {}),
            **{f"{name}_at_threshold": selection[name] for name in ("precision", "recall") if name in selection},
            "chosen_on": f"{recipe.num_folds_left_out} of {recipe.num_folds} folds of the training part, left out in "
            "turn, near-duplicates kept together",
        },
        report={
            "evaluated_on": f"validation part less {len(split.valid.texts) - len(valid.texts)} near-duplicates of "
            f"training texts: {len(valid.texts)} rows",
            "selection": {"best_epochs": best_epochs, "num_epochs": num_epochs, "left_out_folds": selection},
            "epochs": {"folds": fold_epochs, "final": [dataclasses.asdict(epoch) for epoch in fitted.epochs]},
        },
        files={
            TOKENIZER_FILE: run.tokenizer_json.encode(),
            "confusion.svg": plots.confusion(figures["model"]["confusion"], list(recipe.labels)),
            "calibration.svg": plots.calibration(figures["model"]["calibration_bins"]),
            "epochs.svg": plots.epochs(fold_epochs),
        },
        reported_texts=valid.texts,
    )


def evaluate(
    recipe: ClassifyRecipe, manifest: Manifest, files: dict[str, bytes], run: Run, path: Path, _period: Period
) -> dict[str, Any]:
    """Figures of a published bundle on any file of the data set's form, decided by the bundle's own threshold.

    Where the training part can be read, the rows without a near-duplicate in it are measured apart.
    """
    spec = manifest.spec
    assert isinstance(spec, ClassifySpec)
    operating_point = OperatingPoint.of(spec)
    data_set = recipe.source()
    rows = data_set.load_file(path)
    encoder = TextEncoder(files[TOKENIZER_FILE].decode(), spec.max_tokens)
    probabilities = np.concatenate(
        [run({"ids": encoder.encode_padded(chunk)})["probabilities"] for chunk in _chunks(rows.texts)]
    )
    actual = np.array([spec.labels.index(label) for label in rows.labels])
    try:
        kept = without_near_duplicates(rows.texts, data_set.load().train.texts)
    except DataUnavailable as error:
        new_rows: Any = f"not measured: {error}"
    else:
        new_rows = (
            describe(actual[kept], probabilities[kept], operating_point)
            if kept
            else "not measured: every row has a near-duplicate among the training texts"
        )
    return {
        "all_rows": describe(actual, probabilities, operating_point),
        "without_near_duplicates_of_training_texts": new_rows,
    }


def rebuilt(
    recipe: ClassifyRecipe, manifest: Manifest, files: Mapping[str, bytes]
) -> tuple[CalibratedClassifier, TextSamples]:
    """The graph of a bundle, its weights still to be loaded, and inputs to check it."""
    assert isinstance(manifest.spec, ClassifySpec)
    vocabulary_size = TextEncoder(files[TOKENIZER_FILE].decode(), recipe.max_tokens).vocabulary_size
    network = TextClassifier(vocabulary_size, len(recipe.labels), recipe.network, recipe.architecture, recipe.settings)
    network.halve_vectors()
    return CalibratedClassifier(network, manifest.spec.temperature).eval(), TextSamples(vocabulary_size)


def measured_files(recipe: ClassifyRecipe, trained: TrainedModel, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """`reference.json`, measured on the reported texts with this graph and tokenizer."""
    assert isinstance(trained.spec, ClassifySpec)
    texts = trained.reported_texts or reported_texts(recipe)
    run, tokenizer = session(files[MODEL_FILE]), files[TOKENIZER_FILE].decode()
    reference = measure(trained.spec, tokenizer, texts, run, trained.report["evaluated_on"])
    return {REFERENCE_FILE: (reference.model_dump_json(indent=1) + "\n").encode()}


def labels(spec: ClassifySpec) -> list[str]:
    """Of a bundle."""
    return spec.labels


def reported_texts(recipe: ClassifyRecipe) -> list[str]:
    """Those that the figures of a recipe are of. Raises `DataUnavailable`."""
    return _reported(recipe.source().load()).texts


def find_operating_point(
    recipe: ClassifyRecipe, actual: NDArray[np.int64], probabilities: NDArray[np.floating]
) -> OperatingPoint | None:
    """The threshold of the recipe's positive label, if it has one."""
    if recipe.positive_label is None:
        return None
    positive = recipe.labels.index(recipe.positive_label)
    return OperatingPoint(positive, metrics.best_threshold(actual == positive, probabilities[:, positive]))


def describe(
    actual: NDArray[np.int64], probabilities: NDArray[np.floating], operating_point: OperatingPoint | None
) -> dict[str, Any]:
    """All figures of one set of predictions; where there is an operating point, its threshold decides first."""
    predicted = decide_all(probabilities, operating_point)
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == actual
    return {
        **_decisions(actual, predicted, operating_point.positive if operating_point else None, probabilities.shape[1]),
        "log_loss": metrics.log_loss(actual, probabilities),
        "expected_calibration_error": metrics.expected_calibration_error(correct, confidence),
        "calibration_bins": metrics.calibration_bins(correct, confidence),
    }


def _decisions(
    actual: NDArray[np.int64], predicted: NDArray[np.int64], positive: int | None, num_classes: int
) -> dict[str, Any]:
    counts = metrics.confusion(actual, predicted, num_classes)
    figures: dict[str, Any] = {
        "rows": len(actual),
        "mcc": metrics.matthews(counts),
        "accuracy": metrics.accuracy(counts),
        "macro_recall": metrics.macro_recall(counts),
    }
    if positive is not None:
        precision, recall = metrics.precision_recall(actual == positive, predicted == positive)
        blocked = float(((predicted == positive) & (actual != positive)).sum() / max((actual != positive).sum(), 1))
        figures |= {"precision": precision, "recall": recall, "false_positive_rate": blocked}
    return figures | {"confusion": counts.tolist()}


def baselines(recipe: ClassifyRecipe) -> Figures:
    """The same figures for simple models fitted to the same rows."""
    split = recipe.source().load()
    return _baseline_figures(recipe, split.train, _reported(split))


def _baseline_figures(recipe: ClassifyRecipe, train: LabelledTexts, valid: LabelledTexts) -> Figures:
    words = {"ngram_range": (1, 2), "sublinear_tf": True}
    characters = {"analyzer": "char_wb", "ngram_range": (1, 5), "sublinear_tf": True}
    weights = "balanced" if recipe.balanced else None
    models = {
        "majority": DummyClassifier(strategy="most_frequent"),
        "tfidf_logistic_regression": make_pipeline(
            TfidfVectorizer(**words), LogisticRegression(C=100, max_iter=1000, class_weight=weights)
        ),
        "tfidf_character_svm": make_pipeline(TfidfVectorizer(**characters), LinearSVC(class_weight=weights)),
    }
    codes = {label: code for code, label in enumerate(recipe.labels)}
    actual = np.array([codes[label] for label in valid.labels])
    positive = codes[recipe.positive_label] if recipe.positive_label is not None else None
    figures = {}
    for name, model in models.items():
        model.fit(train.texts, [codes[label] for label in train.labels])
        figures[name] = _decisions(actual, model.predict(valid.texts), positive, len(codes))
    return figures


def measures(recipe: ClassifyRecipe) -> Measures:
    """Matthews correlation or, where every class weighs alike, macro recall."""
    mcc, macro_recall = Measure("mcc", "MCC", "high"), Measure("macro_recall", "macro recall", "high")
    main, other = (macro_recall, mcc) if recipe.balanced else (mcc, macro_recall)
    return Measures(
        main=main,
        selection=dataclasses.replace(main, key=f"left_out_folds.{main.key}"),
        selected_on="left-out training folds",
        further=(
            other,
            Measure("accuracy", "accuracy", "high"),
            Measure("false_positive_rate", "false positive rate", "low"),
            Measure("log_loss", "log-loss", "low"),
            Measure("expected_calibration_error", "calibration error", "low"),
        ),
    )


def _reported(split: TextSplit) -> LabelledTexts:
    """The validation part, less the near-duplicates of training texts."""
    return split.valid.at(without_near_duplicates(split.valid.texts, split.train.texts))


def fit_temperature(
    logits: NDArray[np.floating], actual: NDArray[np.int64], class_weights: NDArray[np.floating] | None = None
) -> float:
    """The temperature with the least log-loss, classes weighed as in training, between 0.1 and 10."""
    candidates = np.exp(np.linspace(np.log(0.1), np.log(10), 401))
    weights = np.ones(logits.shape[1]) if class_weights is None else class_weights
    losses = [metrics.log_loss(actual, _softmax(logits / candidate), weights[actual]) for candidate in candidates]
    return float(candidates[int(np.argmin(losses))])


def _softmax(logits: NDArray[np.floating]) -> NDArray[np.floating]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: NDArray[np.floating] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


class _Run:
    """The fits of one recipe and seed."""

    def __init__(self, recipe: ClassifyRecipe, seed: int, folder: Path, progress: bool) -> None:
        self.recipe, self.seed, self.folder, self.progress = recipe, seed, folder, progress
        self.tokenizer_json = ""

    def codes(self, labels: Sequence[str]) -> NDArray[np.int64]:
        return np.array([self.recipe.labels.index(label) for label in labels])

    def class_weights(self, labels: Sequence[str]) -> NDArray[np.float64] | None:
        """What makes every class count alike, where the recipe wants that; their mean over the rows is 1."""
        if not self.recipe.balanced:
            return None
        codes = self.codes(labels)
        weights: NDArray[np.float64] = compute_class_weight("balanced", classes=np.unique(codes), y=codes)
        return weights

    def fit(
        self, train: LabelledTexts, valid: LabelledTexts | None, name: str, num_epochs: int | None = None
    ) -> tuple[TextClassifier, TextEncoder, Fitted]:
        """A tokenizer and a network fitted to `train` alone; `valid` chooses the epoch."""
        recipe = self.recipe
        seed_everything(self.seed)
        self.tokenizer_json = train_tokenizer(train.texts, recipe.tokenizer)
        encoder = TextEncoder(self.tokenizer_json, recipe.max_tokens)
        network = TextClassifier(
            encoder.vocabulary_size, len(recipe.labels), recipe.network, recipe.architecture, recipe.settings
        )
        weights = self.class_weights(train.labels)
        fitted = fit_network(
            network,
            TextLoss(recipe.mask_probability, None if weights is None else torch.from_numpy(weights).float()),
            self._batches(train, encoder, shuffle=True),
            None if valid is None else self._batches(valid, encoder, shuffle=False),
            recipe.schedule,
            self.folder / name,
            num_epochs=num_epochs,
            progress=self.progress,
        )
        network.halve_vectors()
        return network, encoder, fitted

    def _batches(self, rows: LabelledTexts, encoder: TextEncoder, *, shuffle: bool) -> DataLoader[Any]:
        data_set = EncodedTexts(
            [np.array(encoder.encode(text).ids) for text in rows.texts],
            self.codes(rows.labels),
            self.recipe.fragment_probability if shuffle else 0.0,
            np.random.default_rng(self.seed),
        )
        sampler = SimilarLengths(data_set.lengths, self.recipe.schedule.batch_size, self.seed if shuffle else None)
        return DataLoader(data_set, batch_sampler=sampler, collate_fn=collate)

    @torch.no_grad()
    def logits(self, network: nn.Module, encoder: TextEncoder, texts: Sequence[str]) -> NDArray[np.floating]:
        ids = (torch.from_numpy(encoder.encode_padded(chunk)) for chunk in _chunks(texts))
        return np.concatenate([network(chunk).double().numpy() for chunk in ids])


def _chunks(texts: Sequence[str], size: int = 64) -> Iterator[Sequence[str]]:
    for start in range(0, len(texts), size):
        yield texts[start : start + size]
