"""The report of a comparison: for whoever has to choose a model, and whoever wants to know why they differ."""

import importlib.metadata
import json
import platform
import statistics
from collections.abc import Sequence
from pathlib import Path

from training import plots
from training.compare.outcomes import Outcome
from training.compare.page import Command, Facts, Findings, Page, Plot, Plots, Section, Table, Text, write_page
from training.compare.standings import Standings
from training.experiments import memory, shapes
from training.models.properties import properties
from training.tasks import Measure

LIBRARIES = ("torch", "onnxruntime", "scikit-learn", "statsforecast")


def write_report(standings: Standings, command: str, output: Path, further: Sequence[Section] = ()) -> None:
    """Write `report.html`, `report.md` with its plots, and `report.json` into a folder.

    Args:
        standings: the numbers.
        command: what was typed to get here.
        output: the folder; what is there under the same names is replaced.
        further: sections at the end, as `memory_section` makes one.
    """
    page = Page(
        title=f"Comparison: {standings.compared.comparison.name}",
        findings=_findings(standings),
        sections=[
            _compared(standings, command),
            _result(standings),
            _latency(standings),
            _learning(standings),
            *_answers(standings),
            _all_figures(standings),
            *_parts(standings),
            _properties(standings),
            *further,
            _settings(standings),
        ],
    )
    write_page(page, output, "report")
    numbers = {"command": command, **standings.plain()}
    (output / "report.json").write_text(json.dumps(numbers, indent=1, ensure_ascii=False) + "\n")


# --- sections --------------------------------------------------------------------------------------------------------


def _findings(standings: Standings) -> Findings:
    main, best, as_good = standings.main, standings.best(), standings.as_good()
    selection = standings.measures.selection
    sentences = [
        f"Chosen: {best}. Its {selection.label} on the {standings.measures.selected_on} is the best: "
        f"{_spread(standings.selected[best], selection)}. On the reported rows, by which nothing was chosen, its "
        f"{main.label} is {_spread(standings.figures(best, main), main)}."
    ]
    if as_good:
        reach = "reaches" if len(as_good) == 1 else "reach"
        fastest = min([best, *as_good], key=standings.median_microseconds)
        smallest = min([best, *as_good], key=lambda name: standings.outcomes[name][0].parameters)
        sentences += [
            f"{_listed(as_good)} {reach} into the spread of its seeds: with other seeds the order could be another.",
            f"Among these, {fastest} answers fastest, in {_count(standings.median_microseconds(fastest))} "
            f"microseconds, and {'it' if smallest == fastest else smallest} is the smallest, with "
            f"{_count(standings.outcomes[smallest][0].parameters)} weights.",
        ]
    elif len(standings.outcomes) > 1 and len(standings.compared.seeds) > 1:
        sentences.append("No other architecture reaches into the spread of its seeds.")
    if (baseline := standings.strongest_baseline()) is not None:
        better = standings.better_than(baseline)
        sentences.append(
            f"The strongest baseline on the reported rows is {_words(baseline)}, with "
            f"{_spread(standings.figures(baseline, main), main)}. "
            + (f"Better than that in the median: {_listed(better)}." if better else "No architecture is better.")
        )
    return Findings(sentences)


def _compared(standings: Standings, command: str) -> Section:
    everyone = [outcome for found in standings.outcomes.values() for outcome in found]
    versions = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
    facts = {
        "Data": "; ".join(
            dict.fromkeys(
                ", ".join(
                    [
                        f"{data['name']} ({data['licence']})",
                        data["origin"].partition("://")[2] or data["origin"],
                        *(f"{rows:,} {part}" for part, rows in data["rows"].items()),
                    ]
                )
                for data in everyone[0].data
            )
        ),
        "Reported rows": everyone[0].evaluated_on,
        "Chosen by": f"median {standings.measures.selection.label} on the {standings.measures.selected_on}",
        "Seeds": ", ".join(map(str, standings.compared.seeds)),
        "Fits": f"{len(everyone)}: {_listed(list(standings.outcomes))}, each with every seed",
        "Code": f"commit {_listed(sorted({outcome.source_commit for outcome in everyone}))}",
        "Libraries": ", ".join([f"Python {platform.python_version()}", *versions]),
        "Speed": "one answer to one row, in onnxruntime on one thread, the models taking turns; the median of many. "
        "Seconds and microseconds are those of one machine: compare them with each other, not with another report's",
    }
    return Section(
        "What was compared",
        [
            Text(
                "Every architecture learned from the same rows, from other first weights with each seed, and was "
                "measured on the same rows, which none of them learned from. So were the baselines, once."
            ),
            Facts(facts),
            Text("To do it again:"),
            Command(command),
        ],
    )


