"""Worked examples of the OpenAPI document: what to send, what comes back, which mistake gets which error.

`openapi` puts them into the document, for `/docs`. Tests loop over the document and send all of them to the shipped
models: an example that isn't true doesn't pass, nor does a route or an error without one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from service.errors import Invalid, Place


@dataclass(frozen=True)
class Example:
    """A request that is answered.

    Of an answer to `GET` a part may be shown: keys of free-form objects, entries of lists and the end of a text (`…`)
    may be left out.
    """

    summary: str
    sent: Any = field(default_factory=dict)
    """The JSON body; where the route takes none, its path parameters by name."""
    answer: Any = None
    """None: the answer is too long to be shown."""


@dataclass(frozen=True)
class Mistake:
    """A request that is refused."""

    status: int
    summary: str
    detail: str
    places: Sequence[Place] = ()
    sent: str = ""
    """The HTTP request, `Content-Type: application/json` understood."""
    when: str = ""
    """The state of the service that leads to it, where the request has no fault."""


@dataclass(frozen=True)
class Worked:
    """What is shown of one operation."""

    examples: Sequence[Example]
    mistakes: Sequence[Mistake] = ()


def _invalid(summary: str, sent: str, *loc: str | int, msg: str) -> Mistake:
    places = [Place(loc, msg)]
    return Mistake(422, summary, Invalid(places).detail, places, sent)


def _not_found(summary: str, detail: str, sent: str) -> Mistake:
    return Mistake(404, summary, detail, sent=sent)


_NO_SUCH_MODEL = "There is no such model; GET /models lists what is served."
_NO_SUCH_VERSION = "That version of the model is not served; GET /models lists what is."
_NO_NUMBER = "A version is a positive whole number; GET /models lists them."
_NOT_READY = Mistake(
    503,
    "No model is loaded",
    "No model is loaded yet.",
    when="While no model is loaded, as when SEQSERVE_STORE names a folder that isn't there.",
)


def _of_any_body(route: str) -> list[Mistake]:
    """Mistakes that every route with a JSON body refuses alike."""
    return [
        Mistake(400, "No body", "The body is empty; send a JSON object.", sent=f"POST {route}"),
        Mistake(
            400,
            "A body that is cut short",
            "Expecting ',' delimiter at line 1, column 17.",
            sent=f'POST {route}\n{{"model": "spam"',
        ),
        Mistake(
            413,
            "A body over the limit",
            "The body is over the limit of 16777216 bytes; send fewer or shorter inputs a request.",
            sent=f"POST {route}\nContent-Length: 20000000",
        ),
        Mistake(
            415,
            "A body of another type",
            "Send the body as Content-Type: application/json.",
            sent=f"POST {route}\nContent-Type: text/csv\n\nspam,hello",
        ),
        Mistake(
            415,
            "A compressed body",
            "Compressed bodies are not spoken here; send the JSON as it is, without Content-Encoding.",
            sent=f"POST {route}\nContent-Type: application/json\nContent-Encoding: gzip",
        ),
    ]


_BUSY = [
    _NOT_READY,
    Mistake(
        429,
        "Too many requests at once",
        "Too many requests wait for this model; try again later.",
        when="While as many requests wait for the model as SEQSERVE_MAX_WAITING_REQUESTS allows.",
    ),
    Mistake(
        504,
        "Too slow an answer",
        "The answer was not ready within 0.5 seconds; send fewer rows, or try again later.",
        when="Where SEQSERVE_DEADLINE_SECONDS is 0.5 and the answer takes longer.",
    ),
]
"""What any route may answer that asks a model."""

# --- POST /classify --------------------------------------------------------------------------------------------------

_CLASSIFY = Worked(
    [
        Example(
            "Several texts",
            {"model": "spam", "inputs": ["WINNER!! claim your prize at http://x.y", "running late, see you at 8"]},
            {
                "model": "spam-cnn",
                "version": 4,
                "results": [
                    {
                        "label": "spam",
                        "score": 0.943395,
                        "scores": {"spam": 0.943395, "ham": 0.056605},
                        "truncated": False,
                    },
                    {
                        "label": "ham",
                        "score": 0.999731,
                        "scores": {"ham": 0.999731, "spam": 0.000269},
                        "truncated": False,
                    },
                ],
            },
        ),
        Example(
            "One text, and the best label alone",
            {"model": "sentiment", "inputs": "What a lovely morning!", "top_k": 1},
            {
                "model": "sentiment-rnn",
                "version": 4,
                "results": [
                    {"label": "positive", "score": 0.934607, "scores": {"positive": 0.934607}, "truncated": False}
                ],
            },
        ),
        Example(
            "A certain version of a certain bundle",
            {"model": "spam-rnn", "version": 4, "inputs": ["running late, see you at 8"]},
            {
                "model": "spam-rnn",
                "version": 4,
                "results": [
                    {
                        "label": "ham",
                        "score": 0.998694,
                        "scores": {"ham": 0.998694, "spam": 0.001306},
                        "truncated": False,
                    }
                ],
            },
        ),
        Example(
            "What each word adds to the score",
            {"model": "spam", "inputs": "Win a prize", "explain": True},
            {
                "model": "spam-cnn",
                "version": 4,
                "results": [
                    {
                        "label": "spam",
                        "score": 0.672869,
                        "scores": {"spam": 0.672869, "ham": 0.327131},
                        "truncated": False,
                        "explanation": [
                            {"start": 0, "end": 3, "text": "Win", "weight": 0.211737},
                            {"start": 4, "end": 5, "text": "a", "weight": 0.67261},
                            {"start": 6, "end": 11, "text": "prize", "weight": 0.667344},
                        ],
                    }
                ],
            },
        ),
    ],
    [
        *_of_any_body("/classify"),
        *_BUSY,
        _not_found("An unknown model", _NO_SUCH_MODEL, 'POST /classify\n{"model": "spma", "inputs": "hello"}'),
        _not_found(
            "A version that isn't served",
            _NO_SUCH_VERSION,
            'POST /classify\n{"model": "spam", "version": 99, "inputs": "hello"}',
        ),
        _invalid("No model named", 'POST /classify\n{"inputs": "hello"}', "model", msg="Field required"),
        _invalid(
            "A number among the texts",
            'POST /classify\n{"model": "spam", "inputs": ["hello", 5]}',
            "inputs",
            1,
            msg="Input should be a valid string",
        ),
        _invalid(
            "A misspelt key",
            'POST /classify\n{"model": "spam", "inputs": "hello", "topk": 1}',
            msg="1 key is not known here; known are model, version, inputs, top_k, explain",
        ),
        _invalid(
            "Half of a character",
            'POST /classify\n{"model": "spam", "inputs": "hello \\ud83d"}',
            "inputs",
            msg="A lone surrogate is no Unicode character; send whole code points",
        ),
        _invalid(
            "A model that forecasts",
            'POST /classify\n{"model": "ridership", "inputs": "hello"}',
            "model",
            msg="This model forecasts series; send it to POST /forecast",
        ),
    ],
)

# --- POST /forecast --------------------------------------------------------------------------------------------------

_TWO_WEEKS = [
    *[717818, 724305, 736055, 756405, 717195, 394823, 275711],
    *[736301, 763437, 758602, 771125, 722338, 399402, 301522],
]
"""Two weeks of weekdays, a Saturday and a Sunday, of the size of Chicago's rail boardings: made up, not data."""

