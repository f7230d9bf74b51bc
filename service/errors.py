"""The tree of refusals: everything the service declines to do, and why.

    Refusal
    ├── Unauthenticated       no key, or none that counts
    ├── Forbidden             the key lacks a scope, or no scope is declared for the path
    ├── OriginRefused         a page of another origin wants to ask
    ├── NotJSON               the body can't be read as JSON
    ├── Unsupported
    │   ├── UnsupportedMedia      the media type of the body isn't read here
    │   └── UnsupportedEncoding   the content encoding of the body isn't read here
    ├── BodyTooLarge          the body is over its limit
    ├── Invalid               well-formed JSON of the wrong shape or value; lists each fault
    ├── NotFound              no such route, model, version or file
    ├── QueueFull             too many requests wait for this model
    ├── RateLimited           the key asks for too much a second
    ├── QuotaExceeded         the key asks for too much a day
    ├── NotReady              no model can answer yet, or the service is going down
    └── DeadlineExceeded      the answer would come too late

The client can mend a refusal, or try again; any other exception is a defect of ours. `http.problem` knows
their statuses.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FieldError:
    """One fault: the field path (`loc`: keys and indices from the root) and what to change."""

    loc: tuple[str | int, ...]
    msg: str


class Refusal(Exception):
    """Root of the tree. `detail` says what to change; it never repeats input."""

    def __init__(self, detail: str, *, retry_after_seconds: int | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds


class Unauthenticated(Refusal):
    """No key, or none that counts; `was_sent` tells them apart."""

    def __init__(self, detail: str, *, was_sent: bool) -> None:
        super().__init__(detail)
        self.was_sent = was_sent


class Forbidden(Refusal):
    """The key lacks a scope; None: no key may send this, since no scope is declared for the path."""

    def __init__(self, scope: str | None) -> None:
        undeclared = "No key may ask for this path: it is no route, or no scope is declared for it."
        lacking = f"The key lacks the scope {scope}; ask the operators for one that has it."
        super().__init__(undeclared if scope is None else lacking)
        self.scope = scope


class OriginRefused(Refusal):
    """A page of another origin wants to ask."""


class NotJSON(Refusal):
    """The body can't be read as JSON (RFC 8259)."""


class Unsupported(Refusal):
    """The body is of a kind that isn't read; `accepted` lists those that are."""

    def __init__(self, detail: str, *, accepted: Sequence[str]) -> None:
        super().__init__(detail)
        self.accepted = accepted


class UnsupportedMedia(Unsupported):
    """The media type of the body isn't read here."""


class UnsupportedEncoding(Unsupported):
    """The content encoding of the body isn't read here."""


class BodyTooLarge(Refusal):
    """The body is over its limit."""


class Invalid(Refusal):
    """Well-formed JSON of the wrong shape or value; `errors` lists the faults."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("The request doesn't have the form this route takes; see errors.")
        self.errors = list(errors)


class NotFound(Refusal):
    """What the path or the payload names isn't there."""


class QueueFull(Refusal):
    """Too many requests wait for this model."""


class RateLimited(Refusal):
    """The key asks for too much a second."""


class QuotaExceeded(Refusal):
    """The key asks for too much a day."""


class NotReady(Refusal):
    """No model can answer yet, or the service is going down."""


class DeadlineExceeded(Refusal):
    """The answer would come too late."""
