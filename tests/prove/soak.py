"""Random shapes and sizes for a while, every answer compared, and memory flat afterwards."""

import statistics
import time

from tests.prove.checked_requests import AnswerChecker, random_requests
from tests.prove.load import Load
from tests.prove.promise import Measure, Outcome, none_of
from tests.prove.run import Run
from tests.prove.served import SHIPPED, Service, copy_store

SABOTAGE = "each process of the service leaks 20 MB a second"
MODELS = ("spam", "sentiment", "forecast", "ridership-cnn")
BUNDLES = ("spam-cnn", "sentiment-rnn", "forecast-cnn", "ridership-cnn", "ridership-wavenet")
WARM_SHARE = 1 / 4
"""Of the time, in which memory may grow: each model's first large batches, and what the allocator keeps."""
GROWTH = 1.10


def prove(run: Run) -> Outcome:
    """One minute, or `--soak-seconds`."""
    seconds = min(run.soak_seconds, 5) if run.quick else run.soak_seconds
    checker = AnswerChecker()
    for name in BUNDLES:
        for version in sorted((SHIPPED / name).iterdir()):
            checker.published(name, int(version.name), version)
    asked = random_requests(MODELS, run.count(400, 40), run.seed, largest=32)
    looks: list[tuple[float, float]] = []
    store = copy_store(run.folder, *BUNDLES)
    with (
        Service(run.folder, store, "leak" if run.sabotaged else None, workers=2) as service,
        Load(service.port, asked, clients=8, fault=checker.fault) as load,
    ):
        load.wait_for(2 * len(asked), patience_seconds=120)  # each request has met every model once or more
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds:
            time.sleep(0.5)
            looks.append((passed / seconds, service.rss_mb()))
    warm = statistics.median(rss for share, rss in looks if WARM_SHARE / 2 <= share <= WARM_SHARE)
    last = statistics.median(rss for share, rss in looks if share >= 2 / 3)
    return Outcome(
        [
            Measure("requests", load.num_answered, at_least=len(asked)),
            Measure("memory of the last third beside that when warm", last / warm, at_most=GROWTH),
            none_of("answers that differ from onnxruntime alone", len(load.faults)),
            none_of("requests without an answer", len(load.failures)),
        ]
    )
