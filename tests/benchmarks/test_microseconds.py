"""Samples of a stack become shares of a request."""

from benchmarks.microseconds import REST, classify

LOOP = "run (asyncio/runners.py:118);Observer.__call__ (service/observer.py:52);classify (service/classify.py:57)"


def test_the_innermost_known_function_counts() -> None:
    stacks = f"""{LOOP} 3
{LOOP};Batcher.submit (service/batcher.py:209);create_task (asyncio/tasks.py:381) 2
{LOOP};encode (service/classify.py:90);TextEncoder.encode (bundle/text.py:69) 4
main (service/__main__.py:110);run (asyncio/runners.py:118) 1
Thread.run (threading.py:982);_worker (concurrent/futures/thread.py:81) 50"""
    assert classify(stacks) == {
        "labels, scores, answer": 3,
        "batches: queue, padding, handing back": 2,
        "tokeniser": 4,
        REST: 1,
    }