_FORECAST = Worked(
    [
        Example(
            "One series",
            {
                "model": "ridership",
                "values": _TWO_WEEKS,
                "start": "2019-01-07",
                "freq": "D",
                "horizon": 3,
                "levels": [80],
            },
            {
                "model": "ridership-wavenet",
                "version": 3,
                "horizon": 3,
                "forecasts": [
                    {
                        "median": [725973.9, 761657.0, 762164.2],
                        "intervals": {
                            "80": {
                                "lower": [682619.6, 729024.9, 730711.6],
                                "upper": [758385.8, 790340.4, 790433.6],
                            }
                        },
                        "timestamps": ["2019-01-21", "2019-01-22", "2019-01-23"],
                        "warnings": ["bus was not sent and is treated as missing"],
                    }
                ],
            },
        ),
        Example(
            "Several series, one with a gap, one without dates",
            {
                "model": "forecast",
                "series": [
                    {
                        "id": "shop",
                        "values": [210, 198, 240, 255, None, 290, 310, 305, 262, 248, 221, 264],
                        "start": "2023-01-01",
                        "freq": "MS",
                    },
                    {"id": "meter", "values": [0.4, 0.3, 0.3, 0.5, 1.1, 1.4, 0.9, 0.8], "freq": None},
                ],
                "horizon": 2,
                "levels": [80],
            },
            {
                "model": "forecast-cnn",
                "version": 3,
                "horizon": 2,
                "forecasts": [
                    {
                        "id": "shop",
                        "median": [247.9079, 236.8739],
                        "intervals": {"80": {"lower": [218.4609, 199.2519], "upper": [280.3882, 281.3721]}},
                        "timestamps": ["2024-01-01", "2024-02-01"],
                        "warnings": ["only 11 of the newest 448 values are known; expect a rough forecast"],
                    },
                    {
                        "id": "meter",
                        "median": [0.84528, 0.865189],
                        "intervals": {"80": {"lower": [0.538755, 0.483913], "upper": [1.207134, 1.355554]}},
                        "warnings": ["freq was not sent: the season is estimated from the values"],
                    },
                ],
            },
        ),
        Example(
            "Covariates: a second series up to now, a category ahead",
            {
                "model": "ridership",
                "values": _TWO_WEEKS[:5],
                "past_covariates": {"bus": [829403, 835120, None, 841877, 802560]},
                "future_covariates": {"day_type": ["W", "W", "W", "W", "W", "A", "U"]},
                "horizon": 2,
                "levels": [80],
            },
            {
                "model": "ridership-wavenet",
                "version": 3,
                "horizon": 2,
                "forecasts": [
                    {
                        "median": [449448.2, 292927.5],
                        "intervals": {"80": {"lower": [388000.9, 225057.0], "upper": [512238.6, 367079.7]}},
                        "warnings": ["only 5 of the newest 112 values are known; expect a rough forecast"],
                    }
                ],
            },
        ),
        Example(
            "Beyond the model's own horizon, with intervals of one's own",
            {
                "model": "ridership",
                "values": _TWO_WEEKS,
                "start": "2019-01-07",
                "horizon": 21,
                "levels": [50, 90],
            },
        ),
        Example(
            "A certain version of a certain bundle",
            {"model": "ridership-cnn", "version": 3, "values": _TWO_WEEKS, "start": "2019-01-07"},
        ),
        Example(
            "How much each week of the history counts",
            {
                "model": "ridership",
                "values": [*_TWO_WEEKS, *_TWO_WEEKS],
                "start": "2018-12-24",
                "levels": [80],
                "explain": True,
            },
            {
                "model": "ridership-wavenet",
                "version": 3,
                "horizon": 1,
                "forecasts": [
                    {
                        "median": [711659.5],
                        "intervals": {"80": {"lower": [674592.4], "upper": [740591.8]}},
                        "timestamps": ["2019-01-21"],
                        "warnings": ["bus was not sent and is treated as missing"],
                        "explanation": [
                            {"start": 0, "end": 7, "weight": 0.539585},
                            {"start": 7, "end": 14, "weight": 0.103724},
                            {"start": 14, "end": 21, "weight": 0.200736},
                            {"start": 21, "end": 28, "weight": 0.155955},
                        ],
                    }
                ],
            },
        ),
    ],
    [
        *_of_any_body("/forecast"),
        *_BUSY,
        Mistake(
            400,
            "NaN for a missing value",
            "NaN is not JSON; send null where a value is missing.",
            sent='POST /forecast\n{"model": "ridership", "values": [717818, NaN]}',
        ),
        _not_found("An unknown model", _NO_SUCH_MODEL, 'POST /forecast\n{"model": "rail", "values": [717818]}'),
        _not_found(
            "A version that isn't served",
            _NO_SUCH_VERSION,
            'POST /forecast\n{"model": "ridership", "version": 99, "values": [717818]}',
        ),
        _invalid("No model named", 'POST /forecast\n{"values": [717818]}', "model", msg="Field required"),
        _invalid(
            "Neither series nor values",
            'POST /forecast\n{"model": "ridership"}',
            msg="send either `series`, a list, or `values` for one series",
        ),
        _invalid(
            "All values are null",
            'POST /forecast\n{"model": "ridership", "values": [null, null]}',
            "values",
            msg="The newest 112 values are all null; send some that aren't",
        ),
        _invalid(
            "A number as text, in the second series",
            'POST /forecast\n{"model": "ridership", "series": [{"values": [1]}, {"values": [1, "2"]}]}',
            "series",
            1,
            "values",
            1,
            msg="Input should be a valid number",
        ),
        _invalid(
            "An interval that is too wide",
            'POST /forecast\n{"model": "ridership", "values": [717818], "levels": [80, 99]}',
            "levels",
            1,
            msg="Input should be less than or equal to 95",
        ),
        _invalid(
            "More steps ahead than the service goes",
            'POST /forecast\n{"model": "ridership", "values": [717818], "horizon": 5000}',
            "horizon",
            msg="At most 1000 steps ahead",
        ),
        _invalid(
            "A spacing that the model doesn't know",
            'POST /forecast\n{"model": "ridership", "values": [717818], "freq": "h"}',
            "freq",
            msg="This model forecasts series of freq D",
        ),
        _invalid(
            "A start that is no date",
            'POST /forecast\n{"model": "ridership", "values": [717818], "start": "7.1.2019"}',
            "start",
            msg="not an ISO 8601 date or time such as 2019-01-31 or 2019-01-31T06:00",
        ),
        _invalid(
            "An unknown covariate",
            'POST /forecast\n{"model": "ridership", "values": [717818], "past_covariates": {"tram": [90210]}}',
            "past_covariates",
            msg="1 unknown; This model takes bus",
        ),
        _invalid(
            "Categories that don't reach to the horizon",
            'POST /forecast\n{"model": "ridership", "values": [717818], "future_covariates": {"day_type": ["W"]}}',
            "future_covariates",
            "day_type",
            msg="2 entries are needed, one for each of values and each step ahead",
        ),
        _invalid(
            "A model that labels texts",
            'POST /forecast\n{"model": "spam", "values": [717818]}',
            "model",
            msg="This model labels texts; send it to POST /classify",
        ),
    ],
)

