"""What is noted of one request while it is answered: who answers, how many rows, how long each phase takes.

`observer` opens a record for each request and closes it; whoever works on the request finds it with `current()`. A
phase ends with a lap: `current().lap("encode")` gives the time since the last lap to that phase, so phases neither
overlap nor leave gaps. Texts and values never get here.
"""

import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple


class Phase(NamedTuple):
    """One stretch of a request's time, from the request's start."""

    name: str
    begin_seconds: float
    end_seconds: float


@dataclass
class RequestRecord:
    """One request. `model` and `version` are those of the bundle that answers, never what the caller wrote."""

    id: str = ""
    model: str = ""
    version: int | None = None
    num_rows: int | None = None
    phases: list[Phase] = field(default_factory=list)
    started_ns: int = field(default_factory=time.time_ns)
    _started: float = field(default_factory=time.perf_counter)

    def answered_by(self, model: str, version: int, num_rows: int) -> None:
        """Note which bundle answers, and how many texts, series or outcomes it was sent."""
        self.model, self.version, self.num_rows = model, version, num_rows

    def lap(self, name: str) -> None:
        """End a phase now."""
        self.phases.append(Phase(name, self._last(), time.perf_counter() - self._started))

    def split_lap(self, first: str, second: str, second_seconds: float) -> None:
        """End two phases now, of which the second took `second_seconds`."""
        begin, end = self._last(), time.perf_counter() - self._started
        middle = max(begin, end - second_seconds)
        self.phases += [Phase(first, begin, middle), Phase(second, middle, end)]

    @property
    def total_seconds(self) -> float:
        """From the request's start to the end of its last phase."""
        return self._last()

    def milliseconds(self) -> dict[str, float]:
        """Time by phase, laps of the same name together."""
        totals: dict[str, float] = {}
        for name, begin, end in self.phases:
            totals[name] = totals.get(name, 0.0) + (end - begin) * 1000
        return {name: round(total, 3) for name, total in totals.items()}

    def _last(self) -> float:
        return self.phases[-1].end_seconds if self.phases else 0.0


_current: ContextVar[RequestRecord] = ContextVar("request_record")


def begin(request_id: str) -> RequestRecord:
    """Open the record of the request that this context works on."""
    record = RequestRecord(request_id)
    _current.set(record)
    return record


def current() -> RequestRecord:
    """The record of the request at hand; outside of any, one that nobody reads."""
    return _current.get(None) or RequestRecord()
