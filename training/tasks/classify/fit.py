"""The task of labelling texts: from data to figures beside baselines.

One run: `selection` fits the network and chooses epoch, temperature and threshold on rows that aren't reported. The
validation part, less the near-duplicates of training texts, is read once, at the end, to report.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bundle.golden import Run
from bundle.manifest import MODEL_FILE, Manifest
from bundle.tasks.classify.decision import OperatingPoint
from bundle.tasks.classify.reference import REFERENCE_FILE
from bundle.tasks.classify.spec import ClassifySpec
from bundle.tasks.classify.text import TOKENIZER_FILE, TextEncoder
from training import plots
from training.data.labelled_texts import LabelledTexts, TextSplit
from training.data.source import DataUnavailable
from training.data.splits import without_near_duplicates
from training.export import session
from training.models.text_classifier import CalibratedClassifier, TextClassifier
from training.tasks import Figures, Period, TrainedModel, count_parameters
from training.tasks.classify.figures import baseline_figures, by_part, describe
from training.tasks.classify.networks import Fits
from training.tasks.classify.recipe import ClassifyRecipe
from training.tasks.classify.reference import measure
from training.tasks.classify.samples import TextSamples
from training.tasks.classify.selection import Selected, by_folds, by_rows, losses
from training.tasks.classify.tricks import disguised, doubtful

logger = logging.getLogger(__name__)


def fit(
    recipe: ClassifyRecipe, seed: int, folder: Path, *, progress: bool = True, baselines: Figures | None = None
) -> TrainedModel:
    """Run the recipe: see the module's docstring."""
    split = recipe.source().load()
    train, valid = split.train, _reported(split)
    fits = Fits(recipe, seed, folder, progress)
    selected = by_folds(fits, train) if split.choose is None else by_rows(fits, train, split.choose)
    final, operating_point = selected.final, selected.operating_point
    spec = ClassifySpec(
        labels=list(recipe.labels),
        max_tokens=recipe.max_tokens,
        reading=list(recipe.reading),
        windows=recipe.windows,
        doubt=recipe.doubt,
        positive_label=recipe.positive_label,
        threshold=operating_point.threshold if operating_point else None,
        temperature=selected.temperature,
    )
    encoder = TextEncoder.of(final.tokenizer_json, spec)
    actual = fits.codes(valid.labels)
    probabilities = final.probabilities(valid.texts, encoder, selected.temperature)
    figures = {"model": describe(actual, probabilities, operating_point)}
    figures |= baseline_figures(recipe, train, valid) if baselines is None else baselines
    logger.info("validation: %s", figures)
    return TrainedModel(
        graph=CalibratedClassifier(final.network, selected.temperature).eval(),
        inputs=spec.inputs(),
        outputs=spec.outputs(),
        samples=TextSamples(encoder.vocabulary_size),
        golden={"ids": encoder.encode_padded(recipe.golden_texts)},
        golden_texts=list(recipe.golden_texts),
        spec=spec,
        parameters=count_parameters(final.network),
        data=split.described,
        metrics=figures,
        calibration={
            "temperature": selected.temperature,
            **({"threshold": operating_point.threshold} if operating_point else {}),
            **{
                f"{name}_at_threshold": selected.figures[name]
                for name in ("precision", "recall")
                if name in selected.figures
            },
            "chosen_on": selected.chosen_on,
        },
        report={
            "evaluated_on": f"validation part less {len(split.valid) - len(valid)} near-duplicates of "
            f"training texts: {len(valid)} rows",
            "selection": selected.report,
            "epochs": {"folds": selected.epochs, "final": losses(final)},
            **({"tables": _tables(selected, spec, valid, actual, probabilities)} if valid.origins else {}),
        },
        files={
            TOKENIZER_FILE: final.tokenizer_json.encode(),
            "confusion.svg": plots.confusion(figures["model"]["confusion"], list(recipe.labels)),
            "calibration.svg": plots.calibration(figures["model"]["calibration_bins"]),
            "epochs.svg": plots.epochs(selected.epochs),
        },
        reported_texts=valid.texts,
    )


def _tables(
    selected: Selected,
    spec: ClassifySpec,
    valid: LabelledTexts,
    actual: NDArray[np.int64],
    probabilities: NDArray[np.floating],
) -> dict[str, list[dict[str, Any]]]:
    """Figures of a classifier of messages by parts of its data, by trick, and of texts that nobody can judge."""
    final = selected.final
    encoder = TextEncoder.of(final.tokenizer_json, spec)

    def answer(texts: Sequence[str]) -> NDArray[np.floating]:
        return final.probabilities(texts, encoder, selected.temperature)

    tables = by_part(valid.origins, actual, probabilities, selected.operating_point)
    left_out: dict[str, dict[str, Any]] = selected.report.get("left_out_sources", {})
    if left_out:
        tables["Sources left out of training, in turn"] = [
            {"sources": name, "texts": own["rows"], "MCC": f"{own['mcc']:.3f}", "accuracy": f"{own['accuracy']:.3f}"}
            for name, own in left_out.items()
        ]
    if selected.operating_point is not None:
        tricks = disguised(valid, actual, answer, selected.operating_point)
        tables["Disguised text messages"] = [
            {"trick": name, **{key: f"{value:.3f}" for key, value in own.items()}} for name, own in tricks.items()
        ]
    if spec.doubt is not None:
        tables["Texts that can't be judged"] = [
            {"kind": kind, "answered with more than 0.8": f"{share:.3f}"} for kind, share in doubtful(answer).items()
        ]
    return tables


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
    encoder = TextEncoder.of(files[TOKENIZER_FILE].decode(), spec)
    probabilities = encoder.probabilities(
        encoder.encode_all(rows.texts), lambda ids: run({"ids": ids})["probabilities"]
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


def baselines(recipe: ClassifyRecipe) -> Figures:
    """The same figures for simple models fitted to the same rows."""
    split = recipe.source().load()
    return baseline_figures(recipe, split.train, _reported(split))


def _reported(split: TextSplit) -> LabelledTexts:
    """The validation part, less the near-duplicates of training texts."""
    return split.valid.at(without_near_duplicates(split.valid.texts, split.train.texts))
