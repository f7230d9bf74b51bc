"""A watcher of the batcher that writes down what it is told."""

from dataclasses import dataclass, field


@dataclass
class RecordingObserver:
    """Every call, in order."""

    batches: list[tuple[int, float]] = field(default_factory=list)
    answers: list[tuple[float, float, float]] = field(default_factory=list)

    def computed(self, num_rows: int, padding_ratio: float, seconds: float) -> None:
        assert seconds >= 0
        self.batches.append((num_rows, padding_ratio))

    def answered(self, encoding_seconds: float, queue_seconds: float, inference_seconds: float) -> None:
        self.answers.append((encoding_seconds, queue_seconds, inference_seconds))
