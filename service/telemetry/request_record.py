"""What is recorded of one request: who sent it, which bundle answers, how long each phase takes.

`http.observer` makes a record for each request and passes it on in the ASGI scope; `predict` gets it as `identity`. A
phase ends with a lap: `record.lap("encode")` assigns the time since the last lap to that phase, so phases neither
overlap nor leave gaps. Texts and values are never recorded.
"""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from dataclasses import InitVar, dataclass, field
from typing import Any

SCOPE_KEY = "seqserve.record"
"""Where the ASGI scope of a request holds its record."""


@dataclass(slots=True, eq=False)
class RequestRecord:
    """One request. `model` and `version` are those of the bundle that answers, never what the client wrote."""

    id: str = ""
    arrived: InitVar[float | None] = None  # by `time.perf_counter`; None: now
    model: str = ""
    version: int | None = None
    num_rows: int | None = None
    client: str | None = None  # IP address
    key_name: str | None = None
    charge: Callable[[int], None] | None = None  # counts rows against the key's limits; None: no keys are required
    problem: str | None = None  # kind of problem answered, where the status doesn't say
    waited: float = field(init=False)  # seconds between arrival and the start of work
    started_ns: int = field(init=False)  # arrival, since the epoch
    _started: float = field(init=False)
    _laps: list[tuple[str, float]] = field(default_factory=list, init=False)
    _deferred: list[tuple[Callable[..., None], tuple[Any, ...]]] = field(default_factory=list, init=False)

    def __post_init__(self, arrived: float | None) -> None:
        now = time.perf_counter()
        self._started = now if arrived is None else arrived
        self.waited = now - self._started
        self.started_ns = time.time_ns() - int(self.waited * 1e9)

    def answered_by(self, model: str, version: int, num_rows: int) -> None:
        """Record which bundle answers, and how many texts, series or actuals it was sent."""
        self.model, self.version, self.num_rows = model, version, num_rows

    def charge_rows(self, num_rows: int) -> None:
        """Charge rows that are about to be computed to the key, where keys are required. Raises `Refusal`."""
        if self.charge is not None:
            self.charge(num_rows)

    def defer(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function once the response is sent: metrics don't delay it."""
        self._deferred.append((function, arguments))

    def run_deferred(self) -> None:
        """Call what was deferred."""
        for function, arguments in self._deferred:
            function(*arguments)
        self._deferred.clear()

    def lap(self, name: str) -> None:
        """End a phase now."""
        self._laps.append((name, time.perf_counter()))

    def computed(self, encoding_seconds: float, inference_seconds: float) -> None:
        """Rows are answered: end `inference` now, before it `queue`, before that `encode` if the batcher did it."""
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

    def phases(self) -> Iterator[tuple[str, float, float]]:
        """Name, begin and end of each phase, in seconds from the request's start."""
        begin = 0.0
        for name, lap in self._laps:
            end = lap - self._started
            yield name, begin, end
            begin = end

    def milliseconds(self) -> dict[str, float]:
        """Time by phase, laps of the same name added up, and the total."""
        totals: dict[str, float] = {}
        for name, begin, end in self.phases():
            totals[name] = round(totals.get(name, 0.0) + 1000 * (end - begin), 3)
        return totals | {"total": round(1000 * self.total_seconds, 3)}
