"""The self-test of what a classifier's bundle holds beside its graph: tokenizer and drift reference."""

import hashlib
import weakref
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bundle.golden import Golden, GoldenMismatch
from bundle.tasks.classify.reference import REFERENCE_FILE, Reference, read_reference
from bundle.tasks.classify.spec import ClassifySpec
from bundle.tasks.classify.text import TOKENIZER_FILE, TextEncoder


@dataclass(frozen=True)
class TextAssets:
    """What they are."""

    encoder: TextEncoder
    reference: Reference | None


_ENCODERS: weakref.WeakValueDictionary[tuple[str, str], TextEncoder] = weakref.WeakValueDictionary()
"""By content: models of one family mostly have the same tokenizer, which is held once."""


def self_test(spec: ClassifySpec, files: Mapping[str, bytes], golden: Golden) -> TextAssets:
    """Raises `ValueError` unless the tokenizer still gives the recorded ids for the recorded texts."""
    encoder = _encoder(files[TOKENIZER_FILE].decode(), spec)
    recorded = golden.inputs.get("ids")
    if not golden.texts or recorded is None:
        raise GoldenMismatch("golden samples of a classifier must record texts and ids")
    if not np.array_equal(encoder.encode_padded(golden.texts), recorded):
        raise GoldenMismatch("the tokenizer no longer gives the ids it was published with")
    content = files.get(REFERENCE_FILE)
    return TextAssets(encoder, None if content is None else read_reference(spec, content))


def _encoder(tokenizer_json: str, spec: ClassifySpec) -> TextEncoder:
    settings = spec.model_dump_json(include={"max_tokens", "reading", "windows", "doubt"})
    key = hashlib.sha256(tokenizer_json.encode()).hexdigest(), settings
    encoder = _ENCODERS.get(key)
    if encoder is None:
        encoder = _ENCODERS[key] = TextEncoder.of(tokenizer_json, spec)
    return encoder
