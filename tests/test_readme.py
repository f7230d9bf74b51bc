"""The README says what is true."""

import json
import re
import shlex
from pathlib import Path

from starlette.testclient import TestClient

from service.app import create_app
from service.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def settings_table() -> str:
    """The README's table of settings, from the code."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = json.dumps(default) if isinstance(default, list) else str(default)
        rows.append(f"| `SEQSERVE_{name.upper()}` | `{shown}` | {field.description} |")
    return "\n".join(rows)


def test_settings_are_all_documented() -> None:
    assert settings_table() in README, "put this into the README:\n" + settings_table()


def test_requests_of_the_readme_are_answered_by_the_shipped_models() -> None:
    commands = re.findall(r"```sh\n(curl .*?)\n```", README, re.DOTALL)
    assert len(commands) == 2
    with TestClient(create_app(Settings(store=ROOT / "models_store"))) as client:
        for command in commands:
            words = shlex.split(command.replace("\\\n", " "))
            url = next(word for word in words if word.startswith("http"))
            response = client.post(url.removeprefix("http://127.0.0.1:8000"), json=json.loads(words[-1]))
            assert response.status_code == 200, response.text
            if "results" in response.json():
                assert [result["label"] for result in response.json()["results"]] == ["spam", "ham"]
