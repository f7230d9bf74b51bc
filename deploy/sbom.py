"""The image's bill of materials: `python -m deploy.sbom` writes `deploy/sbom.cdx.json` from the lock.

CycloneDX 1.6: each locked package with its version, and which needs which. The file is the same for the same lock, is
committed with it, and lies in the image.
"""

import tomllib
import uuid
from pathlib import Path

from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from deploy.lock import LOCK, read

BOM = Path("deploy/sbom.cdx.json")


def described(lock: Path, project: Path) -> str:
    """The document, of a lock and the `pyproject.toml` it was made from. Raises `ValueError` where it isn't valid."""
    own = tomllib.loads(project.read_text())["project"]
    root = Component(name=own["name"], version=own["version"], type=ComponentType.APPLICATION, bom_ref=own["name"])
    pins = read(lock)
    components = {pin.name: _component(pin.name, pin.version) for pin in pins} | {root.name: root}
    bom = Bom(components=[components[pin.name] for pin in pins])
    bom.metadata.component = root
    bom.metadata.timestamp = None  # type: ignore[assignment]  # the lock has no date; this and the next keep it the same
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, lock.read_text())
    for pin in pins:
        bom.register_dependency(components[pin.name])
        for name in pin.needed_by:
            bom.register_dependency(components[name], [components[pin.name]])
    document = JsonV1Dot6(bom).output_as_string(indent=1)
    if (wrong := JsonStrictValidator(SchemaVersion.V1_6).validate_str(document)) is not None:
        raise ValueError(str(wrong))
    return document + "\n"


def _component(name: str, version: str) -> Component:
    address = PackageURL("pypi", None, name.lower().replace("_", "-"), version)
    return Component(name=name, version=version, type=ComponentType.LIBRARY, purl=address, bom_ref=str(address))


if __name__ == "__main__":
    BOM.write_text(described(LOCK, Path("pyproject.toml")))