# --- POST /outcomes --------------------------------------------------------------------------------------------------

_OUTCOMES = Worked(
    [
        Example(
            "Two days of a forecast",
            {
                "model": "ridership",
                "version": 3,
                "outcomes": [
                    {"level": 80, "lower": 682619.6, "upper": 758385.8, "actual": 741250},
                    {"level": 80, "lower": 729024.9, "upper": 790340.4, "actual": 702311},
                ],
            },
            {
                "model": "ridership-wavenet",
                "version": 3,
                "levels": {"80": {"num_outcomes": 2, "num_inside": 1, "coverage": 0.5}},
            },
        )
    ],
    [
        *_of_any_body("/outcomes"),
        _NOT_READY,
        _not_found(
            "A version that isn't served",
            _NO_SUCH_VERSION,
            'POST /outcomes\n{"model": "ridership", "version": 99, '
            '"outcomes": [{"level": 80, "lower": 1, "upper": 2, "actual": 1}]}',
        ),
        _invalid(
            "No version named",
            'POST /outcomes\n{"model": "ridership", "outcomes": [{"level": 80, "lower": 1, "upper": 2, "actual": 1}]}',
            "version",
            msg="Field required",
        ),
        _invalid(
            "Ends the wrong way round",
            'POST /outcomes\n{"model": "ridership", "version": 3, '
            '"outcomes": [{"level": 80, "lower": 2, "upper": 1, "actual": 1}]}',
            "outcomes",
            0,
            msg="lower is above upper; swap them",
        ),
        _invalid(
            "A model that labels texts",
            'POST /outcomes\n{"model": "spam", "version": 4, '
            '"outcomes": [{"level": 80, "lower": 1, "upper": 2, "actual": 1}]}',
            "model",
            msg="This model labels texts; outcomes are told of forecasts",
        ),
    ],
)

