"""Studies that no published model needs: `python -m training.experiments.memory`, `… .shapes`."""
