"""The tree of refusals: everything the service declines to do, and why.

    Refusal
    ├── NotJSON               the body can't be read as JSON
    ├── UnsupportedMedia      the body is of a type the service doesn't speak
    ├── UnsupportedEncoding   the body is compressed
    ├── BodyTooLarge          the body is over its limit
    ├── Invalid               well-formed JSON of the wrong shape or value; lists each place
    ├── NotFound
    │   ├── UnknownModel      no such model, or version of it, is served
    │   └── UnknownFile       the version has no such file to show
    ├── QueueFull             too many requests wait for this model
    ├── NotReady              no model can answer yet, or the service is going down
    └── DeadlineExceeded      the answer would come too late

A refusal is the caller's to mend, or to try again; anything else that is raised is a defect of ours. HTTP statuses are
mapped in `problem`, the only file that knows them.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """One fault in a payload: where (`loc`: keys and indices from the body's root) and what to change."""

    loc: tuple[str | int, ...]
    msg: str


class Refusal(Exception):
    """Root of the tree. `detail` says what to change; it never repeats input."""

    def __init__(self, detail: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds


class NotJSON(Refusal):
    """The body can't be read as JSON (RFC 8259)."""


class UnsupportedMedia(Refusal):
    """The body is of a type the service doesn't speak."""


class UnsupportedEncoding(Refusal):
    """The body is compressed."""


class BodyTooLarge(Refusal):
    """The body is over its limit."""


class Invalid(Refusal):
    """Well-formed JSON of the wrong shape or value; `places` lists the faults."""

    def __init__(self, places: Sequence[Place]) -> None:
        super().__init__("The request doesn't have the form this route takes; see errors.")
        self.places = list(places)


class NotFound(Refusal):
    """What the path or the payload names isn't there."""


class UnknownModel(NotFound):
    """No such model, or version of it, is served."""


class UnknownFile(NotFound):
    """The version has no such file to show."""


class QueueFull(Refusal):
    """Too many requests wait for this model."""


class NotReady(Refusal):
    """No model can answer yet, or the service is going down."""


class DeadlineExceeded(Refusal):
    """The answer would come too late."""
