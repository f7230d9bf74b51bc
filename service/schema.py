"""What every request model shares: strict types, and no key that isn't known."""

from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator


class RequestModel(BaseModel):
    """A JSON object of a request. Numbers must be numbers, and a misspelt key is refused, not ignored."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, document: Any) -> Any:
        # One fault however many keys there are, and none of them repeated: they are input.
        if isinstance(document, dict) and (unknown := document.keys() - cls.__pydantic_fields__.keys()):
            plural = "s are" if len(unknown) > 1 else " is"
            raise ValueError(f"{len(unknown)} key{plural} not known here; known are {', '.join(cls.model_fields)}")
        return document