# --- GET /models… ----------------------------------------------------------------------------------------------------

_CARD: Mapping[str, Any] = {
    "name": "spam-cnn",
    "version": 4,
    "versions": [4],
    "aliases": ["spam"],
    "manifest": {
        "format": 1,
        "name": "spam-cnn",
        "version": 4,
        "spec": {
            "task": "classify",
            "labels": ["ham", "spam"],
            "max_tokens": 512,
            "positive_label": "spam",
            "threshold": 0.5,
            "temperature": 1.135,
        },
        "architecture": "cnn",
        "recipe": {"data": "sms_spam", "settings": {"filters": 96, "kernel_sizes": [1, 3, 5], "residual_layers": 0}},
        "seed": 42,
        "parameters": 280162,
        "created": "2026-11-23T07:41:07+00:00",
        "source_commit": "33f9581654a44385e79dfbf397ec4975cdc53d25",
        "data": [
            {
                "name": "SMS Spam Collection",
                "origin": "https://archive.ics.uci.edu/dataset/228/sms+spam+collection",
                "licence": "CC BY 4.0",
                "citation": "Almeida, Gómez Hidalgo, Yamakami: Contributions to the Study of SMS Spam Filtering, …",
                "files": {"train.tsv": "6412a635707a7d9660c561d4c0ebdbf2d5da8b65c1f2ad38e16e270c45ca082f"},
                "rows": {"train": 3925, "valid": 557},
            }
        ],
        "inputs": [{"name": "ids", "dtype": "int64", "shape": ["batch", "time"]}],
        "outputs": [{"name": "probabilities", "dtype": "float32", "shape": ["batch", 2]}],
        "opset": 17,
        "ir_version": 8,
        "metrics": {"model": {"mcc": 0.991}, "majority": {"mcc": 0.0}},
        "calibration": {"temperature": 1.135, "threshold": 0.5},
        "libraries": {"torch": "2.13.0+cpu", "onnx": "1.23.2"},
        "intended_use": "Tell unsolicited advertising and fraud from personal messages in short English texts.",
        "limits": "Trained on 3,925 messages: ham by students in Singapore, spam from the United Kingdom, …",
        "files": {
            "model.onnx": "ed4c35a109131eb8ec8a3ad9d998b57c5ced833fe05c006c70baec1d9a9ac60b",
            "golden.npz": "9d4261148b7740f1bd8a5726d814661ead5cbf13ac808069e8b532cf14183de4",
            "tokenizer.json": "d8ddf4778438ca8e445c278b0eeade42055719f1c46587246ae4ba61ff120cde",
        },
    },
    "metrics": {"rows": 553, "mcc": 0.991, "precision": 1.0, "recall": 0.984},
    "baselines": {"majority": {"mcc": 0.0}, "tfidf_logistic_regression": {"mcc": 0.945}},
    "report": {"evaluated_on": "validation part less 4 near-duplicates of training texts: 553 rows"},
    "files": ["/models/spam-cnn/versions/4/files/confusion.svg", "/models/spam-cnn/versions/4/files/report.md"],
}

