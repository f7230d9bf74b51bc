"""A bundle published once more, as its next version."""

from collections.abc import Callable
from pathlib import Path

from bundle.manifest import Manifest
from bundle.store import publish, read_bundle, version_folder


def publish_next_version(
    store: Path, name: str = "spam-cnn", change: Callable[[dict[str, bytes]], None] | None = None
) -> int:
    """Publish the files of version 1, changed or as they are, as the next version; its number."""
    bundle = read_bundle(version_folder(store, name, 1))
    files = dict(bundle.files)
    if change:
        change(files)

    def describe(version: int, checksums: dict[str, str]) -> Manifest:
        return bundle.manifest.model_copy(update={"version": version, "files": checksums})

    return publish(store, name, files, describe).version