def _result(standings: Standings) -> Section:
    main = standings.main
    rows = [
        [
            name,
            _spread(standings.figures(name, main), main),
            _spread(standings.selected[name], standings.measures.selection),
            _count(statistics.median(outcome.parameters for outcome in found)),
            _count(statistics.median(outcome.model_bytes for outcome in found) / 1024),
            _count(statistics.median(outcome.training_seconds for outcome in found)),
            _count(standings.median_microseconds(name)),
        ]
        for name, found in standings.outcomes.items()
    ]
    rows += [[_words(name), _spread(standings.figures(name, main), main), *["–"] * 5] for name in standings.baselines]
    measures = standings.measures
    columns = [
        f"{_header(main)}, reported rows",
        f"{_header(measures.selection)}, {measures.selected_on}",
        "weights",
        "file, KiB",
        "training, s",
        "one answer, µs",
    ]
    table = Table(
        "Median over seeds, lowest to highest in brackets; then what it costs",
        columns,
        rows,
        chosen=standings.best(),
        quiet=frozenset(map(_words, standings.baselines)),
    )
    return Section(
        "Result",
        [
            table,
            Text(
                f"The choice is made on the {standings.measures.selected_on}: had it been made on the reported rows, "
                "their figure would look better than new rows will. Where the ranges of two rows overlap, their order "
                "may be luck."
            ),
            *([Text(measures.note)] if measures.note else []),
        ],
    )


def _latency(standings: Standings) -> Section:
    main = standings.main
    points = {
        name: list(zip(found, standings.figures(name, main), strict=True))
        for name, found in standings.microseconds.items()
    }
    baseline = standings.strongest_baseline()
    line = (_words(baseline), standings.median(baseline)) if baseline else None
    compared = [
        f"{name} {_figure(standings.median(name), main)} at {_count(standings.median_microseconds(name))} microseconds"
        for name in standings.outcomes
    ]
    if line is not None:
        compared.append(f"best baseline, {line[0]}, {_figure(line[1], main)}")
    plot = Plot(
        "figure_against_latency.svg",
        plots.figure_against_latency(points, _header(main), line),
        f"{main.label} against the time of one answer, medians over seeds: {'; '.join(compared)}.",
    )
    return Section("How good, how fast", [Plots([plot]), Text("A small mark is one seed, the large one their median.")])


def _learning(standings: Standings) -> Section:
    curves = {
        name: [curve for outcome in found for curve in outcome.curves] for name, found in standings.outcomes.items()
    }
    drawn = []
    for name, svg in plots.learning_curves(curves).items():
        first, last = (statistics.median(curve[epoch]["valid_loss"] for curve in curves[name]) for epoch in (0, -1))
        fits = "1 fit" if len(curves[name]) == 1 else f"{len(curves[name])} fits"
        alt = f"Learning curves of {name}, {fits}: the median validation loss goes from {first:.3g} "
        drawn.append(Plot(f"learning-{name}.svg", svg, alt + f"after the first epoch to {last:.3g} after the last."))
    return Section(
        "How they learned",
        [
            Text(
                "A thin line is one fit, the bold one their median, all on the same axes. A validation loss that rises "
                "while the training loss falls belongs to a network that learns its rows by heart; the weights of the "
                "best epoch are kept. A training loss above the validation loss is no mistake: dropout, and what else "
                "makes training harder, is off in validation."
            ),
            Plots(drawn),
        ],
    )


