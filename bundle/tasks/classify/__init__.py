"""Text classification: a text in, one label out."""

from bundle.tasks.classify.reference import REFERENCE_FILE, read_reference
from bundle.tasks.classify.self_test import self_test
from bundle.tasks.classify.spec import ClassifySpec
from bundle.tasks.classify.text import TOKENIZER_FILE
from bundle.tasks.task import Task

CLASSIFY = Task(
    spec=ClassifySpec,
    required_files=frozenset({TOKENIZER_FILE}),
    optional_files={REFERENCE_FILE: read_reference},
    self_test=self_test,
)
