"""uvicorn with limits, draining, workers and TLS."""
