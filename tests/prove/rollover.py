"""Two services behind nginx, replaced one after the other under load: no client notices."""

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.serving.server import free_port
from tests.prove.checked_requests import AnswerChecker, random_requests
from tests.prove.load import Load
from tests.prove.promise import Measure, Outcome, none_of
from tests.prove.run import Run
from tests.prove.served import ROOT, SHIPPED, Service, copy_store

SABOTAGE = "both services are stopped at the same time"
HURRIED, UNHURRIED = 16, 8
"""Callers that ask again at once, and those that rest half a second."""
MARKED_SECONDS = 2.5
"""Longer than nginx leaves a service alone that refused a connection: `fail_timeout` as documented."""
CONFIGURATION = """
daemon off;
pid nginx.pid;
error_log error.log;
{user}
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path other;
    scgi_temp_path other;
    uwsgi_temp_path other;
    {documented}
}}
"""


def prove(run: Run) -> Outcome:
    """Each of both is stopped, started anew and left to warm up, several times."""
    if shutil.which("nginx") is None:
        return Outcome(
            [Measure("rollovers of both services under load", 0, at_least=1)],
            ["nginx is not installed (apt-get install nginx-light)"],
        )
    count = run.count(6, 1)
    checker = AnswerChecker()
    checker.published("spam-cnn", 4, SHIPPED / "spam-cnn" / "4")
    store = copy_store(run.folder, "spam-cnn")
    asked = random_requests(["spam"], 100, run.seed)
    not_zero = 0
    with contextlib.ExitStack() as stack:
        both = [stack.enter_context(Service(run.folder, store, drain_delay_seconds=1)) for _ in range(2)]
        port = stack.enter_context(_nginx(run.folder, [service.port for service in both]))
        loads = [
            stack.enter_context(Load(port, asked, HURRIED, fault=checker.fault)),
            stack.enter_context(Load(port, asked, UNHURRIED, pause_seconds=0.5, fault=checker.fault)),
        ]
        loads[0].wait_for(200)
        for _ in range(count):
            for service in both:
                service.process.terminate()
                if run.sabotaged:
                    for other in both:
                        other.process.terminate()
                not_zero += service.process.wait(60) != 0
                service.start()
                time.sleep(MARKED_SECONDS)
        for load in loads:
            load.stop()
    wrong = [fault for load in loads for fault in load.faults]
    answered = sum(load.num_answered for load in loads)
    return Outcome(
        [
            Measure("rollovers of both services under load", count, at_least=count),
            Measure("requests answered through the proxy", answered, at_least=1000 * count),
            none_of("requests lost", sum(len(load.failures) for load in loads)),
            none_of("answered with anything but 200", answered - sum(load.statuses[200] for load in loads)),
            none_of("wrong answers", len(wrong)),
            none_of("exits with another status than 0", not_zero),
        ],
        wrong[:3],
    )


@contextlib.contextmanager
def _nginx(folder: Path, ports: list[int]) -> Iterator[int]:
    """nginx in front of them, as docs/operations.md configures it; gives its port."""
    port, own = free_port(), folder / "nginx"
    own.mkdir()
    found = re.search(r"```nginx\n(.*?)```", (ROOT / "docs" / "operations.md").read_text(), re.DOTALL)
    assert found is not None
    documented = found[1].replace("listen 80;", f"listen 127.0.0.1:{port};")
    for name, service_port in zip(("seqserve-a:8000", "seqserve-b:8000"), ports, strict=True):
        assert name in documented
        documented = documented.replace(name, f"127.0.0.1:{service_port}")
    user = "user root;" if os.geteuid() == 0 else ""  # its processes must get at the folder, which is the caller's own
    (own / "nginx.conf").write_text(CONFIGURATION.format(user=user, documented=documented))
    started = subprocess.Popen(["nginx", "-p", str(own), "-c", "nginx.conf", "-e", "error.log"])
    try:
        yield port
    finally:
        started.terminate()
        started.wait(20)