_LIST_MODELS = Worked(
    [
        Example(
            "What is served (a part)",
            answer={
                "models": [
                    {
                        "name": "ridership-wavenet",
                        "task": "forecast",
                        "architecture": "wavenet",
                        "version": 3,
                        "versions": [3],
                        "aliases": ["ridership"],
                        "labels": [],
                        "frequencies": ["D"],
                        "seasons": {"D": 7},
                    },
                    {
                        "name": "spam-cnn",
                        "task": "classify",
                        "architecture": "cnn",
                        "version": 4,
                        "versions": [4],
                        "aliases": ["spam"],
                        "labels": ["ham", "spam"],
                        "frequencies": [],
                        "seasons": {},
                    },
                ],
                "aliases": {
                    "ridership": {"name": "ridership-wavenet", "pinned": None, "version": 3},
                    "spam": {"name": "spam-cnn", "pinned": None, "version": 4},
                },
                "refused": [],
                "pending": [],
            },
        )
    ]
)

_SHOW_MODEL = Worked(
    [
        Example("By its alias (a part)", {"name": "spam"}, _CARD),
        Example("By its name (a part)", {"name": "spam-cnn"}, _CARD),
    ],
    [_not_found("An unknown model", _NO_SUCH_MODEL, "GET /models/spma"), _NOT_READY],
)

