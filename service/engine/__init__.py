"""Arrays in, arrays out, in batches; nothing of requests."""
