"""TASKS: every task by name."""
