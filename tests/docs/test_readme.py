"""The README names every setting; `test_documents` runs its commands."""

import ast
import inspect
import itertools
import json
from pathlib import Path

from service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def attribute_docstrings(kind: type) -> dict[str, str]:
    """By attribute. Read here only: pydantic's `use_attribute_docstrings` adds 25 ms to each start."""
    (definition,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(definition, ast.ClassDef)
    return {
        ast.unparse(attribute.target): inspect.cleandoc(ast.literal_eval(docstring.value))
        for attribute, docstring in itertools.pairwise(definition.body)
        if isinstance(attribute, ast.AnnAssign) and isinstance(docstring, ast.Expr)
    }


def settings_table() -> str:
    """The README's table of settings, from the code."""
    meanings = attribute_docstrings(Settings)
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = json.dumps(default) if isinstance(default, list | bool) else str(default)
        cell = "unset" if default is None else f"`{shown}`"
        rows.append(f"| `SEQSERVE_{name.upper()}` | {cell} | {meanings[name]} |")
    return "\n".join(rows)


def test_settings_are_all_documented() -> None:
    assert settings_table() in README, "put this into the README:\n" + settings_table()
