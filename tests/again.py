"""A bundle published once more, as its next version."""

from collections.abc import Callable
from pathlib import Path

from bundle.manifest import Manifest
from bundle.store import publish, read_bundle, version_folder


def publish_again(store: Path, name: str = "spam-cnn", spoil: Callable[[dict[str, bytes]], None] | None = None) -> int:
    """Publish version 1's content as a further version, spoilt where wished."""
    bundle = read_bundle(version_folder(store, name, 1))
    files = dict(bundle.files)
    if spoil:
        spoil(files)

    def describe(version: int, checksums: dict[str, str]) -> Manifest:
        return bundle.manifest.model_copy(update={"version": version, "files": checksums})

    return publish(store, name, files, describe).version
