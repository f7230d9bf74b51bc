"""The reference that `fit` writes: of the reported texts, and found again by whoever counts them one by one."""

import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np

from bundle.manifest import MODEL_FILE, REPORT_FILE
from bundle.store import read_bundle, version_folder
from bundle.tasks.classify.spec import ClassifySpec
from bundle.tasks.classify.text import TOKENIZER_FILE, TextEncoder, pad
from tests.support.drift_reference import reference_of
from tests.training.tiny_recipes import TinyTexts
from training.data.splits import without_near_duplicates
from training.export import session


def test_fit_writes_the_reference_of_the_reported_texts(tiny_store: Path) -> None:
    bundle = read_bundle(version_folder(tiny_store, "spam-cnn", 1))
    spec, reference = bundle.manifest.spec, reference_of(bundle)
    assert isinstance(spec, ClassifySpec)
    assert reference is not None

    split = TinyTexts().load()
    kept = without_near_duplicates(split.valid.texts, split.train.texts)
    assert reference.num_rows == len(kept) == bundle.manifest.metrics["model"]["rows"]
    assert reference.measured_on == json.loads(bundle.files[REPORT_FILE])["evaluated_on"]

    encoder = TextEncoder.of(bundle.files[TOKENIZER_FILE].decode(), spec)
    run = session(bundle.files[MODEL_FILE])
    rows = [encoder.encode(split.valid.texts[row]).ids for row in kept]
    spam = [float(run({"ids": pad([ids])})["probabilities"][0, 1]) for ids in rows]
    threshold = spec.threshold
    assert threshold is not None
    answered = Counter("spam" if score >= threshold else "ham" for score in spam)
    assert reference.labels == {label: answered[label] / len(kept) for label in ("ham", "spam")}
    for distribution, values in ((reference.scores, spam), (reference.lengths, [len(ids) for ids in rows])):
        assert len(distribution.edges) > 2
        ends = [-np.inf, *distribution.edges, np.inf]
        shares = [np.mean([low < value <= high for value in values]) for low, high in itertools.pairwise(ends)]
        assert distribution.shares == shares
    assert reference.unknown_token_ratio == 0


def test_forecaster_has_no_reference(tiny_store: Path) -> None:
    assert reference_of(read_bundle(version_folder(tiny_store, "ridership-wavenet", 1))) is None
