"""deploy/monitoring: the rules hold, and a real Prometheus beside a real service finds data for all that is asked."""

import http.client
import itertools
import json
import math
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.made_up_data import messages
from tests.support.next_version import publish_next_version
from tests.support.retry import retry_until
from tests.support.service_process import free_port, serving

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "deploy" / "monitoring"
BOARD = json.loads((MONITORING / "grafana" / "dashboards" / "seqserve.json").read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
WINDOW = "10s"
"""What stands for the board's rate interval, where a scrape is a second apart."""


def program(name: str) -> str:
    """The path of a program of Debian's package prometheus."""
    found = shutil.which(name)
    if found is None:
        reason = f"{name} is not installed; Debian has it in the package prometheus"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


def promtool(*arguments: str) -> None:
    done = subprocess.run([program("promtool"), *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_configuration_and_the_rules() -> None:
    promtool("check", "config", str(MONITORING / "prometheus.yml"))


def test_alerts_fire_when_they_should_and_only_then() -> None:
    promtool("test", "rules", "tests/deploy/alerts_test.yml")


def test_panels_are_described_and_do_not_overlap() -> None:
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        cells = set(
            itertools.product(range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"]))
        )
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
    for panel in PANELS:
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]


@dataclass
class Service:
    """A service on its own port, and the store it follows."""

    port: int
    store: Path

    def send(self, method: str, path: str, body: Any = None, media_type: str = "application/json") -> int:
        """The status of one request; a body that is no string is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            sent = body if body is None or isinstance(body, str) else json.dumps(body)
            connection.request(method, path, sent, {"Content-Type": media_type})
            response = connection.getresponse()
            response.read()
            return response.status
        except OSError:
            return 0
        finally:
            connection.close()


@dataclass
class Prometheus:
    """A Prometheus that has watched a service under load."""

    port: int
    began: float

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=10):
                return True
        except OSError:  # not listening yet, or 503
            return False

    def ask(self, path: str, **parameters: str) -> Any:
        query = urllib.parse.urlencode(parameters, doseq=True)
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{query}"
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from error

    def values(self, expression: str) -> list[float]:
        """All finite values an expression has had since the beginning, second by second."""
        found = self.ask("query_range", query=expression, start=str(self.began), end=str(time.time()), step="1")
        values = [float(value) for series in found["result"] for _, value in series["values"]]
        return [value for value in values if math.isfinite(value)]

    def rules(self, kind: str) -> list[dict[str, Any]]:
        groups = self.ask("rules", type=kind)["groups"]
        return [rule for group in groups for rule in group["rules"]]


def load(service: Service) -> None:
    """Every route, every kind of refusal a caller can cause, a full queue, a swap; some seconds of it."""
    texts = messages(600, 3)[0]
    forecast = {"model": "ridership", "values": [700_000.0] * 60, "horizon": 7}
    inside = {"level": 80, "lower": 1.0, "upper": 3.0, "actual": 2.0}
    outside = {**inside, "level": 95, "actual": 4.0}
    ok = [
        ("POST", "/classify", {"model": "spam", "inputs": [*texts[:200], "word " * 2000]}),
        ("POST", "/forecast", forecast),
        ("POST", "/outcomes", {"model": "ridership-wavenet", "version": 1, "outcomes": [inside] * 60 + [outside] * 60}),
        ("GET", "/models", None),
        ("GET", "/models/spam-cnn", None),
        ("GET", "/livez", None),
        ("GET", "/readyz", None),
        ("GET", "/openapi.json", None),
    ]
    refused: list[tuple[int, str, str, Any, str]] = [
        (400, "POST", "/classify", "{", "application/json"),
        (404, "POST", "/forecast", {**forecast, "model": "nothing"}, "application/json"),
        (405, "GET", "/classify", None, "application/json"),
        (413, "POST", "/classify", "x" * 2_000_000, "application/json"),
        (415, "POST", "/classify", "x", "text/plain"),
        (422, "POST", "/outcomes", {}, "application/json"),
    ]
    for step in range(4):
        for method, path, body in ok:
            assert service.send(method, path, body) == 200, path
        for status, method, path, body, media_type in refused:
            assert service.send(method, path, body, media_type) in {status, 0}, path  # 0: hung up while it was sent
        if step == 1:
            publish_next_version(service.store)
        time.sleep(1)
    many = {"model": "spam", "inputs": texts}
    with ThreadPoolExecutor(8) as callers:
        for _ in range(20):
            if 429 in callers.map(lambda _: service.send("POST", "/classify", many), range(8)):
                return
    raise AssertionError("the queue was never full")


@pytest.fixture(scope="module")
def prometheus(tiny_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Prometheus with the shipped rules and configuration, quickened, beside two workers that have been under load."""
    binary = program("prometheus")
    folder = tmp_path_factory.mktemp("monitoring")
    store = Path(shutil.copytree(tiny_store, folder / "store"))
    damaged = Path(shutil.copytree(store / "ridership-wavenet" / "1", store / "ridership-wavenet" / "2"))
    (damaged / "model.onnx").write_bytes(b"no model")
    service, watching = Service(free_port(), store), Prometheus(free_port(), time.time())
    (folder / "prometheus.yml").write_text(
        (MONITORING / "prometheus.yml")
        .read_text()
        .replace("seqserve:8000", f"127.0.0.1:{service.port}")
        .replace("15s", "1s")
        .replace("10s", "1s")
    )
    for name in ("recordings.yml", "alerts.yml"):
        (folder / name).write_text((MONITORING / name).read_text().replace("interval: 1m", "interval: 1s"))
    settings = {
        "SEQSERVE_WORKERS": "2",
        "SEQSERVE_STORE_POLL_SECONDS": "0.2",
        "SEQSERVE_MAX_BODY_BYTES": "1000000",
        "SEQSERVE_MAX_WAITING_REQUESTS": "1",
    }
    command = [
        binary,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{watching.port}",
    ]
    with (
        serving(store, service.port, **settings) as server,
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as scraping,
    ):
        try:
            retry_until(watching.ready)
            retry_until(lambda: watching.values("seqserve_ready == 1"))
            load(service)
            ended = time.time()
            retry_until(lambda: scraped_after(watching, ended))
            yield watching
        finally:
            scraping.terminate()
            server.terminate()  # and its workers with it
            server.wait(20)


def scraped_after(prometheus: Prometheus, moment: float) -> bool:
    """Whether a scrape, and an evaluation of the rules after it, began later."""
    found = prometheus.ask("query", query="timestamp(model_level:seqserve_interval_coverage:ratio7d)")["result"]
    return any(float(series["value"][1]) > moment + 2 for series in found)


def test_every_recording_holds_data(prometheus: Prometheus) -> None:
    recordings = prometheus.rules("record")
    assert len(recordings) > 10
    for rule in recordings:
        assert rule["health"] == "ok", rule
        assert prometheus.values(rule["name"]), rule["name"]


def test_every_alert_finds_what_it_judges(prometheus: Prometheus) -> None:
    """Comparisons are made to answer 0 or 1 instead of leaving series out, and six hours ago to mean seconds ago."""
    alerts = prometheus.rules("alert")
    assert len(alerts) > 10
    for rule in alerts:
        assert rule["health"] == "ok", rule
        judged = re.sub(r" (>=|<=|==|!=|>|<) ", r" \1 bool ", rule["query"]).replace("offset 6h", "offset 3s")
        assert prometheus.values(judged), judged


def test_every_alert_says_what_it_means_and_what_to_do(prometheus: Prometheus) -> None:
    for rule in prometheus.rules("alert"):
        assert rule["labels"]["severity"] in {"critical", "warning"}, rule["name"]
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}, rule["name"]
        assert rule["annotations"]["runbook_url"] == "docs/operations.md#alerts"
    raised = {alert["labels"]["alertname"]: alert["annotations"] for alert in prometheus.ask("alerts")["alerts"]}
    assert raised["SeqserveVersionRefused"]["summary"] == "Version 2 of ridership-wavenet was rejected."


def test_every_variable_of_the_board_finds_values(prometheus: Prometheus) -> None:
    for name, values in variables(prometheus).items():
        assert values, name


@pytest.mark.parametrize("panel", PANELS, ids=[panel["title"] for panel in PANELS])
def test_every_query_of_the_board_finds_data(prometheus: Prometheus, panel: dict[str, Any]) -> None:
    known = variables(prometheus)
    for target in panel["targets"]:
        for value in known.get(panel.get("repeat", ""), ["…"]):
            expression = filled(target["expr"], {**dict.fromkeys(known, ".*"), panel.get("repeat", ""): value})
            assert prometheus.values(expression), expression


def test_every_annotation_of_the_board_finds_data(prometheus: Prometheus) -> None:
    asked = [annotation["expr"] for annotation in BOARD["annotations"]["list"] if "expr" in annotation]
    assert len(asked) == 1
    for expression in asked:
        assert prometheus.values(filled(expression, {})), expression


def variables(prometheus: Prometheus) -> dict[str, list[str]]:
    """Values of the board's variables, as Grafana finds them."""
    found: dict[str, list[str]] = {}
    for variable in BOARD["templating"]["list"]:
        if variable["type"] != "query":
            continue
        asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
        assert asked is not None, variable["name"]
        series, label = filled(asked[1], dict.fromkeys(found, ".*")), asked[2]
        found[variable["name"]] = prometheus.ask(f"label/{label}/values", **{"match[]": series})
    return found


def filled(expression: str, values: dict[str, str]) -> str:
    """An expression with variables put in as Grafana does."""
    expression = expression.replace("$__rate_interval", WINDOW)
    for name, value in values.items():
        if name:
            expression = expression.replace(f"${name}", value)
    assert "$" not in expression, expression
    return expression
