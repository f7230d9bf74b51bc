"""The website at `/` and `/docs`."""
