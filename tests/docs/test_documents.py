"""Whoever follows README.md and docs/ word for word gets what they show: every block is run, in a copy of the checkout.

What can't be run here carries `<!-- no-run: reason -->`, and pytest's summary lists it as skipped with its reason.
"""

import contextlib
import http.client
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.mark import ParameterSet

from service.__main__ import healthcheck
from service.settings import Settings
from tests.support.markdown_steps import Answer, Step, steps
from tests.support.retry import retry_until
from tests.support.service_process import ROOT, free_port

DOCUMENTS = [path.relative_to(ROOT).as_posix() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))]
SERVES = re.compile(r"(\w+=\S+ )*(make serve|python -m service)( *[>#].*)?")
"""The end of a block that goes on while later ones run, as in a terminal of its own."""


class Reader:
    """Follows one document in a copy of the checkout, in one shell, with a service that the document starts itself.

    Args:
        folder: to copy into.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shell = folder.parent / "shell"
        self._port = free_port()
        self._service: subprocess.Popen[bytes] | None = None
        listed = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        files = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        for name in files.split("\0"):
            if (ROOT / name).is_file():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, folder / name)
        environment = folder / ".venv"  # what `make serve` would make, so that nothing is installed
        environment.mkdir()
        for entry in Path(sys.prefix).iterdir():
            (environment / entry.name).symlink_to(entry)
        (environment / "installed").unlink(missing_ok=True)
        (environment / "installed").touch()
        self._shell.write_text("")
        (folder.parent / ".curlrc").write_text("fail-with-body\n")  # a refusal ends the step

    def follow(self, step: Step) -> None:
        """Run one step and compare its answer with the one shown."""
        content = step.content.replace("127.0.0.1:8000", f"127.0.0.1:{self._port}")
        if step.language == "sh" and SERVES.fullmatch(content.strip().splitlines()[-1]):
            self._serve(content)
            return
        given = self._ask(content, step.answer) if step.language == "http" else self._run(step.language, content)
        if step.answer is not None:
            step.answer.check(given.replace(f"127.0.0.1:{self._port}", "127.0.0.1:8000"))

    def _run(self, language: str, content: str) -> str:
        if language == "sh":
            # The next step goes on with the folder and the variables that this one leaves.
            content = f'. "{self._shell}"\n{content}\n{{ export -p; echo "cd $(printf %q "$PWD")"; }} > "{self._shell}"'
            command = ["bash", "-euo", "pipefail", "-c", content]
        else:
            assert language == "python", f"there is no way to run {language!r}"
            command = [sys.executable, "-c", content]
        done = subprocess.run(
            command, cwd=self._folder, env=self._environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout

    def _serve(self, content: str) -> None:
        self.close()
        self._service = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", f'. "{self._shell}"\n{content}'],
            cwd=self._folder,
            env=self._environment(),
            start_new_session=True,
        )
        service = self._service
        retry_until(lambda: healthcheck(Settings(port=self._port)) == 0 or service.poll() is not None)
        assert service.poll() is None, "the service stopped"

    def _ask(self, content: str, answer: Answer | None) -> str:
        """Send a request: method and path, headers, and a body that begins with `{`."""
        head, brace, body = content.partition("{")
        line, *headers = head.strip().splitlines()
        method, path = line.split()
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        kind = {"Content-Type": "application/json"} if brace else {}
        named = dict(header.split(": ", 1) for header in headers)
        connection.request(method, path, (brace + body).encode() or None, kind | named)
        response = connection.getresponse()
        given = response.read().decode()
        connection.close()
        assert response.status < 400 or answer is not None, f"a refusal that isn't shown: {given}"
        return given

    def _environment(self) -> dict[str, str]:
        ours = {"SEQSERVE_PORT": str(self._port), "CURL_HOME": str(self._folder.parent)}
        return {name: value for name, value in os.environ.items() if not name.startswith(("SEQSERVE_", "OTEL_"))} | ours

    def close(self) -> None:
        """Stop the service."""
        if self._service is not None:
            os.killpg(self._service.pid, signal.SIGTERM)
            self._service.wait(60)
            self._service = None
            while healthcheck(Settings(port=self._port)) == 0:  # the shell goes before the service does
                time.sleep(0.05)


@pytest.fixture(scope="module")
def readers() -> Iterator[dict[str, Reader]]:
    """By document; one of them at a time has a service running."""
    readers: dict[str, Reader] = {}
    yield readers
    for reader in readers.values():
        reader.close()


@pytest.fixture
def reader(step: Step, readers: dict[str, Reader], tmp_path_factory: pytest.TempPathFactory) -> Reader:
    if shutil.which("curl") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("curl is not installed; the documents use it")
    if step.document not in readers:
        for other in readers.values():
            other.close()
        readers[step.document] = Reader(tmp_path_factory.mktemp(Path(step.document).stem) / "seqserve")
    return readers[step.document]


def as_parameter(step: Step) -> ParameterSet:
    skip = [pytest.mark.skip(reason=f"{step.place} is not run: {step.no_run}")] if step.no_run else []
    return pytest.param(step, marks=skip, id=step.place)


@pytest.mark.parametrize("step", [as_parameter(step) for name in DOCUMENTS for step in steps(ROOT / name, name)])
def test_document_shows_what_happens(reader: Reader, step: Step) -> None:
    reader.follow(step)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text()
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", text):
        target = (ROOT / document).parent / path if path else ROOT / document
        assert target.exists(), path
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    ("accepted", "language", "shown", "given"),
    [
        (True, "json", '{"label": "spam", "score": 0.9434}', '{"score": 0.94340001, "label": "spam"}'),
        (True, "json", '{"model": "spam-cnn", …}', '{"model": "spam-cnn", "version": 1}'),
        (True, "json", '["Monday", …]', '["Monday", "Tuesday", "Wednesday"]'),
        (True, "json", '{"score": …, "at": {"Monday": …}}', '{"score": 0.5, "at": {"Monday": [1, 2]}}'),
        (True, "json", '{"detail": "no … here"}', '{"detail": "no model here"}'),
        (True, "text", "my-filter  … bytes", "my-filter  1234 bytes\n"),
        (False, "json", '{"score": 0.943}', '{"score": 0.91}'),
        (False, "json", '{"version": 1}', '{"version": 2}'),
        (False, "json", '{"version": 1}', '{"version": true}'),
        (False, "json", '{"label": "spam"}', '{"label": "spam", "score": 0.9}'),
        (False, "json", '["Monday"]', '["Monday", "Tuesday"]'),
        (False, "json", '["Monday", "Tuesday", …]', '["Monday"]'),
        (False, "text", "my-filter", "my-sales"),
    ],
)
def test_answer_is_accepted_as_shown_alone(accepted: bool, language: str, shown: str, given: str) -> None:
    with contextlib.nullcontext() if accepted else pytest.raises(AssertionError):
        Answer(language, shown).check(given)


def test_reason_not_to_run_stands_right_before_the_block(tmp_path: Path) -> None:
    text = "<!-- no-run: needs docker -->\n```sh\ndocker ps\n```\n```text\nNAMES\n```\n\nThen:\n\n```sh\ntrue\n```\n"
    (tmp_path / "a.md").write_text(text)
    found = steps(tmp_path / "a.md", "a.md")
    assert [(step.place, step.no_run) for step in found] == [("a.md:2", "needs docker"), ("a.md:11", None)]
    assert found[0].answer == Answer("text", "NAMES\n")
    (tmp_path / "a.md").write_text("```json\n{}\n```\n")
    with pytest.raises(ValueError, match=r"a\.md:1: shows an answer"):
        steps(tmp_path / "a.md", "a.md")
