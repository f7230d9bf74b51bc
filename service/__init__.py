"""HTTP in, arrays through, HTTP out. `python -m service`; no torch.

One request, one direction: bytes -> `payload` (JSON, limits) -> request model -> rows -> `batcher`, which asks
`text_batcher` or `series_engine`, and these `runtime` -> answers -> labels or steps -> response. `catalog` says which
bundle answers; `paths` goes round `batcher` and `runtime` again for a horizon beyond the model's own. `word_weights`
and `stretch_weights` hide parts of the input, one a row, for an answer that is to be explained.
"""
