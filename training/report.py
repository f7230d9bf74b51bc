"""The report of a training run in Markdown: figures beside baselines, how choices were made, plots."""

import itertools
from typing import Any

from training.tasks import TrainedModel


def markdown(recipe: Any, report: dict[str, Any], trained: TrainedModel) -> str:
    """The page a person reads; everything in it is in `report.json` too."""
    blocks = [
        f"# {recipe.name}",
        recipe.intended_use,
        f"**Limits.** {recipe.limits}",
        f"Architecture `{recipe.architecture}`, {trained.parameters:,} weights, seed {report['seed']}; "
        f"{report['model_bytes']:,} bytes of ONNX, which differ from torch by at most "
        f"{report['largest_export_difference']:.1e} of the scale of the output.",
        "## Held-out figures, beside baselines",
        f"Measured on: {report['evaluated_on']}.",
        table(trained.metrics),
        *(["## The sets", rows_table(report["sets"])] if "sets" in report else []),
        *itertools.chain(*((f"## {title}", rows_table(rows)) for title, rows in report.get("tables", {}).items())),
        "## How the choices were made",
        _list(report.get("selection", {}) | trained.calibration),
        "## Data",
        "\n".join(
            f"- {data.name}, {data.licence}; {data.origin}; "
            + ", ".join(f"{rows} {part}" for part, rows in data.rows.items())
            for data in trained.data
        ),
        "## Plots",
        "\n".join(f"![{name.removesuffix('.svg')}]({name})" for name in sorted(trained.files) if name.endswith(".svg")),
    ]
    return "\n\n".join(blocks) + "\n"


def table(metrics: dict[str, dict[str, Any]]) -> str:
    """One row per model, one column per figure that is a number."""
    columns = dict.fromkeys(
        figure
        for figure, value in itertools.chain(*(values.items() for values in metrics.values()))
        if _is_number(value)
    )
    rows = [
        "| | " + " | ".join(column.replace("_", " ") for column in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name, values in metrics.items():
        cells = [_number(values[column]) if column in values else "" for column in columns]
        rows.append(f"| {name.replace('_', ' ')} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def rows_table(rows: list[dict[str, Any]]) -> str:
    """One row per entry, one column per key; None as a dash."""
    lines = ["| " + " | ".join(rows[0]) + " |", "|---" * len(rows[0]) + "|"]
    lines += ["| " + " | ".join("—" if value is None else str(value) for value in row.values()) + " |" for row in rows]
    return "\n".join(lines)


def _list(values: dict[str, Any]) -> str:
    return "\n".join(
        f"- {name.replace('_', ' ')}: {_number(value) if _is_number(value) else value}"
        for name, value in values.items()
        if _is_number(value) or isinstance(value, str) or (isinstance(value, list) and len(value) <= 14)
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}" if abs(value) < 10 else f"{value:,.0f}"
