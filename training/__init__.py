"""Offline: from data to a published bundle. `python -m training --help`; torch lives here.

recipes -> data -> tasks (batches, loss, metrics, baselines) -> models -> fit -> export -> bundle in a store
"""
