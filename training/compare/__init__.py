"""`python -m training compare`: every architecture, several seeds each, and the report."""
