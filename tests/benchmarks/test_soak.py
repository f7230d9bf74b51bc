import os
from pathlib import Path

import psutil

from benchmarks.soak import MIX, Look, Segment, mixed, read, show, write


def segment(*looks: tuple[int, float], pid: int = 1, created: float = 0) -> Segment:
    return Segment(pid, created, 1234, 1, [Look(requests, [rss, 50.0], [rss - 40]) for requests, rss in looks])


def test_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    record = tmp_path / "soak.json"
    assert read(record) == []
    segments = [segment((60_000, 200.0), (120_000, 210.0)), segment((5, 190.0))]
    write(record, segments)
    assert read(record) == segments
    assert [path.name for path in tmp_path.iterdir()] == ["soak.json"]


def test_memory_is_compared_with_that_after_a_hundred_thousand_requests() -> None:
    one = segment((60_000, 150.0), (120_000, 210.0), (180_000, 230.0), (240_000, 212.5))
    assert one.warm == one.looks[1]
    assert "| 1 | 240,000 | 210 50 | 212 50 | +2.5 | 230 |" in show([one])


def test_memory_of_two_processes_is_never_joined() -> None:
    shown = show([segment((500_000, 200.0)), segment((60_000, 150.0))])
    assert "| 1 | 500,000 | 200 50 | 200 50 | +0.0 | 200 |" in shown
    assert "| 2 | 60,000 | too few to tell |" in shown
    assert "560,000 requests" in shown


def test_only_the_same_process_is_gone_on_with() -> None:
    here = psutil.Process()
    assert segment(pid=os.getpid(), created=here.create_time()).process() == here
    assert segment(pid=os.getpid(), created=here.create_time() - 100).process() is None
    assert segment(pid=2**22 + 1).process() is None


def test_mix_has_the_shares_it_says() -> None:
    requests = mixed()
    texts = [request for request in requests if request.path == "/classify"]
    assert len(requests) == 1000
    assert len(texts) == 910
    assert sum(b'"inputs": [' in request.body for request in texts) == 10
    assert sum(MIX.values()) == 100
