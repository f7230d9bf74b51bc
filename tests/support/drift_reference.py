"""The drift reference of a bundle, as tests look at it."""

from bundle.store import Bundle
from bundle.tasks.classify.reference import REFERENCE_FILE, Reference, read_reference
from bundle.tasks.classify.spec import ClassifySpec


def reference_of(bundle: Bundle) -> Reference | None:
    """None where the bundle has none."""
    content = bundle.files.get(REFERENCE_FILE)
    if content is None:
        return None
    assert isinstance(bundle.manifest.spec, ClassifySpec)
    return read_reference(bundle.manifest.spec, content)
