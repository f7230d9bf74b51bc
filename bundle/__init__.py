"""The contract between training and serving: what a model bundle holds and how raw input becomes arrays.

A leaf package: numpy, protobuf, pydantic, tokenizers and the standard library only.

    manifest  what a bundle says about itself      store   bundles on disk: write, read, versions, aliases
    text      text -> token ids                    golden  recorded inputs and outputs that prove a bundle
    series    series -> fixed context, day types, timestamps, intervals
    graph     whether a graph may be handed to onnxruntime
    decision  probabilities -> the label answered
    reference what a classifier answered on held-out texts, to measure drift against
"""
