"""SIGTERM under load: what was accepted is answered, and what comes on a kept-alive connection is never reset."""

import contextlib
import itertools
import os
import random
import re
import signal
import socket
import time

from tests.prove.checked_requests import CheckedRequest, random_requests
from tests.prove.client import Answer
from tests.prove.load import Load
from tests.prove.promise import Measure, Outcome, none_of
from tests.prove.run import Run
from tests.prove.served import Service, copy_store
from tests.support.raw_http import Received, connect, read_answers

SABOTAGE = "the service is killed 20 ms after the signal"
HURRIED, UNHURRIED, CROWD = 24, 12, 100
"""Callers that ask again at once; those that rest half a second, whose connections are idle at the signal; who comes
right before it, so that most still wait at the port."""


def prove(run: Run) -> Outcome:
    """Fifty starts and stops, with one worker and with two."""
    count = run.count(50, 2)
    drawn = random.Random(run.seed)
    store = copy_store(run.folder, "spam-cnn")
    asked = random_requests(["spam"], 100, run.seed, largest=16)
    answered = under_way = lost = lost_of_crowd = not_zero = slow = failed = left_open = 0
    how: list[str] = []
    for number in range(count):
        with contextlib.ExitStack() as stack:
            service = stack.enter_context(Service(run.folder, store, workers=1 + number % 2))
            hurried = stack.enter_context(Load(service.port, asked, HURRIED, fault=_says_no_more))
            unhurried = stack.enter_context(
                Load(service.port, asked, UNHURRIED, pause_seconds=0.5, fault=_says_no_more)
            )
            hurried.wait_for(200)
            time.sleep(drawn.uniform(0, 0.6))
            crowd = [stack.enter_context(connect(service.port)) for _ in range(CROWD)]
            for client, request in zip(crowd, itertools.cycle(asked), strict=False):
                client.sendall(request.wire)
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
                left_open += len(load.faults)
            told = [_heard(client) for client in crowd]
            whole = [one for one in told if one is not None]
            lost_of_crowd += len(told) - len(whole)
            failed += sum(one.statuses[0] not in {200, 429, 503} for one in whole)
            left_open += sum(one.statuses[0] == 503 and not one.says_close for one in whole)
            under_way += hurried.num_answered + unhurried.num_answered - before
    return Outcome(
        [
            Measure("SIGTERMs under load", count, at_least=count),
            Measure("requests answered", answered, at_least=200 * count),
            Measure("of them after the signal", under_way, at_least=count),
            none_of("requests lost", lost),
            none_of(f"lost of {CROWD} clients that come right before each signal", lost_of_crowd),
            none_of("503s without Connection: close", left_open),
            none_of("requests answered with anything but 200, 429 and 503", failed),
            none_of("exits with another status than 0", not_zero),
            none_of("exits later than the time to drain", slow),
        ],
        how[:5],
    )


def _says_no_more(_request: CheckedRequest, answer: Answer) -> str | None:
    return "503 without Connection: close" if answer.status == 503 and not answer.closes else None


def _heard(client: socket.socket) -> Received | None:
    """What somebody who came by himself was told; None if that isn't whole."""
    try:
        received = read_answers(client, 1, seconds=1)
    except OSError:
        return None
    head, _, body = received.content.partition(b"\r\n\r\n")
    declared = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    # Behind it may come the 503 of a connection on which nothing more was asked.
    return received if received.statuses and declared and len(body) >= int(declared[1]) else None
