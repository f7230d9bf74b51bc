"""What a bundle says about itself: `manifest.json`, read and checked before anything else in the bundle is used."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, GetJsonSchemaHandler, SerializeAsAny, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from bundle.tasks import TASKS
from bundle.tasks.task import TaskSpec
from bundle.tensors import Part, TensorSpec

FORMAT = 1
"""Format number written into every manifest. A reader refuses any other."""

NAME_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"
FILE_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9._-]*$"

MANIFEST_FILE = "manifest.json"
MODEL_FILE = "model.onnx"
GOLDEN_FILE = "golden.npz"
REPORT_FILE = "report.json"


def _plain_name(name: str) -> str:
    if not re.fullmatch(NAME_PATTERN, name) or len(name) > 63:
        raise ValueError("a name is 1 to 63 of a-z, 0-9 and single inner hyphens")
    return name


def _plain_file(name: str) -> str:
    if not re.fullmatch(FILE_PATTERN, name) or ".." in name or name == MANIFEST_FILE:
        raise ValueError(f"{name!r} is not a plain file name inside the bundle")
    return name


Name = Annotated[str, AfterValidator(_plain_name)]
FileName = Annotated[str, AfterValidator(_plain_file)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _read_spec(value: Any) -> Any:
    """The spec of the task that it names."""
    task = value.get("task") if isinstance(value, dict) else getattr(value, "task", None)
    if not isinstance(task, str) or task not in TASKS:
        raise ValueError(f"task must be one of {', '.join(TASKS)}")
    return TASKS[task].spec.model_validate(value)


class _AnySpec:
    """In JSON Schema: the spec of any task in `TASKS`."""

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"oneOf": [handler(task.spec.__pydantic_core_schema__) for task in TASKS.values()]}


Spec = Annotated[SerializeAsAny[TaskSpec], BeforeValidator(_read_spec), _AnySpec]


class TrainingData(Part):
    """What the model was fitted on, so that a run can be traced and repeated."""

    name: str
    origin: str
    licence: str
    citation: str
    files: dict[str, Sha256] = Field(description="sha256 of each source file read")
    rows: dict[str, int] = Field(description="rows of each part of the split")


class Manifest(Part):
    """The whole of `manifest.json`.

    Raises `pydantic.ValidationError` for anything that is missing, unknown or malformed, an unknown `format` included.
    """

    format: int
    name: Name
    version: int = Field(ge=1)
    spec: Spec
    architecture: str
    recipe: dict[str, Any]
    seed: int
    parameters: int = Field(ge=0, description="trained weights in the network")
    created: str = Field(description="UTC, ISO 8601")
    source_commit: str
    data: list[TrainingData]
    inputs: list[TensorSpec]
    outputs: list[TensorSpec]
    opset: int
    ir_version: int
    metrics: dict[str, dict[str, Any]] = Field(description="held-out figures: `model`, and each baseline beside it")
    calibration: dict[str, Any] = Field(default_factory=dict)
    libraries: dict[str, str]
    intended_use: str
    limits: str
    files: dict[FileName, Sha256]

    @model_validator(mode="before")
    @classmethod
    def _known_format(cls, document: Any) -> Any:
        if isinstance(document, dict) and document.get("format") != FORMAT:
            raise ValueError(f"bundle format {document.get('format')!r} is not the one this release reads ({FORMAT})")
        return document

    @model_validator(mode="after")
    def _has_what_its_task_needs(self) -> "Manifest":
        needed = {MODEL_FILE, GOLDEN_FILE} | TASKS[self.spec.task].required_files
        if missing := needed - self.files.keys():
            raise ValueError(f"files lacks {', '.join(sorted(missing))}")
        for kind, written, defined in (
            ("inputs", self.inputs, self.spec.inputs()),
            ("outputs", self.outputs, self.spec.outputs()),
        ):
            if written != defined:
                shown = ", ".join(f"{tensor.name}:{tensor.dtype}{tensor.shape}" for tensor in defined)
                raise ValueError(f"{kind} must be {shown}, as the task defines them")
        return self
