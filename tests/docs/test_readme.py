"""The README names every setting; `test_documents` runs its commands."""

import json
from pathlib import Path

from service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def settings_table() -> str:
    """The README's table of settings, from the code."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = json.dumps(default) if isinstance(default, list | bool) else str(default)
        cell = "unset" if default is None else f"`{shown}`"
        rows.append(f"| `SEQSERVE_{name.upper()}` | {cell} | {field.description} |")
    return "\n".join(rows)


def test_settings_are_all_documented() -> None:
    assert settings_table() in README, "put this into the README:\n" + settings_table()
