"""What is noted of one request while it is answered: who answers, how many rows, how long each phase takes.

`observer` opens a record for each request and closes it; whoever works on the request finds it with `current()`. A
phase ends with a lap: `current().lap("encode")` gives the time since the last lap to that phase, so phases neither
overlap nor leave gaps. Texts and values never get here.
"""

import datetime as dt
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import NamedTuple


class Phase(NamedTuple):
    """One stretch of a request's time, from the request's start."""

    name: str
    begin_seconds: float
    end_seconds: float


class RequestRecord:
    """One request. `model` and `version` are those of the bundle that answers, never what the caller wrote."""

    __slots__ = (
        "_laps", "_started", "charge", "client", "id", "key_name", "model", "num_rows", "refusal", "started_ns",
        "version", "waited",
    )  # fmt: skip

    def __init__(self, id: str = "", arrived: float | None = None) -> None:  # noqa: A002 - what it is called everywhere
        self.id = id
        self.model = ""
        self.version: int | None = None
        self.num_rows: int | None = None
        self.client: str | None = None  # its address
        self.key_name: str | None = None
        self.charge: Callable[[int], None] | None = None  # charges rows to the key; None where keys aren't asked for
        self.refusal: str | None = None  # the kind of problem, where the status doesn't tell
        now = time.perf_counter()
        self._started = now if arrived is None else arrived
        self.waited = now - self._started  # seconds, before anybody worked on it
        self.started_ns = time.time_ns() - int(self.waited * 1e9)
        self._laps: list[tuple[str, float]] = []

    def answered_by(self, model: str, version: int, num_rows: int | None = None) -> None:
        """Note which bundle answers, and how many texts, series or outcomes it was sent, where that is known."""
        self.model, self.version, self.num_rows = model, version, num_rows

    def charge_rows(self, num_rows: int) -> None:
        """Rows are about to be computed. Raises `RateLimited` and `QuotaExceeded`."""
        if self.charge is not None:
            self.charge(num_rows)

    def lap(self, name: str) -> None:
        """End a phase now."""
        self._laps.append((name, time.perf_counter()))

    def answered(self, encoding_seconds: float, inference_seconds: float) -> None:
        """Rows are back: end `inference` now, before it `queue`, before that `encode` if the batcher did it."""
        end = time.perf_counter()
        begin = self._laps[-1][1] if self._laps else self._started
        if encoding_seconds:
            begin += encoding_seconds
            self._laps.append(("encode", begin))
        self._laps.append(("queue", max(begin, end - inference_seconds)))
        self._laps.append(("inference", end))

    @property
    def total_seconds(self) -> float:
        """From the request's start to the end of its last phase."""
        return self._laps[-1][1] - self._started if self._laps else 0.0

    @property
    def ended(self) -> dt.datetime:
        """When its last phase ended."""
        return dt.datetime.fromtimestamp(self.started_ns / 1e9 + self.total_seconds, dt.UTC)

    @property
    def phases(self) -> list[Phase]:
        """What the laps ended, in order."""
        ends = [(name, end - self._started) for name, end in self._laps]
        begins = [0.0, *(end for _, end in ends)]
        return [Phase(name, begin, end) for (name, end), begin in zip(ends, begins, strict=False)]

    def milliseconds(self) -> dict[str, float]:
        """Time by phase, laps of the same name together, and the total."""
        totals: dict[str, float] = {}
        begin = self._started
        for name, end in self._laps:
            totals[name] = round(totals.get(name, 0.0) + 1000 * (end - begin), 3)
            begin = end
        totals["total"] = round(1000 * (begin - self._started), 3)
        return totals


_current: ContextVar[RequestRecord] = ContextVar("request_record")


def begin(request_id: str, arrived: float | None = None) -> RequestRecord:
    """Open the record of the request that this context works on; `arrived`, by `time.perf_counter`: if it waited."""
    record = RequestRecord(request_id, arrived)
    _current.set(record)
    return record


def current() -> RequestRecord:
    """The record of the request at hand; outside of any, one that nobody reads."""
    return _current.get(None) or RequestRecord()
