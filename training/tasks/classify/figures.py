"""Figures of text classifiers and their baselines, as a whole, by parts of the data, and with confidence intervals."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from bundle.tasks.classify.decision import OperatingPoint, decide_all
from training import metrics
from training.data.labelled_texts import LabelledTexts, Origin
from training.tasks import Figures, Measure, Measures
from training.tasks.classify.recipe import ClassifyRecipe

FEWEST_ROWS = 20
"""Of a part of the data that figures are given of."""
NUM_RESAMPLES = 500


def describe(
    actual: NDArray[np.int64], probabilities: NDArray[np.floating], operating_point: OperatingPoint | None
) -> dict[str, Any]:
    """All figures of one set of predictions; where there is an operating point, its threshold decides first."""
    predicted = decide_all(probabilities, operating_point)
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == actual
    return {
        **decisions(actual, predicted, operating_point.positive if operating_point else None, probabilities.shape[1]),
        "log_loss": metrics.log_loss(actual, probabilities),
        "expected_calibration_error": metrics.expected_calibration_error(correct, confidence),
        "calibration_bins": metrics.calibration_bins(correct, confidence),
    }


def decisions(
    actual: NDArray[np.int64], predicted: NDArray[np.int64], positive: int | None, num_classes: int
) -> dict[str, Any]:
    """Figures of the labels answered; recall and false positive rate of the class `positive`, if there is one."""
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


def by_part(
    origins: Sequence[Origin],
    actual: NDArray[np.int64],
    probabilities: NDArray[np.floating],
    operating_point: OperatingPoint | None,
) -> dict[str, list[dict[str, Any]]]:
    """Tables of figures by source, channel, kind and language: a row for each with at least `FEWEST_ROWS` texts."""
    predicted = decide_all(probabilities, operating_point)
    positive = operating_point.positive if operating_point else None
    num_classes = probabilities.shape[1]
    tables: dict[str, list[dict[str, Any]]] = {}
    for column in ("source", "channel", "kind", "language"):
        values = np.array([getattr(origin, column) for origin in origins])
        tables[f"By {column}"] = rows = []
        for value in sorted(set(values.tolist())):
            own = values == value
            if own.sum() < FEWEST_ROWS:
                continue
            figures = decisions(actual[own], predicted[own], positive, num_classes)
            correct, confidence = probabilities[own].argmax(axis=1) == actual[own], probabilities[own].max(axis=1)
            low, high = interval(actual[own], predicted[own], num_classes)
            is_mixed = len(set(actual[own].tolist())) > 1
            shown = {"texts": len(correct), "MCC": f"{figures['mcc']:.3f}", "95 %": f"{low:.3f} to {high:.3f}"}
            if not is_mixed:
                shown |= {"MCC": None, "95 %": None}
            shown |= {"accuracy": f"{figures['accuracy']:.3f}"}
            if positive is not None:
                has = {True: (actual[own] == positive).any(), False: (actual[own] != positive).any()}
                shown |= {
                    "caught": f"{figures['recall']:.3f}" if has[True] else None,
                    "blocked": f"{figures['false_positive_rate']:.4f}" if has[False] else None,
                }
            shown["calibration error"] = f"{metrics.expected_calibration_error(correct, confidence):.3f}"
            rows.append({column: value, **shown})
    return {title: rows for title, rows in tables.items() if rows}


def interval(actual: NDArray[np.int64], predicted: NDArray[np.int64], num_classes: int) -> list[float]:
    """The 95 % confidence interval of the Matthews correlation: percentiles of bootstrap resamples of the rows.

    Source: B. Efron, R. Tibshirani, "An Introduction to the Bootstrap", 1993.
    """
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(NUM_RESAMPLES):
        rows = rng.integers(0, len(actual), len(actual))
        drawn.append(metrics.matthews(metrics.confusion(actual[rows], predicted[rows], num_classes)))
    return [float(bound) for bound in np.percentile(drawn, [2.5, 97.5])]


def baseline_figures(recipe: ClassifyRecipe, train: LabelledTexts, valid: LabelledTexts) -> Figures:
    """The same figures for simple models fitted to the same rows."""
    words = {"ngram_range": (1, 2), "sublinear_tf": True}
    characters = {"analyzer": "char_wb", "ngram_range": (1, 5), "sublinear_tf": True}
    if len(train) > 20_000:  # rare n-grams of long mails would take gigabytes
        words |= {"min_df": 3}
        characters |= {"min_df": 5, "max_features": 600_000}
    weights = "balanced" if recipe.balanced else None
    models: Mapping[str, Any] = {
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
        predicted = model.predict(valid.texts)
        figures[name] = decisions(actual, predicted, positive, len(codes))
        if valid.origins:
            sources = np.array([origin.source for origin in valid.origins])
            figures[name]["mcc_by_source"] = {
                source: metrics.matthews(metrics.confusion(actual[rows], predicted[rows], len(codes)))
                for source in sorted(set(sources.tolist()))
                if (rows := sources == source).sum() >= FEWEST_ROWS
            }
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
