"""What every request model shares: strict types, and no key that isn't known."""

from collections.abc import Iterator
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from service.errors import FieldError, Invalid


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Integer = Annotated[int, BeforeValidator(_whole)]
"""As JSON Schema has it: 4.0 is one, too."""
PositiveInteger = Annotated[int, Field(ge=1), BeforeValidator(_whole)]
"""The same, from 1 on."""


class RequestModel(BaseModel):
    """A JSON object of a request. Numbers must be numbers, and a misspelt key is refused, not ignored."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @classmethod
    def refuse_unknown_keys(cls, document: Any) -> None:
        """Raise `Invalid` with one fault for each object that has unknown keys; pydantic would repeat each key."""
        if errors := list(_unknown_keys(cls, document, ())):
            raise Invalid(errors)


def _unknown_keys(model: type[RequestModel], document: Any, loc: tuple[str | int, ...]) -> Iterator[FieldError]:
    if not isinstance(document, dict):
        return
    known = model.model_fields
    if unknown := document.keys() - known.keys():
        plural = "s are" if len(unknown) > 1 else " is"
        yield FieldError(loc, f"{len(unknown)} key{plural} not known here; known are {', '.join(known)}")
    for name in known.keys() & document.keys():
        entries, entry_model = document[name], _model_of_entries(known[name].annotation)
        if entry_model is not None and isinstance(entries, list):
            for index, entry in enumerate(entries):
                yield from _unknown_keys(entry_model, entry, (*loc, name, index))


def _model_of_entries(annotation: Any) -> type[RequestModel] | None:
    """The model in `list[Model]`, `list[Model] | None` and the like."""
    if isinstance(annotation, type) and issubclass(annotation, RequestModel):
        return annotation
    return next(filter(None, map(_model_of_entries, get_args(annotation))), None)
