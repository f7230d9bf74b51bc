import numpy as np

from benchmarks.growth.curves import CURVES
from benchmarks.growth.models import COUNTS
from benchmarks.growth.plot import MODELS, draw, draw_models
from benchmarks.serving.contenders import ALONE, SERVICE


def test_every_point_of_a_curve_is_another() -> None:
    for curve in CURVES.values():
        assert len({curve.point(at) for at in curve.at}) == len(curve.at)


def test_curve_goes_through_the_medians() -> None:
    rounds = [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
    curve = {"axis": "workers", "unit": "texts/s", "at": [1, 100], SERVICE: rounds, ALONE: rounds}
    figure = draw(curve)
    [axes] = figure.axes
    assert [np.asarray(line.get_ydata()).tolist() for line in axes.lines] == [[2.0, 5.0]] * 2
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale()) == ("workers", "texts/s", "log")


def test_models_are_drawn_one_figure_below_another() -> None:
    keys = [key for lines in MODELS.values() for key in lines]
    figure = draw_models({"axis": "models", "at": list(COUNTS), **{key: [[1.0]] * len(COUNTS) for key in keys}})
    assert [axes.get_ylabel() for axes in figure.axes] == list(MODELS)