_SHOW_VERSION = Worked(
    [Example("A version (a part)", {"name": "spam", "version": "4"}, _CARD)],
    [
        _not_found("An unknown model", _NO_SUCH_MODEL, "GET /models/spma/versions/1"),
        _not_found("A version that isn't served", _NO_SUCH_VERSION, "GET /models/spam/versions/99"),
        _not_found("A version that is no number", _NO_NUMBER, "GET /models/spam/versions/newest"),
        _NOT_READY,
    ],
)

_SHOW_FILE = Worked(
    [Example("The report (its beginning)", {"name": "spam", "version": "4", "file": "report.md"}, "# spam-cnn\n\n…")],
    [
        _not_found("An unknown model", _NO_SUCH_MODEL, "GET /models/spma/versions/1/files/report.md"),
        _not_found("A version that isn't served", _NO_SUCH_VERSION, "GET /models/spam/versions/99/files/report.md"),
        _not_found(
            "A file that isn't shown",
            "The version has no such file to show; its card lists what there is.",
            "GET /models/spam/versions/4/files/model.onnx",
        ),
        _NOT_READY,
    ],
)

# --- health, figures -------------------------------------------------------------------------------------------------

_LIVEZ = Worked([Example("Alive", answer={"status": "live"})])

_READYZ = Worked(
    [
        Example(
            "Ready (a part)",
            answer={"status": "ready", "models": ["ridership-wavenet", "spam-cnn"], "store_faults": []},
        )
    ],
    [
        Mistake(
            503,
            "An empty store",
            "the store: it holds no bundle that has proved itself",
            when="On a store without any bundle.",
        ),
        Mistake(
            503,
            "A required model is absent",
            "weather: no version has proved itself",
            when='Where SEQSERVE_REQUIRED_MODELS is ["weather"], which is not in the store.',
        ),
    ],
)

_SHOW_METRICS = Worked(
    [
        Example(
            "Figures (their beginning)",
            answer="# HELP seqserve_requests_total Requests answered\n# TYPE seqserve_requests_total counter\n…",
        )
    ]
)

WORKED: Mapping[str, Worked] = MappingProxyType(
    {
        "classify": _CLASSIFY,
        "forecast": _FORECAST,
        "count_outcomes": _OUTCOMES,
        "list_models": _LIST_MODELS,
        "show_model": _SHOW_MODEL,
        "show_version": _SHOW_VERSION,
        "show_file": _SHOW_FILE,
        "livez": _LIVEZ,
        "readyz": _READYZ,
        "show_metrics": _SHOW_METRICS,
    }
)
"""By operation id, which is the name of the route's function."""
