"""SIGTERM under load: what was accepted is answered, and what comes on a kept-alive connection is never reset."""

import contextlib
import os
import random
import signal
import time

from tests.prove.load import Load
from tests.prove.promise import Measure, Outcome, none_of
from tests.prove.questions import questions
from tests.prove.run import Run
from tests.prove.served import Service, copy_store

SABOTAGE = "the service is killed 20 ms after the signal"
HURRIED, UNHURRIED = 24, 12
"""Callers that ask again at once, and those that rest half a second, whose connections are idle at the signal."""


def prove(run: Run) -> Outcome:
    """Fifty starts and stops, with one worker and with two."""
    count = run.count(50, 2)
    drawn = random.Random(run.seed)
    store = copy_store(run.folder, "spam-cnn")
    asked = questions(["spam"], 100, run.seed, largest=16)
    answered = under_way = lost = not_zero = slow = failed = 0
    how: list[str] = []
    for number in range(count):
        with contextlib.ExitStack() as stack:
            service = stack.enter_context(Service(run.folder, store, workers=1 + number % 2))
            hurried = stack.enter_context(Load(service.port, asked, HURRIED))
            unhurried = stack.enter_context(Load(service.port, asked, UNHURRIED, pause_seconds=0.5))
            hurried.wait_for(200)
            time.sleep(drawn.uniform(0, 0.6))
            before = hurried.num_answered + unhurried.num_answered
            began = time.monotonic()
            service.process.terminate()
            if run.sabotaged:
                time.sleep(0.02)
                os.killpg(service.process.pid, signal.SIGKILL)
            status = service.process.wait(60)
            slow += time.monotonic() - began > 35
            not_zero += status != 0
            time.sleep(0.05)
            for load in (hurried, unhurried):
                load.stop()
                answered += load.num_answered
                lost += len(load.failures)
                how += [
                    f"stop {number}: {one.how}, {one.failed - began:+.3f} s from the signal" for one in load.failures
                ]
                failed += sum(seen for status, seen in load.statuses.items() if status not in {200, 429, 503})
            under_way += hurried.num_answered + unhurried.num_answered - before
    return Outcome(
        [
            Measure("SIGTERMs under load", count, at_least=count),
            Measure("requests answered", answered, at_least=200 * count),
            Measure("of them after the signal", under_way, at_least=count),
            none_of("requests lost", lost),
            none_of("requests answered with anything but 200, 429 and 503", failed),
            none_of("exits with another status than 0", not_zero),
            none_of("exits later than the time to drain", slow),
        ],
        how[:5],
    )