def _answers(standings: Standings) -> list[Section]:
    """What can be drawn of the answers: forecasts, or a confusion matrix."""
    typical = {name: standings.typical(name) for name in standings.outcomes}
    fans = {name: plots.Fan(**outcome.fan) for name, outcome in typical.items() if outcome.fan}
    if fans:
        drawn = [
            Plot(f"forecast-{name}.svg", svg, f"Forecast of {name}, seed {typical[name].seed}. {_said(fans[name])}")
            for name, svg in plots.forecast_fans(fans).items()
        ]
        title = next(iter(fans.values())).title
        what = f"{title}. Of each architecture the seed that is nearest to its median."
        return [Section("The same forecast by each", [Text(what[:1].upper() + what[1:]), Plots(drawn)])]
    drawn = [
        Plot(
            f"confusion-{name}.svg",
            plots.confusion(outcome.figures["confusion"], outcome.labels or [], name),
            f"Confusion matrix of {name}, seed {outcome.seed}: {_taken(outcome)}",
        )
        for name, outcome in typical.items()
        if "confusion" in outcome.figures
    ]
    what = "Of each architecture the seed that is nearest to its median, on the reported rows."
    return [Section("What was taken for what", [Text(what), Plots(drawn)])] if drawn else []


def _all_figures(standings: Standings) -> Section:
    everyone = [*standings.outcomes, *standings.baselines]
    measures = [
        measure
        for measure in (standings.main, *standings.measures.further)
        if any(standings.figures(name, measure) for name in everyone)
    ]
    table = Table(
        "Of the reported rows: median over seeds, lowest to highest in brackets",
        [_header(measure) for measure in measures],
        [
            [_words(name), *(_spread(standings.figures(name, measure), measure) for measure in measures)]
            for name in everyone
        ],
        chosen=standings.best(),
        quiet=frozenset(map(_words, standings.baselines)),
    )
    return Section("All figures", [table])


def _parts(standings: Standings) -> list[Section]:
    """The figures of each part of the data, where there are such."""
    parts = standings.measures.parts
    if parts is None:
        return []
    everyone = [*standings.outcomes, *standings.baselines]
    rows = []
    for measure in standings.parts():
        medians = [standings.figures(name, measure) for name in everyone]
        cells = [_figure(statistics.median(found), measure) if found else "–" for found in medians]
        rows.append([_words(measure.label), *cells])
    table = Table(f"{_header(parts)}, median over seeds", [_words(name) for name in everyone], rows)
    return [Section("Part by part", [table])]


def _properties(standings: Standings) -> Section:
    rows = []
    for name in standings.outcomes:
        recipe = standings.compared.comparison.recipes[name]
        words = properties(recipe.architecture, recipe.settings)
        rows.append([name, words.order, words.memory, words.length, words.parallel, words.gradients])
    columns = ["knows order", "one output sees", "length of a sequence", "all steps at once", "unstable gradients"]
    return Section(
        "What tells them apart",
        [
            Text(
                "This is said of the architectures alone, with the settings they have here. What a task puts around "
                "them, such as pooling over all steps of a text or the recent level of a series, may see further."
            ),
            Table("Order, memory and training", columns, rows, words=True),
        ],
    )


def _settings(standings: Standings) -> Section:
    recipes = standings.compared.comparison.recipes
    settings = {name: f"{recipes[name].settings}, {recipes[name].schedule}" for name in standings.outcomes}
    return Section("Settings of each", [Facts(settings, code=True)])


