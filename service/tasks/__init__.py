"""A folder for each task, and their table (`table.TASKS`)."""
