"""HTTP around `predict`: routes, codecs, errors as problem+json, the OpenAPI document."""