def memory_section(outcomes: Sequence[memory.Outcome]) -> Section:
    """Memory by experiment: a table and a plot of each task, for a report's further sections."""
    parts: list[Text | Table | Plots] = [
        Text(
            "What an output could see is one thing, what is learnt of it another. Here each contender had to remember "
            "over more and more steps. 100 % is the error of the best answer without memory; a dash was not tried."
        )
    ]
    for task in dict.fromkeys(outcome.task for outcome in outcomes):
        of_task = sorted((one for one in outcomes if one.task == task), key=lambda one: one.length)
        shares = {(one.contender, one.length): _percent(one.error / one.baseline) for one in of_task}
        contenders = list(dict.fromkeys(one.contender for one in of_task))
        lengths = list(dict.fromkeys(one.length for one in of_task))
        rows = [[name, *(shares.get((name, length), "–") for length in lengths)] for name in contenders]
        longest = {
            name: max((one.length for one in of_task if one.solved and one.contender == name), default=0)
            for name in contenders
        }
        reach = [f"{name} at {f'{steps:,} steps' if steps else 'no length'}" for name, steps in longest.items()]
        alt = (
            f"Error on the {task} task over the length of the sequence. Below {_percent(memory.SOLVED)} of the error "
            f"without memory, at the most: {'; '.join(reach)}."
        )
        caption = f"The {task} task: error, of that without memory, by steps to remember over"
        plot = Plot(f"memory-{task}.svg", memory.plot(of_task), alt)
        parts += [Table(caption, [f"{length:,}" for length in lengths], rows), Plots([plot])]
    return Section("Memory by experiment", parts)


def shapes_section(outcomes: Sequence[shapes.ShapeOutcome], baseline: shapes.Row) -> Section:
    """Shapes of problem by experiment: a table and a plot, for a report's further sections."""
    rows = [
        [row.shape, row.architecture, _count(row.mae_next_day), "–" if further is None else _count(further)]
        for row in (baseline, *shapes.rows(outcomes))
        for further in [row.mae_mean_of_14]
    ]
    best = min(shapes.rows(outcomes), key=lambda row: row.mae_next_day)
    alt = (
        "Mean absolute error of the next day, and of 14 days, by shape of problem. The next day is forecast best by "
        f"{best.shape} ({best.architecture}): {_count(best.mae_next_day)}, beside {_count(baseline.mae_next_day)} of "
        "the last week repeated."
    )
    text = (
        "The same plain network, an architecture with one linear layer on top, asked in different ways about Chicago's "
        "rail boardings: for one day or 14, at the last step or at every one, with bus and day types read beside, with "
        "bus forecast beside, or asked for one day and fed its own answer. Errors in boardings a day, medians of seeds."
    )
    table = Table("Mean absolute error by shape", ["architecture", "next day", "mean of 14 days"], rows)
    plot = Plot("shapes.svg", shapes.plot(outcomes, baseline), alt)
    return Section("Shapes of problem by experiment", [Text(text), table, Plots([plot])])


# --- words and numbers -----------------------------------------------------------------------------------------------


def _said(fan: plots.Fan) -> str:
    level, ends = next(iter(fan.intervals.items()))
    known = [
        (low, value, high) for low, value, high in zip(ends[0], fan.actual, ends[1], strict=True) if value is not None
    ]
    inside = sum(low <= value <= high for low, value, high in known)
    return (
        f"{fan.title}: a median of {_count(fan.median[0])} for the first of the {fan.unit} ahead and "
        f"{_count(fan.median[-1])} for the last; {inside} of {len(known)} values are inside the {level} % interval."
    )


def _taken(outcome: Outcome) -> str:
    labels = outcome.labels or []
    rows = []
    for label, row in zip(labels, outcome.figures["confusion"], strict=True):
        taken = ", ".join(f"{count:,} were taken for {other}" for other, count in zip(labels, row, strict=True))
        rows.append(f"of {sum(row):,} {label}, {taken}")
    return "; ".join(rows) + "."


def _header(measure: Measure) -> str:
    if isinstance(measure.aim, float):
        return f"{measure.label}, % (should be {100 * measure.aim:.0f})"
    return f"{measure.label} ({'higher' if measure.aim == 'high' else 'lower'} is better)"


def _spread(values: Sequence[float], measure: Measure) -> str:
    """Median (lowest to highest), a dash where there is nothing."""
    if not values:
        return "–"
    middle = _figure(statistics.median(values), measure)
    if len(values) == 1:
        return middle
    return f"{middle} ({_figure(min(values), measure)} to {_figure(max(values), measure)})"


def _figure(value: float, measure: Measure) -> str:
    if isinstance(measure.aim, float):
        return f"{100 * value:.1f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}" if abs(value) >= 10 else f"{value:.3f}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
